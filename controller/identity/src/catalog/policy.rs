//! Who may do what with the catalog: Keystone's names and defaults.

use controller_web::RuleDefault;

const fn rule(name: &'static str, check: &'static str, description: &'static str) -> RuleDefault {
    RuleDefault { name, check, description }
}

const READ: &str = "rule:admin_required or (role:reader and system_scope:all)";
const WRITE: &str = "rule:admin_required";

pub(crate) const RULES: &[RuleDefault] = &[
    rule("identity:get_region", "", "Show a region"),
    rule("identity:list_regions", "", "List regions"),
    rule("identity:create_region", WRITE, "Create a region"),
    rule("identity:update_region", WRITE, "Update a region"),
    rule("identity:delete_region", WRITE, "Delete a region"),
    rule("identity:get_service", READ, "Show a service"),
    rule("identity:list_services", READ, "List services"),
    rule("identity:create_service", WRITE, "Create a service"),
    rule("identity:update_service", WRITE, "Update a service"),
    rule("identity:delete_service", WRITE, "Delete a service"),
    rule("identity:get_endpoint", READ, "Show an endpoint"),
    rule("identity:list_endpoints", READ, "List endpoints"),
    rule("identity:create_endpoint", WRITE, "Create an endpoint"),
    rule("identity:update_endpoint", WRITE, "Update an endpoint"),
    rule("identity:delete_endpoint", WRITE, "Delete an endpoint"),
];
