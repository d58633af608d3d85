//! All of identity's rules, and what handlers of several resources need to apply them.

use crate::IdentityError;
use controller_base::id::DomainId;
use controller_web::{ApiError, Context, Params, RuleDefault, Target};

const BASE: &[RuleDefault] = &[
    RuleDefault { name: "admin_required", check: "role:admin", description: "The cloud's administrators" },
    RuleDefault { name: "service_role", check: "role:service", description: "Other services" },
    RuleDefault { name: "token_subject", check: "user_id:%(target.token.user_id)s", description: "Whose token it is" },
    RuleDefault { name: "owner", check: "user_id:%(user_id)s", description: "Whose thing it is" },
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
        Err(error @ IdentityError::NotFound { .. }) => {
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
