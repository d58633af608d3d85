//! Who may do what with trusts: Keystone's names and defaults.

use controller_web::RuleDefault;

const fn rule(name: &'static str, check: &'static str, description: &'static str) -> RuleDefault {
    RuleDefault { name, check, description }
}

const READ: &str = "rule:admin_required or (role:reader and system_scope:all) or \
     user_id:%(target.trust.trustor_user_id)s or user_id:%(target.trust.trustee_user_id)s";
const TRUSTOR: &str =
    "rule:admin_required or (role:reader and system_scope:all) or user_id:%(target.trust.trustor_user_id)s";
const TRUSTEE: &str =
    "rule:admin_required or (role:reader and system_scope:all) or user_id:%(target.trust.trustee_user_id)s";
const DELETE: &str = "rule:admin_required or user_id:%(target.trust.trustor_user_id)s";

pub(crate) const RULES: &[RuleDefault] = &[
    rule("identity:create_trust", "user_id:%(target.trust.trustor_user_id)s", "Create a trust"),
    rule("identity:list_trusts", "rule:admin_required or (role:reader and system_scope:all)", "List all trusts"),
    rule("identity:list_trusts_for_trustor", TRUSTOR, "List a trustor's trusts"),
    rule("identity:list_trusts_for_trustee", TRUSTEE, "List a trustee's trusts"),
    rule("identity:list_roles_for_trust", READ, "List a trust's roles"),
    rule("identity:get_role_for_trust", READ, "Show whether a trust has a role"),
    rule("identity:delete_trust", DELETE, "Delete a trust"),
    rule("identity:get_trust", READ, "Show a trust"),
];
