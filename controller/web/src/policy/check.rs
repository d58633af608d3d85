//! A parsed check and whether it holds.

use super::{PolicyError, Target};
use crate::{Scope, TokenInfo};
use std::collections::HashMap;

pub(super) type Rules = HashMap<String, Check>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Check {
    Always,
    Never,
    All(Vec<Check>),
    Any(Vec<Check>),
    Not(Box<Check>),
    Rule(String),
    Role(Template),
    /// A word of the program's own against the target: `'x':%(name)s`, `True:%(enabled)s`.
    Literal(String, Template),
    /// An attribute of the caller against the target: `user_id:%(user_id)s`.
    Credential(String, Template),
}

/// Text with `%(name)s` in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template(pub Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Text(String),
    Key(String),
}

impl Template {
    /// `None` when the target lacks an attribute: then the check does not hold.
    pub(super) fn fill(&self, target: &Target) -> Option<String> {
        let mut out = String::new();
        for part in &self.0 {
            out.push_str(match part {
                Part::Text(text) => text,
                Part::Key(key) => target.get(key)?,
            });
        }
        Some(out)
    }
}

impl Check {
    pub(super) fn holds(&self, rules: &Rules, token: &TokenInfo, target: &Target) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::All(checks) => checks.iter().all(|check| check.holds(rules, token, target)),
            Self::Any(checks) => checks.iter().any(|check| check.holds(rules, token, target)),
            Self::Not(check) => !check.holds(rules, token, target),
            // `verify` has excluded circles.
            Self::Rule(name) => rules.get(name).is_some_and(|check| check.holds(rules, token, target)),
            Self::Role(role) => role.fill(target).is_some_and(|role| token.has_role(&role)),
            Self::Literal(word, value) => value.fill(target).is_some_and(|value| value == *word),
            Self::Credential(name, value) => {
                let value = value.fill(target);
                value.is_some_and(|value| credential(token, name).is_some_and(|own| own == value))
            }
        }
    }

    fn references<'a>(&'a self, found: &mut Vec<&'a str>) {
        match self {
            Self::Rule(name) => found.push(name),
            Self::All(checks) | Self::Any(checks) => checks.iter().for_each(|check| check.references(found)),
            Self::Not(check) => check.references(found),
            Self::Always | Self::Never | Self::Role(_) | Self::Literal(..) | Self::Credential(..) => {}
        }
    }
}

/// What the caller is, by oslo.context's names.
pub(super) fn credential<'a>(token: &'a TokenInfo, name: &str) -> Option<&'a str> {
    let project = token.project();
    let domain = token.domain();
    match name {
        "user_id" | "user" | "token.user.id" => Some(token.user.id.as_str()),
        "user_domain_id" | "token.user.domain.id" => Some(token.user.domain.id.as_str()),
        "project_id" | "tenant_id" | "tenant" | "token.project.id" => project.map(|p| p.id.as_str()),
        "project_domain_id" | "token.project.domain.id" => project.map(|p| p.domain.id.as_str()),
        "domain_id" | "token.domain.id" => domain.map(|d| d.id.as_str()),
        "system_scope" | "token.system.all" => (token.scope == Scope::System).then_some("all"),
        "is_admin" => Some(if token.has_role("admin") { "True" } else { "False" }),
        _ => None,
    }
}

/// No rule refers to itself, by whatever detour, or to one that does not exist.
pub(super) fn verify(rules: &Rules) -> Result<(), PolicyError> {
    fn visit<'a>(rules: &'a Rules, name: &'a str, path: &mut Vec<&'a str>) -> Result<(), PolicyError> {
        if path.contains(&name) {
            return Err(PolicyError::Circle { rule: name.to_owned() });
        }
        let mut found = Vec::new();
        match rules.get(name) {
            Some(check) => check.references(&mut found),
            None => {
                let rule = path.last().copied().unwrap_or_default().to_owned();
                return Err(PolicyError::Missing { rule, missing: name.to_owned() });
            }
        }
        path.push(name);
        found.into_iter().try_for_each(|next| visit(rules, next, path))?;
        path.pop();
        Ok(())
    }
    rules.keys().try_for_each(|name| visit(rules, name, &mut Vec::new()))
}
