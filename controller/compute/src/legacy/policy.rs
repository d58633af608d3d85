//! Who may do what with security groups through compute.

use controller_web::RuleDefault;

const MEMBER: &str = "rule:project_member_or_admin";
const READER: &str = "rule:project_reader_or_admin";

const fn rule(name: &'static str, check: &'static str, description: &'static str) -> RuleDefault {
    RuleDefault { name, check, description }
}

/// The rules.
pub(crate) const RULES: &[RuleDefault] = &[
    rule("os_compute_api:os-security-groups:get", READER, "List security groups through compute"),
    rule("os_compute_api:os-security-groups:show", READER, "Show a security group through compute"),
    rule("os_compute_api:os-security-groups:create", MEMBER, "Create a security group through compute"),
    rule("os_compute_api:os-security-groups:update", MEMBER, "Change a security group through compute"),
    rule("os_compute_api:os-security-groups:delete", MEMBER, "Delete a security group through compute"),
    rule("os_compute_api:os-security-groups:rule:create", MEMBER, "Create a security group's rule through compute"),
    rule("os_compute_api:os-security-groups:rule:delete", MEMBER, "Delete a security group's rule through compute"),
    rule("os_compute_api:os-security-groups:list", READER, "List a server's security groups"),
    rule("os_compute_api:os-multinic:add", MEMBER, "Give a server one more address"),
    rule("os_compute_api:os-multinic:remove", MEMBER, "Take an address from a server"),
];
