//! Who may do what with servers.

use controller_web::RuleDefault;

const fn rule(name: &'static str, check: &'static str, description: &'static str) -> RuleDefault {
    RuleDefault { name, check, description }
}

const ADMIN: &str = "rule:context_is_admin";
const MEMBER: &str = "rule:project_member_or_admin";
const READER: &str = "rule:project_reader_or_admin";

/// The rules.
pub(crate) const RULES: &[RuleDefault] = &[
    rule("os_compute_api:servers:index", READER, "List servers"),
    rule("os_compute_api:servers:detail", READER, "List servers with details"),
    rule("os_compute_api:servers:index:get_all_tenants", ADMIN, "List all projects' servers"),
    rule("os_compute_api:servers:detail:get_all_tenants", ADMIN, "List all projects' servers with details"),
    rule("os_compute_api:servers:show", READER, "Show a server"),
    rule("os_compute_api:servers:show:host_status", ADMIN, "See whether a server's host is up"),
    rule("os_compute_api:os-extended-server-attributes", ADMIN, "See where a server is and what it is there"),
    rule("os_compute_api:servers:create", MEMBER, "Create a server"),
    rule("os_compute_api:servers:create:forced_host", ADMIN, "Create a server on a certain host by its zone"),
    rule("compute:servers:create:requested_destination", ADMIN, "Create a server on a certain host"),
    rule("os_compute_api:servers:create:attach_network", MEMBER, "Create a server with interfaces"),
    rule("os_compute_api:servers:create:zero_disk_flavor", ADMIN, "Create a server with a flavor without disk"),
    rule("os_compute_api:servers:update", MEMBER, "Change a server's name, description and addresses"),
    rule("os_compute_api:servers:delete", MEMBER, "Delete a server"),
    rule("os_compute_api:servers:start", MEMBER, "Start a server"),
    rule("os_compute_api:servers:stop", MEMBER, "Stop a server"),
    rule("os_compute_api:servers:reboot", MEMBER, "Restart a server"),
    rule("os_compute_api:os-console-output", MEMBER, "Read a server's console"),
    rule("os_compute_api:os-lock-server:lock", MEMBER, "Lock a server"),
    rule("os_compute_api:os-lock-server:unlock", MEMBER, "Unlock a server"),
    rule("os_compute_api:os-lock-server:unlock:unlock_override", ADMIN, "Unlock a server that somebody else locked"),
    rule("os_compute_api:os-admin-actions:reset_state", ADMIN, "Set a server's state"),
    rule("os_compute_api:os-security-groups:add", MEMBER, "Add a security group to a server"),
    rule("os_compute_api:os-security-groups:remove", MEMBER, "Remove a security group from a server"),
    rule("os_compute_api:server-metadata:index", READER, "List a server's metadata"),
    rule("os_compute_api:server-metadata:show", READER, "Show an entry of a server's metadata"),
    rule("os_compute_api:server-metadata:create", MEMBER, "Add entries to a server's metadata"),
    rule("os_compute_api:server-metadata:update_all", MEMBER, "Replace a server's metadata"),
    rule("os_compute_api:server-metadata:update", MEMBER, "Set an entry of a server's metadata"),
    rule("os_compute_api:server-metadata:delete", MEMBER, "Delete an entry of a server's metadata"),
    rule("os_compute_api:os-server-tags:index", READER, "List a server's tags"),
    rule("os_compute_api:os-server-tags:show", READER, "Look whether a server has a tag"),
    rule("os_compute_api:os-server-tags:update", MEMBER, "Add a tag to a server"),
    rule("os_compute_api:os-server-tags:update_all", MEMBER, "Replace a server's tags"),
    rule("os_compute_api:os-server-tags:delete", MEMBER, "Remove a tag from a server"),
    rule("os_compute_api:os-server-tags:delete_all", MEMBER, "Remove all tags from a server"),
    rule("os_compute_api:os-server-password:show", READER, "Show the password that a guest made, encrypted"),
    rule("os_compute_api:os-server-password:clear", MEMBER, "Forget the password that a guest made"),
    rule("os_compute_api:ips:index", READER, "List a server's addresses"),
    rule("os_compute_api:ips:show", READER, "List a server's addresses on one network"),
    rule("os_compute_api:os-attach-interfaces:list", READER, "List a server's interfaces"),
    rule("os_compute_api:os-attach-interfaces:show", READER, "Show one of a server's interfaces"),
];
