//! Who may say which policy blob belongs where: Keystone's names and defaults.

use controller_web::RuleDefault;

const fn rule(name: &'static str, check: &'static str, description: &'static str) -> RuleDefault {
    RuleDefault { name, check, description }
}

const READ: &str = "rule:admin_required or (role:reader and system_scope:all)";
const WRITE: &str = "rule:admin_required";

pub(crate) const RULES: &[RuleDefault] = &[
    rule("identity:create_policy_association_for_endpoint", WRITE, "Give an endpoint a policy blob"),
    rule("identity:check_policy_association_for_endpoint", READ, "Check an endpoint's policy blob"),
    rule("identity:delete_policy_association_for_endpoint", WRITE, "Take an endpoint's policy blob away"),
    rule("identity:create_policy_association_for_service", WRITE, "Give a service a policy blob"),
    rule("identity:check_policy_association_for_service", READ, "Check a service's policy blob"),
    rule("identity:delete_policy_association_for_service", WRITE, "Take a service's policy blob away"),
    rule(
        "identity:create_policy_association_for_region_and_service",
        WRITE,
        "Give a service in a region a policy blob",
    ),
    rule(
        "identity:check_policy_association_for_region_and_service",
        READ,
        "Check the policy blob of a service in a region",
    ),
    rule(
        "identity:delete_policy_association_for_region_and_service",
        WRITE,
        "Take the policy blob of a service in a region away",
    ),
    rule("identity:get_policy_for_endpoint", READ, "Show the policy blob that holds for an endpoint"),
    rule("identity:list_endpoints_for_policy", READ, "List the endpoints for which a policy blob holds"),
];
