//! Who may see what is used.

use controller_web::RuleDefault;

/// The rules.
pub(crate) const RULES: &[RuleDefault] = &[
    RuleDefault { name: "os_compute_api:limits", check: "@", description: "Show the own project's limits" },
    RuleDefault {
        name: "os_compute_api:limits:other_project",
        check: "rule:context_is_admin",
        description: "Show another project's limits",
    },
    RuleDefault {
        name: "os_compute_api:os-simple-tenant-usage:show",
        check: "rule:project_reader_or_admin",
        description: "Show what a project used over time",
    },
    RuleDefault {
        name: "os_compute_api:os-simple-tenant-usage:list",
        check: "rule:context_is_admin",
        description: "List what all projects used over time",
    },
];
