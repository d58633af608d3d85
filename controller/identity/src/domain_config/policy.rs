//! Who may configure domains: Keystone's names and defaults.

use controller_web::RuleDefault;

const fn rule(name: &'static str, check: &'static str, description: &'static str) -> RuleDefault {
    RuleDefault { name, check, description }
}

const READ: &str = "rule:admin_required or (role:reader and system_scope:all)";
const WRITE: &str = "rule:admin_required";

pub(crate) const RULES: &[RuleDefault] = &[
    rule("identity:create_domain_config", WRITE, "Create a domain's configuration"),
    rule("identity:get_domain_config", READ, "Show a domain's configuration"),
    rule("identity:get_security_compliance_domain_config", "", "Show what a password must look like"),
    rule("identity:update_domain_config", WRITE, "Update a domain's configuration"),
    rule("identity:delete_domain_config", WRITE, "Delete a domain's configuration"),
    rule("identity:get_domain_config_default", READ, "Show the defaults of domains' configurations"),
];
