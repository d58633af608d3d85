//! Who may do what with server groups.

use controller_web::RuleDefault;

const MEMBER: &str = "rule:project_member_or_admin";
const READER: &str = "rule:project_reader_or_admin";

const fn rule(name: &'static str, check: &'static str, description: &'static str) -> RuleDefault {
    RuleDefault { name, check, description }
}

/// The rules.
pub(crate) const RULES: &[RuleDefault] = &[
    rule("os_compute_api:os-server-groups:index", READER, "List server groups"),
    rule(
        "os_compute_api:os-server-groups:index:all_projects",
        "rule:context_is_admin",
        "List all projects' server groups",
    ),
    rule("os_compute_api:os-server-groups:show", READER, "Show a server group"),
    rule("os_compute_api:os-server-groups:create", MEMBER, "Create a server group"),
    rule("os_compute_api:os-server-groups:delete", MEMBER, "Delete a server group"),
];
