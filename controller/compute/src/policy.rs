//! Compute's rules with their defaults, under Nova's own names: administrators everywhere, members and readers in their project.

use controller_web::RuleDefault;

/// What the others are built from.
const BASE: &[RuleDefault] = &[
    RuleDefault { name: "context_is_admin", check: "role:admin", description: "Who is an administrator" },
    RuleDefault {
        name: "project_member_or_admin",
        check: "rule:context_is_admin or (role:member and project_id:%(project_id)s)",
        description: "Members of the thing's project",
    },
    RuleDefault {
        name: "project_reader_or_admin",
        check: "rule:context_is_admin or (role:reader and project_id:%(project_id)s)",
        description: "Readers of the thing's project",
    },
];

/// All of compute's rules.
#[must_use]
pub fn rules() -> Vec<RuleDefault> {
    let all = [
        BASE,
        crate::flavor::policy::RULES,
        crate::keypair::policy::RULES,
        crate::quota::policy::RULES,
        crate::server::policy::RULES,
        crate::action_log::policy::RULES,
        crate::aggregate::policy::RULES,
        crate::group::policy::RULES,
        crate::legacy::policy::RULES,
        crate::host::policy::RULES,
        crate::usage::policy::RULES,
    ];
    all.concat()
}
