//! Who may do what REST has no rule for. Where REST has one, that rule holds here too ([`super::access::METHODS`]).

use controller_web::RuleDefault;

const ADMIN: &str = "role:admin";

const fn rule(name: &'static str, description: &'static str) -> RuleDefault {
    RuleDefault { name, check: ADMIN, description }
}

/// The rules of the service `admin`.
pub const RULES: &[RuleDefault] = &[
    rule("admin:join_tokens:list", "List join tokens"),
    rule("admin:join_tokens:create", "Create a join token"),
    rule("admin:join_tokens:revoke", "End a join token"),
    rule("admin:authority:show", "Show the federation's certificate authority"),
    rule("admin:authority:replace", "Replace the federation's certificate authority"),
    rule("admin:placement:list", "List inventories and allocations"),
    rule("admin:operations:list", "List operations that have not ended"),
    rule("admin:events:list", "List and follow events"),
    rule("admin:updates:list", "List updates and how far hosts are"),
    rule("admin:updates:add", "Add an update"),
    rule("admin:updates:remove", "Remove an update"),
    rule("admin:updates:apply", "Update hosts, or stop that"),
    rule("admin:audit:run", "Compare what is with what shall be"),
];
