//! Who may see traits: upstream's names and defaults.

use crate::policy::{ADMIN_OR_SERVICE, rule};
use controller_web::RuleDefault;

pub(crate) const RULES: &[RuleDefault] = &[
    rule("placement:resource_providers:traits:list", ADMIN_OR_SERVICE, "List a resource provider's traits"),
    rule("placement:traits:list", ADMIN_OR_SERVICE, "List traits"),
    rule("placement:traits:show", ADMIN_OR_SERVICE, "Tell whether a trait exists"),
];
