//! Who may see allocation candidates: upstream's name and default.

use crate::policy::{ADMIN_OR_SERVICE, rule};
use controller_web::RuleDefault;

pub(crate) const RULES: &[RuleDefault] =
    &[rule("placement:allocation_candidates:list", ADMIN_OR_SERVICE, "List where resources could be allocated")];
