//! Who may do what with projects and domains: Keystone's names and defaults.

use controller_web::RuleDefault;

const fn rule(name: &'static str, check: &'static str, description: &'static str) -> RuleDefault {
    RuleDefault { name, check, description }
}

const READ_DOMAINS: &str = "rule:admin_required or (role:reader and system_scope:all) or \
     (role:reader and domain_id:%(target.domain.id)s)";
const READ_PROJECT: &str = "rule:admin_required or (role:reader and system_scope:all) or \
     (role:reader and domain_id:%(target.project.domain_id)s) or project_id:%(target.project.id)s";
const LIST: &str =
    "rule:admin_required or (role:reader and system_scope:all) or (role:reader and domain_id:%(target.domain_id)s)";
const WRITE: &str = "rule:admin_required or (role:manager and domain_id:%(target.project.domain_id)s)";

pub(crate) const RULES: &[RuleDefault] = &[
    rule("identity:get_project", READ_PROJECT, "Show a project"),
    rule("identity:list_projects", LIST, "List projects"),
    rule("identity:create_project", WRITE, "Create a project"),
    rule("identity:update_project", WRITE, "Update a project"),
    rule("identity:delete_project", WRITE, "Delete a project"),
    rule("identity:list_project_tags", READ_PROJECT, "List a project's tags"),
    rule("identity:get_project_tag", READ_PROJECT, "Check a project's tag"),
    rule("identity:update_project_tags", WRITE, "Replace a project's tags"),
    rule("identity:create_project_tag", WRITE, "Add a tag to a project"),
    rule("identity:delete_project_tags", WRITE, "Remove a project's tags"),
    rule("identity:delete_project_tag", WRITE, "Remove a tag from a project"),
    rule(
        "identity:get_domain",
        "rule:admin_required or (role:reader and system_scope:all) or token.domain.id:%(target.domain.id)s or \
         token.project.domain.id:%(target.domain.id)s",
        "Show a domain",
    ),
    rule("identity:list_domains", READ_DOMAINS, "List domains"),
    rule("identity:create_domain", "rule:admin_required", "Create a domain"),
    rule("identity:update_domain", "rule:admin_required", "Update a domain"),
    rule("identity:delete_domain", "rule:admin_required", "Delete a domain"),
];
