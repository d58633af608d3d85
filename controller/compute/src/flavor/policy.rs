//! Who may do what with flavors.

use controller_web::RuleDefault;

const fn rule(name: &'static str, check: &'static str, description: &'static str) -> RuleDefault {
    RuleDefault { name, check, description }
}

const ADMIN: &str = "rule:context_is_admin";
const READER: &str = "rule:project_reader_or_admin";

/// The rules.
pub(crate) const RULES: &[RuleDefault] = &[
    rule("os_compute_api:flavors", "@", "List and show flavors"),
    rule("os_compute_api:os-flavor-manage:create", ADMIN, "Create a flavor"),
    rule("os_compute_api:os-flavor-manage:update", ADMIN, "Change a flavor's description"),
    rule("os_compute_api:os-flavor-manage:delete", ADMIN, "Delete a flavor"),
    rule("os_compute_api:os-flavor-access", ADMIN, "List who may use a flavor"),
    rule("os_compute_api:os-flavor-access:add_tenant_access", ADMIN, "Let a project use a flavor"),
    rule("os_compute_api:os-flavor-access:remove_tenant_access", ADMIN, "Let a project no longer use a flavor"),
    rule("os_compute_api:os-flavor-extra-specs:index", READER, "List a flavor's extra specs"),
    rule("os_compute_api:os-flavor-extra-specs:show", READER, "Show one of a flavor's extra specs"),
    rule("os_compute_api:os-flavor-extra-specs:create", ADMIN, "Add extra specs"),
    rule("os_compute_api:os-flavor-extra-specs:update", ADMIN, "Change an extra spec"),
    rule("os_compute_api:os-flavor-extra-specs:delete", ADMIN, "Delete an extra spec"),
];
