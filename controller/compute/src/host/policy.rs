//! Who may know of hosts.

use controller_web::RuleDefault;

const ADMIN: &str = "rule:context_is_admin";

const fn rule(name: &'static str, check: &'static str, description: &'static str) -> RuleDefault {
    RuleDefault { name, check, description }
}

/// The rules.
pub(crate) const RULES: &[RuleDefault] = &[
    rule("os_compute_api:os-services:list", ADMIN, "List compute services"),
    rule("os_compute_api:os-services:update", ADMIN, "Enable, disable or force down a compute service"),
    rule("os_compute_api:os-services:delete", ADMIN, "Remove a compute service"),
    rule("os_compute_api:os-hypervisors:list", ADMIN, "List hypervisors"),
    rule("os_compute_api:os-hypervisors:list-detail", ADMIN, "List hypervisors with details"),
    rule("os_compute_api:os-hypervisors:show", ADMIN, "Show a hypervisor"),
    rule("os_compute_api:os-hypervisors:uptime", ADMIN, "Show how long a hypervisor runs"),
    rule("os_compute_api:os-hypervisors:statistics", ADMIN, "Show what all hypervisors have together"),
    rule("os_compute_api:os-availability-zone:list", "@", "List availability zones"),
    rule("os_compute_api:os-availability-zone:detail", ADMIN, "List availability zones with their hosts"),
];
