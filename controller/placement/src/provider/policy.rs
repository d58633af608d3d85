//! Who may see resource providers: upstream's names and defaults.

use crate::policy::{ADMIN_OR_SERVICE, rule};
use controller_web::RuleDefault;

pub(crate) const RULES: &[RuleDefault] = &[
    rule("placement:resource_providers:list", ADMIN_OR_SERVICE, "List resource providers"),
    rule("placement:resource_providers:show", ADMIN_OR_SERVICE, "Show a resource provider"),
];
