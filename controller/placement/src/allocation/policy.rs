//! Who may see allocations: upstream's names and defaults.

use crate::policy::{ADMIN_OR_SERVICE, rule};
use controller_web::RuleDefault;

pub(crate) const RULES: &[RuleDefault] = &[
    rule(
        "placement:resource_providers:allocations:list",
        ADMIN_OR_SERVICE,
        "List the allocations on a resource provider",
    ),
    rule("placement:allocations:list", ADMIN_OR_SERVICE, "List a consumer's allocations"),
];
