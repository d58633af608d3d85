//! Who may do what with aggregates: operators.

use controller_web::RuleDefault;

const fn rule(name: &'static str, description: &'static str) -> RuleDefault {
    RuleDefault { name, check: "rule:context_is_admin", description }
}

/// The rules.
pub(crate) const RULES: &[RuleDefault] = &[
    rule("os_compute_api:os-aggregates:index", "List aggregates"),
    rule("os_compute_api:os-aggregates:show", "Show an aggregate"),
    rule("os_compute_api:os-aggregates:create", "Create an aggregate"),
    rule("os_compute_api:os-aggregates:update", "Change an aggregate's name or zone"),
    rule("os_compute_api:os-aggregates:delete", "Delete an aggregate"),
    rule("os_compute_api:os-aggregates:add_host", "Add a host to an aggregate"),
    rule("os_compute_api:os-aggregates:remove_host", "Remove a host from an aggregate"),
    rule("os_compute_api:os-aggregates:set_metadata", "Change an aggregate's metadata"),
];
