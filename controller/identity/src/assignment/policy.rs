//! Who may grant and see grants: Keystone's names and defaults.

use controller_web::RuleDefault;

const fn rule(name: &'static str, check: &'static str, description: &'static str) -> RuleDefault {
    RuleDefault { name, check, description }
}

/// A domain's reader sees grants within the domain.
const READ: &str = "rule:admin_required or (role:reader and system_scope:all) or \
     (role:reader and domain_id:%(target.actor.domain_id)s and domain_id:%(target.scope.domain_id)s)";
/// A domain's manager grants what is no administrator's role within the domain.
const WRITE: &str = "rule:admin_required or (role:manager and domain_id:%(target.actor.domain_id)s and \
     domain_id:%(target.scope.domain_id)s and rule:domain_managed_target_role)";
const READ_SYSTEM: &str = "rule:admin_required or (role:reader and system_scope:all)";

pub(crate) const RULES: &[RuleDefault] = &[
    rule(
        "domain_managed_target_role",
        "'manager':%(target.role.name)s or 'member':%(target.role.name)s or 'reader':%(target.role.name)s",
        "Roles that a domain's manager may grant",
    ),
    rule("identity:check_grant", READ, "Check a role granted to a user or group on a project or domain"),
    rule("identity:list_grants", READ, "List roles granted to a user or group on a project or domain"),
    rule("identity:create_grant", WRITE, "Grant a role on a project or domain"),
    rule("identity:revoke_grant", WRITE, "Take away a role on a project or domain"),
    rule("identity:list_system_grants_for_user", READ_SYSTEM, "List roles granted to a user on the system"),
    rule("identity:check_system_grant_for_user", READ_SYSTEM, "Check a role granted to a user on the system"),
    rule("identity:create_system_grant_for_user", "rule:admin_required", "Grant a user a role on the system"),
    rule("identity:revoke_system_grant_for_user", "rule:admin_required", "Take away a user's role on the system"),
    rule("identity:list_system_grants_for_group", READ_SYSTEM, "List roles granted to a group on the system"),
    rule("identity:check_system_grant_for_group", READ_SYSTEM, "Check a role granted to a group on the system"),
    rule("identity:create_system_grant_for_group", "rule:admin_required", "Grant a group a role on the system"),
    rule("identity:revoke_system_grant_for_group", "rule:admin_required", "Take away a group's role on the system"),
    rule(
        "identity:list_role_assignments",
        "rule:admin_required or (role:reader and system_scope:all) or (role:reader and domain_id:%(target.domain_id)s)",
        "List grants",
    ),
    rule(
        "identity:list_role_assignments_for_tree",
        "rule:admin_required or (role:reader and system_scope:all) or \
         (role:reader and domain_id:%(target.project.domain_id)s)",
        "List grants on a project and all below",
    ),
];
