//! Who may read the log of a server.

use controller_web::RuleDefault;

/// The rules.
pub(crate) const RULES: &[RuleDefault] = &[
    RuleDefault {
        name: "os_compute_api:os-instance-actions:list",
        check: "rule:project_reader_or_admin",
        description: "List what was done with a server",
    },
    RuleDefault {
        name: "os_compute_api:os-instance-actions:show",
        check: "rule:project_reader_or_admin",
        description: "Show what one request did with a server",
    },
    RuleDefault {
        name: "os_compute_api:os-instance-actions:events",
        check: "rule:context_is_admin",
        description: "See the events of an action before 2.51, and hosts and failures in them",
    },
];
