//! Who may see usages: upstream's names and defaults.

use crate::policy::{ADMIN_OR_SERVICE, rule};
use controller_web::RuleDefault;

pub(crate) const RULES: &[RuleDefault] = &[
    rule("placement:resource_providers:usages", ADMIN_OR_SERVICE, "Show how much of a resource provider is used"),
    rule("placement:usages", "rule:admin_or_project_reader_or_service_api", "Show how much a project uses"),
];
