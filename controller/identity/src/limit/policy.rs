//! Who may do what with limits: Keystone's names and defaults.

use controller_web::RuleDefault;

const fn rule(name: &'static str, check: &'static str, description: &'static str) -> RuleDefault {
    RuleDefault { name, check, description }
}

const WRITE: &str = "rule:admin_required";

pub(crate) const RULES: &[RuleDefault] = &[
    rule("identity:get_limit_model", "", "Show how limits of projects and domains relate"),
    rule(
        "identity:get_limit",
        "rule:admin_required or (role:reader and system_scope:all) or (domain_id:%(target.limit.domain.id)s or \
         domain_id:%(target.limit.project.domain_id)s) or (project_id:%(target.limit.project_id)s and not \
         None:%(target.limit.project_id)s)",
        "Show a limit",
    ),
    rule("identity:list_limits", "", "List limits: one's own, or all"),
    rule("identity:create_limits", WRITE, "Create limits"),
    rule("identity:update_limit", WRITE, "Update a limit"),
    rule("identity:delete_limit", WRITE, "Delete a limit"),
    rule("identity:get_registered_limit", "", "Show a registered limit"),
    rule("identity:list_registered_limits", "", "List registered limits"),
    rule("identity:create_registered_limits", WRITE, "Create registered limits"),
    rule("identity:update_registered_limit", WRITE, "Update a registered limit"),
    rule("identity:delete_registered_limit", WRITE, "Delete a registered limit"),
];
