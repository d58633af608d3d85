//! Who may do what with users: Keystone's names and defaults.

use controller_web::RuleDefault;

const fn rule(name: &'static str, check: &'static str, description: &'static str) -> RuleDefault {
    RuleDefault { name, check, description }
}

const WRITE: &str = "rule:admin_required or (role:manager and domain_id:%(target.user.domain_id)s)";
const READ: &str = "rule:admin_required or (role:reader and system_scope:all) or \
     (role:reader and token.domain.id:%(target.user.domain_id)s) or user_id:%(target.user.id)s";

pub(crate) const RULES: &[RuleDefault] = &[
    rule("identity:get_user", READ, "Show a user"),
    rule(
        "identity:list_users",
        "rule:admin_required or (role:reader and system_scope:all) or (role:reader and domain_id:%(target.domain_id)s)",
        "List users",
    ),
    rule("identity:create_user", WRITE, "Create a user"),
    rule("identity:update_user", WRITE, "Update a user"),
    rule("identity:delete_user", WRITE, "Delete a user"),
    rule("identity:list_user_projects", READ, "List the projects where a user has a role"),
    rule("identity:list_groups_for_user", READ, "List the groups of a user"),
];
