//! The scopes that rules are bound to, oslo.policy's `scope_types`.

use crate::{Scope, TokenInfo};

/// A kind of scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScopeType {
    /// The whole cloud.
    System,
    /// A domain.
    Domain,
    /// A project; also what a token without scope counts as.
    Project,
}

/// Rules that only tokens of certain scopes pass. A rule that does not stand here is open to all scopes.
pub type ScopeTable = &'static [(&'static str, &'static [ScopeType])];

impl ScopeType {
    /// OpenStack's word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Domain => "domain",
            Self::Project => "project",
        }
    }
}

pub(super) fn of_token(token: &TokenInfo) -> ScopeType {
    match token.scope {
        Scope::System => ScopeType::System,
        Scope::Domain(_) => ScopeType::Domain,
        Scope::Project(_) | Scope::Unscoped => ScopeType::Project,
    }
}

pub(super) fn of(table: ScopeTable, rule: &str) -> Option<&'static [ScopeType]> {
    table.iter().find(|(name, _)| *name == rule).map(|(_, scopes)| *scopes)
}

pub(super) fn fits(table: ScopeTable, rule: &str, token: &TokenInfo) -> bool {
    of(table, rule).is_none_or(|scopes| scopes.contains(&of_token(token)))
}

pub(super) fn names(scopes: &[ScopeType]) -> String {
    scopes.iter().map(|scope| scope.name()).collect::<Vec<_>>().join(" or ")
}
