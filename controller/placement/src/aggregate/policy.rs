//! Who may see aggregates: upstream's name and default.

use crate::policy::{ADMIN_OR_SERVICE, rule};
use controller_web::RuleDefault;

pub(crate) const RULES: &[RuleDefault] = &[rule(
    "placement:resource_providers:aggregates:list",
    ADMIN_OR_SERVICE,
    "List the aggregates that a resource provider is in",
)];
