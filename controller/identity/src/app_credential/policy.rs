//! Who may do what with application credentials: Keystone's names and defaults.

use controller_web::RuleDefault;

const fn rule(name: &'static str, check: &'static str, description: &'static str) -> RuleDefault {
    RuleDefault { name, check, description }
}

const READ: &str = "rule:admin_required or (role:reader and system_scope:all) or rule:owner";
const READ_RULE: &str = "(role:reader and system_scope:all) or user_id:%(target.user.id)s";

pub(crate) const RULES: &[RuleDefault] = &[
    rule("identity:get_application_credential", READ, "Show an application credential"),
    rule("identity:list_application_credentials", READ, "List a user's application credentials"),
    rule("identity:create_application_credential", "user_id:%(user_id)s", "Create an application credential"),
    rule(
        "identity:delete_application_credential",
        "rule:admin_required or rule:owner",
        "Delete an application credential",
    ),
    rule("identity:get_access_rule", READ_RULE, "Show an access rule"),
    rule("identity:list_access_rules", READ_RULE, "List a user's access rules"),
    rule(
        "identity:delete_access_rule",
        "(role:admin and system_scope:all) or user_id:%(target.user.id)s",
        "Delete an access rule",
    ),
];
