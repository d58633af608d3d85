//! Who may do what with federation: Keystone's names and defaults.

use controller_web::RuleDefault;

const fn rule(name: &'static str, check: &'static str, description: &'static str) -> RuleDefault {
    RuleDefault { name, check, description }
}

const WRITE: &str = "rule:admin_required";
const READ: &str = "rule:admin_required or (role:reader and system_scope:all)";

pub(crate) const RULES: &[RuleDefault] = &[
    rule("identity:create_identity_provider", WRITE, "Create an identity provider"),
    rule("identity:list_identity_providers", READ, "List identity providers"),
    rule("identity:get_identity_provider", READ, "Show an identity provider"),
    rule("identity:update_identity_provider", WRITE, "Update an identity provider"),
    rule("identity:delete_identity_provider", WRITE, "Delete an identity provider"),
    rule("identity:create_protocol", WRITE, "Create a protocol of an identity provider"),
    rule("identity:list_protocols", READ, "List the protocols of an identity provider"),
    rule("identity:get_protocol", READ, "Show a protocol of an identity provider"),
    rule("identity:update_protocol", WRITE, "Update a protocol of an identity provider"),
    rule("identity:delete_protocol", WRITE, "Delete a protocol of an identity provider"),
    rule("identity:create_mapping", WRITE, "Create a mapping"),
    rule("identity:list_mappings", READ, "List mappings"),
    rule("identity:get_mapping", READ, "Show a mapping"),
    rule("identity:update_mapping", WRITE, "Update a mapping"),
    rule("identity:delete_mapping", WRITE, "Delete a mapping"),
    rule("identity:create_service_provider", WRITE, "Create a service provider"),
    rule("identity:list_service_providers", READ, "List service providers"),
    rule("identity:get_service_provider", READ, "Show a service provider"),
    rule("identity:update_service_provider", WRITE, "Update a service provider"),
    rule("identity:delete_service_provider", WRITE, "Delete a service provider"),
];
