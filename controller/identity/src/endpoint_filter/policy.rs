//! Who may filter catalogs: Keystone's names and defaults.

use controller_web::RuleDefault;

const fn rule(name: &'static str, check: &'static str, description: &'static str) -> RuleDefault {
    RuleDefault { name, check, description }
}

const READ: &str = "rule:admin_required or (role:reader and system_scope:all)";
const WRITE: &str = "rule:admin_required";

pub(crate) const RULES: &[RuleDefault] = &[
    rule("identity:list_projects_for_endpoint", READ, "List the projects that an endpoint was given to"),
    rule("identity:add_endpoint_to_project", WRITE, "Give an endpoint to a project"),
    rule("identity:check_endpoint_in_project", READ, "Check that an endpoint was given to a project"),
    rule("identity:list_endpoints_for_project", READ, "List the endpoints that a project was given"),
    rule("identity:remove_endpoint_from_project", WRITE, "Take an endpoint from a project"),
    rule("identity:create_endpoint_group", WRITE, "Create a group of endpoints"),
    rule("identity:list_endpoint_groups", READ, "List groups of endpoints"),
    rule("identity:get_endpoint_group", READ, "Show a group of endpoints"),
    rule("identity:update_endpoint_group", WRITE, "Update a group of endpoints"),
    rule("identity:delete_endpoint_group", WRITE, "Delete a group of endpoints"),
    rule("identity:list_projects_associated_with_endpoint_group", READ, "List the projects that a group was given to"),
    rule("identity:list_endpoints_associated_with_endpoint_group", READ, "List the endpoints of a group"),
    rule("identity:get_endpoint_group_in_project", READ, "Check that a group was given to a project"),
    rule("identity:list_endpoint_groups_for_project", READ, "List the groups that a project was given"),
    rule("identity:add_endpoint_group_to_project", WRITE, "Give a group to a project"),
    rule("identity:remove_endpoint_group_from_project", WRITE, "Take a group from a project"),
];
