//! Who may see resource classes: upstream's names and defaults.

use crate::policy::{ADMIN_OR_SERVICE, rule};
use controller_web::RuleDefault;

pub(crate) const RULES: &[RuleDefault] = &[
    rule("placement:resource_classes:list", ADMIN_OR_SERVICE, "List resource classes"),
    rule("placement:resource_classes:show", ADMIN_OR_SERVICE, "Show a resource class"),
];
