//! Why a rule lets somebody do something, or not.

use super::check::{Check, Part, Rules, Template};
use crate::{Target, TokenInfo};
use std::fmt::{self, Write as _};

/// A check with what it came to, and the checks that it is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The check, in the policy language.
    pub check: String,
    /// Whether it holds.
    pub holds: bool,
    /// What stands behind it: the values that were compared.
    pub because: Option<String>,
    /// Its parts.
    pub parts: Vec<Explanation>,
}

impl Explanation {
    /// The smallest checks that do not hold though the whole would need them: where to look first.
    #[must_use]
    pub fn failed(&self) -> Vec<&Explanation> {
        if self.holds {
            return Vec::new();
        }
        let inner: Vec<_> = self.parts.iter().flat_map(Explanation::failed).collect();
        if inner.is_empty() { vec![self] } else { inner }
    }
}

impl fmt::Display for Explanation {
    /// A tree: `+` before what holds, `-` before what does not.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn show(one: &Explanation, depth: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            let mark = if one.holds { '+' } else { '-' };
            write!(f, "{:indent$}{mark} {}", "", one.check, indent = depth * 2)?;
            if let Some(because) = &one.because {
                write!(f, "   ({because})")?;
            }
            f.write_char('\n')?;
            one.parts.iter().try_for_each(|part| show(part, depth + 1, f))
        }
        show(self, 0, f)
    }
}

pub(super) fn explain(check: &Check, rules: &Rules, token: &TokenInfo, target: &Target) -> Explanation {
    let inner = |check: &Check| explain(check, rules, token, target);
    let parts = match check {
        Check::All(checks) | Check::Any(checks) => checks.iter().map(inner).collect(),
        Check::Not(check) => vec![inner(check)],
        Check::Rule(name) => rules.get(name).map(inner).into_iter().collect(),
        Check::Always | Check::Never | Check::Role(_) | Check::Literal(..) | Check::Credential(..) => Vec::new(),
    };
    Explanation {
        check: check.to_string(),
        holds: check.holds(rules, token, target),
        because: because(check, rules, token, target),
        parts,
    }
}

fn because(check: &Check, rules: &Rules, token: &TokenInfo, target: &Target) -> Option<String> {
    let filled = |template: &Template| template.fill(target).ok_or_else(|| missing(template, target));
    match check {
        Check::Role(role) => match filled(role) {
            Err(missing) => Some(missing),
            Ok(_) => Some(format!("the roles are {}", names(token))),
        },
        Check::Literal(_, value) => {
            Some(filled(value).map_or_else(|missing| missing, |value| format!("it is {value:?}")))
        }
        Check::Credential(name, value) => Some(match (super::check::credential(token, name), filled(value)) {
            (_, Err(missing)) => missing,
            (None, Ok(_)) => format!("the caller has no {name}"),
            (Some(own), Ok(wanted)) => format!("{name} of the caller is {own:?}, wanted is {wanted:?}"),
        }),
        Check::Rule(name) if !rules.contains_key(name) => Some("there is no such rule".to_owned()),
        Check::Always | Check::Never | Check::All(_) | Check::Any(_) | Check::Not(_) | Check::Rule(_) => None,
    }
}

fn names(token: &TokenInfo) -> String {
    let names: Vec<_> = token.roles.iter().map(|role| role.name.as_str()).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

fn missing(template: &Template, target: &Target) -> String {
    let key = template.0.iter().find_map(|part| match part {
        Part::Key(key) if target.get(key).is_none() => Some(key.as_str()),
        Part::Key(_) | Part::Text(_) => None,
    });
    format!("the target has no {}", key.unwrap_or_default())
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|part| match part {
            Part::Text(text) => f.write_str(text),
            Part::Key(key) => write!(f, "%({key})s"),
        })
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let join = |f: &mut fmt::Formatter<'_>, checks: &[Check], word: &str| {
            checks.iter().enumerate().try_for_each(|(index, check)| {
                if index > 0 {
                    write!(f, " {word} ")?;
                }
                match check {
                    Check::All(_) | Check::Any(_) => write!(f, "({check})"),
                    _ => write!(f, "{check}"),
                }
            })
        };
        match self {
            Self::Always => f.write_str("@"),
            Self::Never => f.write_str("!"),
            Self::All(checks) => join(f, checks, "and"),
            Self::Any(checks) => join(f, checks, "or"),
            Self::Not(check) => match check.as_ref() {
                Self::All(_) | Self::Any(_) => write!(f, "not ({check})"),
                _ => write!(f, "not {check}"),
            },
            Self::Rule(name) => write!(f, "rule:{name}"),
            Self::Role(role) => write!(f, "role:{role}"),
            Self::Literal(word, value) => write!(f, "'{word}':{value}"),
            Self::Credential(name, value) => write!(f, "{name}:{value}"),
        }
    }
}
