//! Who may see and set quotas.

use controller_web::RuleDefault;

/// The rules.
pub(crate) const RULES: &[RuleDefault] = &[
    RuleDefault {
        name: "os_compute_api:os-quota-sets:show",
        check: "rule:project_reader_or_admin",
        description: "Show a project's quota",
    },
    RuleDefault { name: "os_compute_api:os-quota-sets:defaults", check: "@", description: "Show the default quota" },
    RuleDefault {
        name: "os_compute_api:os-quota-sets:detail",
        check: "rule:project_reader_or_admin",
        description: "Show a project's quota with what is used of it",
    },
    RuleDefault {
        name: "os_compute_api:os-quota-sets:update",
        check: "rule:context_is_admin",
        description: "Set a project's quota",
    },
    RuleDefault {
        name: "os_compute_api:os-quota-sets:delete",
        check: "rule:context_is_admin",
        description: "Set a project's quota back to the defaults",
    },
];
