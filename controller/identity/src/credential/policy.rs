//! Who may do what with credentials and policy blobs: Keystone's names and defaults.

use controller_web::RuleDefault;

const fn rule(name: &'static str, check: &'static str, description: &'static str) -> RuleDefault {
    RuleDefault { name, check, description }
}

const READ: &str = "rule:admin_required or (role:reader and system_scope:all) or user_id:%(target.credential.user_id)s";
const WRITE: &str = "rule:admin_required or user_id:%(target.credential.user_id)s";
const READ_POLICY: &str = "rule:admin_required or (role:reader and system_scope:all)";

pub(crate) const RULES: &[RuleDefault] = &[
    rule("identity:get_credential", READ, "Show a credential"),
    rule("identity:list_credentials", READ, "List credentials"),
    rule("identity:create_credential", WRITE, "Create a credential"),
    rule("identity:update_credential", WRITE, "Update a credential"),
    rule("identity:delete_credential", WRITE, "Delete a credential"),
    rule("identity:get_policy", READ_POLICY, "Show a policy blob"),
    rule("identity:list_policies", READ_POLICY, "List policy blobs"),
    rule("identity:create_policy", "rule:admin_required", "Create a policy blob"),
    rule("identity:update_policy", "rule:admin_required", "Update a policy blob"),
    rule("identity:delete_policy", "rule:admin_required", "Delete a policy blob"),
];
