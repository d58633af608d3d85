//! Configuration of single domains: where its users come from, and what an LDAP back end needs to know.
//!
//! Owns the table `identity_domain_config`. Which groups and options there are stands in `known`. What is secret (`ldap.password`) is
//! stored but never shown; `%(password)s` in another option of the group is filled in for who reads the options to use them
//! ([`Identity::domain_options`]).

pub(crate) mod api;
mod known;
pub(crate) mod policy;
mod service;
pub(crate) mod store;

use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Options by group: `{"ldap": {"url": ..}}`.
pub type Options = BTreeMap<String, Map<String, Value>>;

/// A part of a configuration: all of it, a group, or a single option.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Part<'a> {
    All,
    Group(&'a str),
    Option(&'a str, &'a str),
}

impl<'a> Part<'a> {
    fn group(self) -> Option<&'a str> {
        match self {
            Self::All => None,
            Self::Group(group) | Self::Option(group, _) => Some(group),
        }
    }

    fn option(self) -> Option<&'a str> {
        match self {
            Self::Option(_, option) => Some(option),
            Self::All | Self::Group(_) => None,
        }
    }

    fn holds(self, group: &str, option: &str) -> bool {
        self.group().is_none_or(|wanted| wanted == group) && self.option().is_none_or(|wanted| wanted == option)
    }
}
