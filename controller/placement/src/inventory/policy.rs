//! Who may see inventories: upstream's names and defaults.

use crate::policy::{ADMIN_OR_SERVICE, rule};
use controller_web::RuleDefault;

pub(crate) const RULES: &[RuleDefault] = &[
    rule("placement:resource_providers:inventories:list", ADMIN_OR_SERVICE, "List a resource provider's inventories"),
    rule("placement:resource_providers:inventories:show", ADMIN_OR_SERVICE, "Show a resource provider's inventory"),
];
