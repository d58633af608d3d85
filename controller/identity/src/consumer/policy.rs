//! Who may keep consumers: Keystone's names and defaults.

use controller_web::RuleDefault;

const READ: &str = "rule:admin_required or (role:reader and system_scope:all)";
const WRITE: &str = "rule:admin_required";

pub(crate) const RULES: &[RuleDefault] = &[
    RuleDefault { name: "identity:get_consumer", check: READ, description: "Show a consumer of OAuth 1" },
    RuleDefault { name: "identity:list_consumers", check: READ, description: "List consumers of OAuth 1" },
    RuleDefault { name: "identity:create_consumer", check: WRITE, description: "Create a consumer of OAuth 1" },
    RuleDefault { name: "identity:update_consumer", check: WRITE, description: "Update a consumer of OAuth 1" },
    RuleDefault { name: "identity:delete_consumer", check: WRITE, description: "Delete a consumer of OAuth 1" },
];
