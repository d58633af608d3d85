//! Who may do what with roles: Keystone's names and defaults.

use controller_web::RuleDefault;

const fn rule(name: &'static str, check: &'static str, description: &'static str) -> RuleDefault {
    RuleDefault { name, check, description }
}

const READ: &str = "rule:admin_required or (role:reader and system_scope:all)";
const READ_ROLES: &str = "rule:admin_required or (role:reader and system_scope:all) or role:manager";

const READ_DOMAIN: &str = "rule:admin_required or (role:reader and system_scope:all) or \
     (role:reader and domain_id:%(target.role.domain_id)s)";

pub(crate) const RULES: &[RuleDefault] = &[
    rule("identity:get_role", READ_ROLES, "Show a role"),
    rule("identity:list_roles", READ_ROLES, "List roles"),
    rule("identity:create_role", "rule:admin_required", "Create a role"),
    rule("identity:update_role", "rule:admin_required", "Update a role"),
    rule("identity:delete_role", "rule:admin_required", "Delete a role"),
    rule("identity:get_domain_role", READ_DOMAIN, "Show a domain's role"),
    rule("identity:list_domain_roles", READ_DOMAIN, "List a domain's roles"),
    rule("identity:create_domain_role", "rule:admin_required", "Create a domain's role"),
    rule("identity:update_domain_role", "rule:admin_required", "Update a domain's role"),
    rule("identity:delete_domain_role", "rule:admin_required", "Delete a domain's role"),
    rule("identity:get_implied_role", READ, "Show that a role implies another"),
    rule("identity:check_implied_role", READ, "Check that a role implies another"),
    rule("identity:list_implied_roles", READ, "List the roles that a role implies"),
    rule("identity:create_implied_role", "rule:admin_required", "Let a role imply another"),
    rule("identity:delete_implied_role", "rule:admin_required", "End that a role implies another"),
    rule("identity:list_role_inference_rules", READ, "List all implications"),
];
