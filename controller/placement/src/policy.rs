//! All of placement's rules: upstream's names and defaults, of what can be read.

use controller_web::{
    RuleDefault,
    policy::{ScopeTable, ScopeType},
};

const BASE: &[RuleDefault] = &[
    rule("admin_api", "role:admin", "The cloud's administrators"),
    rule("service_api", "role:service", "Other services"),
    rule("admin_or_service_api", "role:admin or role:service", "Administrators and other services"),
    rule("project_reader_api", "role:reader and project_id:%(project_id)s", "Who may read in a project"),
    rule(
        "admin_or_project_reader_or_service_api",
        "role:admin or rule:project_reader_api or role:service",
        "Who may know of a project's usage",
    ),
];

/// Upstream binds all of its rules to projects.
const PROJECT: &[ScopeType] = &[ScopeType::Project];

/// Rules that are bound to scopes.
pub const SCOPES: ScopeTable = &[
    ("placement:resource_providers:list", PROJECT),
    ("placement:resource_providers:show", PROJECT),
    ("placement:resource_providers:inventories:list", PROJECT),
    ("placement:resource_providers:inventories:show", PROJECT),
    ("placement:resource_providers:usages", PROJECT),
    ("placement:usages", PROJECT),
    ("placement:resource_providers:allocations:list", PROJECT),
    ("placement:allocations:list", PROJECT),
    ("placement:resource_providers:aggregates:list", PROJECT),
    ("placement:resource_providers:traits:list", PROJECT),
    ("placement:traits:list", PROJECT),
    ("placement:traits:show", PROJECT),
    ("placement:resource_classes:list", PROJECT),
    ("placement:resource_classes:show", PROJECT),
    ("placement:allocation_candidates:list", PROJECT),
];

/// The default of nearly all of them.
pub(crate) const ADMIN_OR_SERVICE: &str = "rule:admin_or_service_api";

/// Every rule with its default.
#[must_use]
pub fn rules() -> Vec<RuleDefault> {
    [
        BASE,
        crate::provider::policy::RULES,
        crate::inventory::policy::RULES,
        crate::usage::policy::RULES,
        crate::allocation::policy::RULES,
        crate::aggregate::policy::RULES,
        crate::traits::policy::RULES,
        crate::resource_class::policy::RULES,
        crate::candidate::policy::RULES,
    ]
    .concat()
}

pub(crate) const fn rule(name: &'static str, check: &'static str, description: &'static str) -> RuleDefault {
    RuleDefault { name, check, description }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_of_a_route_is_bound_to_projects() {
        let bound: Vec<_> = SCOPES.iter().map(|(name, _)| *name).collect();
        let own: Vec<_> = rules().iter().map(|rule| rule.name).filter(|name| name.starts_with("placement:")).collect();
        assert_eq!(bound, own);
    }
}
