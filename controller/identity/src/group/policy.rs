//! Who may do what with groups: Keystone's names and defaults.

use controller_web::RuleDefault;

const fn rule(name: &'static str, check: &'static str, description: &'static str) -> RuleDefault {
    RuleDefault { name, check, description }
}

const WRITE: &str = "rule:admin_required or (role:manager and domain_id:%(target.group.domain_id)s)";
const READ: &str = "rule:admin_required or (role:reader and system_scope:all) or \
     (role:reader and domain_id:%(target.group.domain_id)s)";
const MEMBERS: &str = "rule:admin_required or (role:manager and domain_id:%(target.group.domain_id)s and \
     domain_id:%(target.user.domain_id)s)";

pub(crate) const RULES: &[RuleDefault] = &[
    rule("identity:get_group", READ, "Show a group"),
    rule(
        "identity:list_groups",
        "rule:admin_required or (role:reader and system_scope:all) or (role:reader and domain_id:%(target.domain_id)s)",
        "List groups",
    ),
    rule("identity:create_group", WRITE, "Create a group"),
    rule("identity:update_group", WRITE, "Update a group"),
    rule("identity:delete_group", WRITE, "Delete a group"),
    rule("identity:list_users_in_group", READ, "List the members of a group"),
    rule("identity:check_user_in_group", READ, "Check whether a user is in a group"),
    rule("identity:add_user_to_group", MEMBERS, "Put a user into a group"),
    rule("identity:remove_user_from_group", MEMBERS, "Take a user out of a group"),
];
