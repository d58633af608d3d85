//! Who may do what with key pairs: users with their own, administrators with everybody's.

use controller_web::RuleDefault;

const OWN: &str = "rule:context_is_admin or user_id:%(user_id)s";

const fn rule(name: &'static str, description: &'static str) -> RuleDefault {
    RuleDefault { name, check: OWN, description }
}

/// The rules.
pub(crate) const RULES: &[RuleDefault] = &[
    rule("os_compute_api:os-keypairs:index", "List key pairs"),
    rule("os_compute_api:os-keypairs:create", "Create a key pair"),
    rule("os_compute_api:os-keypairs:show", "Show a key pair"),
    rule("os_compute_api:os-keypairs:delete", "Delete a key pair"),
];
