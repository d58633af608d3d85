//! All of identity's rules, and what handlers of several resources need to apply them.

use crate::IdentityError;
use controller_base::id::DomainId;
use controller_web::{
    ApiError, Context, Params, RuleDefault, Target,
    policy::{ScopeTable, ScopeType},
};

const BASE: &[RuleDefault] = &[
    RuleDefault { name: "admin_required", check: "role:admin", description: "The cloud's administrators" },
    RuleDefault { name: "service_role", check: "role:service", description: "Other services" },
    RuleDefault { name: "token_subject", check: "user_id:%(target.token.user_id)s", description: "Whose token it is" },
    RuleDefault { name: "owner", check: "user_id:%(user_id)s", description: "Whose thing it is" },
];

/// The scopes of what concerns the whole cloud: a domain's administrator is not meant.
const CLOUD: &[ScopeType] = &[ScopeType::System, ScopeType::Project];

/// Rules that are bound to scopes, as Keystone binds them; the others are open to all.
pub const SCOPES: ScopeTable = &[
    ("identity:create_region", CLOUD),
    ("identity:update_region", CLOUD),
    ("identity:delete_region", CLOUD),
    ("identity:get_service", CLOUD),
    ("identity:list_services", CLOUD),
    ("identity:create_service", CLOUD),
    ("identity:update_service", CLOUD),
    ("identity:delete_service", CLOUD),
    ("identity:get_endpoint", CLOUD),
    ("identity:list_endpoints", CLOUD),
    ("identity:create_endpoint", CLOUD),
    ("identity:update_endpoint", CLOUD),
    ("identity:delete_endpoint", CLOUD),
    ("identity:create_domain", CLOUD),
    ("identity:update_domain", CLOUD),
    ("identity:delete_domain", CLOUD),
    ("identity:create_domain_config", CLOUD),
    ("identity:get_domain_config", CLOUD),
    ("identity:update_domain_config", CLOUD),
    ("identity:delete_domain_config", CLOUD),
    ("identity:get_domain_config_default", CLOUD),
    ("identity:get_policy", CLOUD),
    ("identity:list_policies", CLOUD),
    ("identity:create_policy", CLOUD),
    ("identity:update_policy", CLOUD),
    ("identity:delete_policy", CLOUD),
    ("identity:create_role", CLOUD),
    ("identity:update_role", CLOUD),
    ("identity:delete_role", CLOUD),
    ("identity:create_domain_role", CLOUD),
    ("identity:update_domain_role", CLOUD),
    ("identity:delete_domain_role", CLOUD),
    ("identity:get_implied_role", CLOUD),
    ("identity:check_implied_role", CLOUD),
    ("identity:list_implied_roles", CLOUD),
    ("identity:create_implied_role", CLOUD),
    ("identity:delete_implied_role", CLOUD),
    ("identity:list_role_inference_rules", CLOUD),
    ("identity:list_system_grants_for_user", CLOUD),
    ("identity:check_system_grant_for_user", CLOUD),
    ("identity:create_system_grant_for_user", CLOUD),
    ("identity:revoke_system_grant_for_user", CLOUD),
    ("identity:list_system_grants_for_group", CLOUD),
    ("identity:check_system_grant_for_group", CLOUD),
    ("identity:create_system_grant_for_group", CLOUD),
    ("identity:revoke_system_grant_for_group", CLOUD),
    ("identity:list_projects_for_endpoint", CLOUD),
    ("identity:add_endpoint_to_project", CLOUD),
    ("identity:check_endpoint_in_project", CLOUD),
    ("identity:list_endpoints_for_project", CLOUD),
    ("identity:remove_endpoint_from_project", CLOUD),
    ("identity:create_endpoint_group", CLOUD),
    ("identity:list_endpoint_groups", CLOUD),
    ("identity:get_endpoint_group", CLOUD),
    ("identity:update_endpoint_group", CLOUD),
    ("identity:delete_endpoint_group", CLOUD),
    ("identity:list_projects_associated_with_endpoint_group", CLOUD),
    ("identity:list_endpoints_associated_with_endpoint_group", CLOUD),
    ("identity:get_endpoint_group_in_project", CLOUD),
    ("identity:list_endpoint_groups_for_project", CLOUD),
    ("identity:add_endpoint_group_to_project", CLOUD),
    ("identity:remove_endpoint_group_from_project", CLOUD),
    ("identity:create_policy_association_for_endpoint", CLOUD),
    ("identity:check_policy_association_for_endpoint", CLOUD),
    ("identity:delete_policy_association_for_endpoint", CLOUD),
    ("identity:create_policy_association_for_service", CLOUD),
    ("identity:check_policy_association_for_service", CLOUD),
    ("identity:delete_policy_association_for_service", CLOUD),
    ("identity:create_policy_association_for_region_and_service", CLOUD),
    ("identity:check_policy_association_for_region_and_service", CLOUD),
    ("identity:delete_policy_association_for_region_and_service", CLOUD),
    ("identity:get_policy_for_endpoint", CLOUD),
    ("identity:list_endpoints_for_policy", CLOUD),
    ("identity:create_limits", CLOUD),
    ("identity:update_limit", CLOUD),
    ("identity:delete_limit", CLOUD),
    ("identity:create_registered_limits", CLOUD),
    ("identity:update_registered_limit", CLOUD),
    ("identity:delete_registered_limit", CLOUD),
    ("identity:get_consumer", CLOUD),
    ("identity:list_consumers", CLOUD),
    ("identity:create_consumer", CLOUD),
    ("identity:update_consumer", CLOUD),
    ("identity:delete_consumer", CLOUD),
];

/// Every rule with its default.
#[must_use]
pub fn rules() -> Vec<RuleDefault> {
    [
        BASE,
        crate::token::api::RULES,
        crate::project::policy::RULES,
        crate::user::policy::RULES,
        crate::group::policy::RULES,
        crate::role::policy::RULES,
        crate::assignment::policy::RULES,
        crate::catalog::policy::RULES,
        crate::credential::policy::RULES,
        crate::app_credential::policy::RULES,
        crate::trust::policy::RULES,
        crate::ec2::policy::RULES,
        crate::domain_config::policy::RULES,
        crate::federation::policy::RULES,
        crate::endpoint_filter::policy::RULES,
        crate::endpoint_policy::policy::RULES,
        crate::limit::policy::RULES,
        crate::consumer::policy::RULES,
    ]
    .concat()
}

/// Lets a handler go on with what it found, if the caller may. Who may not see things of this kind at all is refused also where
/// there is none, so that nobody can try out ids.
pub(crate) fn visible<T>(
    found: Result<T, IdentityError>,
    context: &Context,
    rule: &str,
    target: impl FnOnce(&T) -> Target,
) -> Result<T, ApiError> {
    match found {
        Ok(thing) => {
            context.enforce(rule, &target(&thing))?;
            Ok(thing)
        }
        Err(error @ (IdentityError::NotFound { .. } | IdentityError::Missing(_))) => {
            context.enforce(rule, &Target::none())?;
            Err(error.into())
        }
        Err(error) => Err(error.into()),
    }
}

/// The domain to which a list is limited: the asked one, or that of a domain-scoped caller.
pub(crate) fn listed_domain(context: &Context, params: &Params) -> Result<Option<DomainId>, ApiError> {
    match params.get("domain_id") {
        Some(text) => Ok(Some(text.parse().map_err(IdentityError::from)?)),
        None => Ok(context.domain().map(|domain| domain.id.clone())),
    }
}

/// Where new things go when the request does not say: the domain of the caller's scope, else of the caller.
pub(crate) fn callers_domain(context: &Context) -> Option<DomainId> {
    let token = context.token();
    let project = || token.project().map(|project| project.domain.id.clone());
    let scope = token.domain().map(|domain| domain.id.clone()).or_else(project);
    scope.or_else(|| Some(token.user.domain.id.clone()))
}
