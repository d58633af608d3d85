//! A request's context: who asks, from where, in which version, and what they may do.

use crate::{
    ApiError, BaseUrl, ErrorStyle, Microversion, Target, TokenInfo,
    policy::RuleSet,
    service::{ServiceInfo, WebState},
    token::{DomainRef, ProjectRef},
};
use axum::extract::FromRequestParts;
use controller_base::{
    Timestamp,
    id::{ProjectId, RequestId, UserId},
};
use http::{Method, request::Parts};
use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, Ordering},
};

/// What the service's layer knows of a request before it reaches the route.
#[derive(Debug)]
pub(crate) struct Core {
    pub request_id: RequestId,
    pub info: &'static ServiceInfo,
    pub rules: Arc<RuleSet>,
    pub web: WebState,
    pub url: BaseUrl,
    pub path: String,
    pub method: Method,
    pub microversion: Option<Microversion>,
    pub token: OnceLock<Arc<TokenInfo>>,
    /// The token's own text, for identity.
    pub token_text: Option<Arc<str>>,
    pub enforced: AtomicBool,
}

impl Core {
    pub(crate) fn body_limit(&self) -> usize {
        self.info.body_limit
    }

    /// Whether the access rules behind a token, if it has any, let it be used for this request. A token may always be looked at.
    pub(crate) fn permits(&self, token: &TokenInfo) -> bool {
        if token.application_credential().is_none_or(|credential| credential.access_rules.is_none()) {
            return true;
        }
        let looks_at_token = self.info.name == "identity" && self.method == Method::GET;
        if looks_at_token && self.path.ends_with("/v3/auth/tokens") {
            return true;
        }
        // Rules are written for the path below the service's endpoint, or with the endpoint's own.
        let whole = self.url.path_of(&self.path);
        token.may_request(self.info.name, self.method.as_str(), &[&self.path, &whole])
    }

    fn of(parts: &Parts) -> Result<Arc<Self>, ApiError> {
        let core = parts.extensions.get::<Arc<Self>>().cloned();
        core.ok_or_else(|| ApiError::internal("a handler was mounted outside of a service"))
    }
}

/// The context of an authenticated request; an extractor. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Context {
    core: Arc<Core>,
    token: Arc<TokenInfo>,
}

/// The context of a request to a public route, authenticated or not; an extractor.
#[derive(Clone, Debug)]
pub struct MaybeContext {
    core: Arc<Core>,
}

macro_rules! shared {
    ($name:ident) => {
        impl $name {
            /// `req-` and a UUID.
            #[must_use]
            pub fn request_id(&self) -> &RequestId {
                &self.core.request_id
            }
            /// Where the client thinks the service is.
            #[must_use]
            pub fn url(&self) -> &BaseUrl {
                &self.core.url
            }
            /// The request's path below the service's root.
            #[must_use]
            pub fn path(&self) -> &str {
                &self.core.path
            }
            /// An absolute link to this very path, without its query.
            #[must_use]
            pub fn self_link(&self) -> String {
                self.core.url.join(&self.core.path)
            }
            /// The negotiated microversion; the least one for a service without.
            #[must_use]
            pub fn microversion(&self) -> Microversion {
                self.core.microversion.unwrap_or_default()
            }
            /// Now.
            #[must_use]
            pub fn now(&self) -> Timestamp {
                self.core.web.clock.now()
            }
            /// The text of `X-Auth-Token`.
            #[must_use]
            pub fn token_text(&self) -> Option<&str> {
                self.core.token_text.as_deref()
            }
        }
    };
}

shared!(Context);
shared!(MaybeContext);

impl MaybeContext {
    /// Checks the caller's token now.
    ///
    /// # Errors
    /// 401 without a valid one.
    pub async fn authenticated(&self) -> Result<Context, ApiError> {
        let token = crate::service::authenticate(&self.core).await?;
        Ok(Context { core: self.core.clone(), token })
    }
}

impl Context {
    /// Who asks.
    #[must_use]
    pub fn token(&self) -> &Arc<TokenInfo> {
        &self.token
    }

    /// The user.
    #[must_use]
    pub fn user_id(&self) -> &UserId {
        &self.token.user.id
    }

    /// The project on which the token is scoped.
    ///
    /// # Errors
    /// 403 for a token without project: the thing wanted needs one.
    pub fn project_id(&self) -> Result<&ProjectId, ApiError> {
        self.project().map(|project| &project.id)
    }

    /// The project on which the token is scoped, with its name and domain.
    ///
    /// # Errors
    /// 403 for a token without project.
    pub fn project(&self) -> Result<&ProjectRef, ApiError> {
        let missing = || ApiError::forbidden("The token is not scoped to a project, which this request needs.");
        self.token.project().ok_or_else(missing)
    }

    /// The domain on which the token is scoped, if it is.
    #[must_use]
    pub fn domain(&self) -> Option<&DomainRef> {
        self.token.domain()
    }

    /// Whether the caller is what the service calls an administrator: its rule `context_is_admin`, or the role `admin` where
    /// the service has no such rule.
    #[must_use]
    pub fn is_admin(&self) -> bool {
        if self.core.rules.has("context_is_admin") {
            self.core.rules.allows(&self.token, "context_is_admin", &Target::none())
        } else {
            self.token.has_role("admin")
        }
    }

    /// Lets pass only whom the rule allows. A handler must have called this (or [`Context::allows`]) before it succeeds.
    ///
    /// # Errors
    /// 403 in the service's own words.
    pub fn enforce(&self, rule: &str, target: &Target) -> Result<(), ApiError> {
        if self.allows(rule, target) { Ok(()) } else { Err(self.refusal(rule)) }
    }

    /// Whether the rule allows it; for those who answer a refusal in another way, such as 404 or a hidden attribute.
    #[must_use]
    pub fn allows(&self, rule: &str, target: &Target) -> bool {
        self.core.enforced.store(true, Ordering::Relaxed);
        self.core.rules.allows(&self.token, rule, target)
    }

    /// The error of a refused rule.
    #[must_use]
    pub fn refusal(&self, rule: &str) -> ApiError {
        ApiError::forbidden(match self.core.info.style {
            ErrorStyle::Identity => format!("You are not authorized to perform the requested action: {rule}."),
            ErrorStyle::Compute => format!("Policy doesn't allow {rule} to be performed."),
            ErrorStyle::Placement => format!("Policy does not allow {rule} to be performed."),
            ErrorStyle::Network => format!("(rule:{rule}) is disallowed by policy"),
            ErrorStyle::Image => format!("You are not authorized to complete {rule} action."),
        })
    }
}

impl<S: Sync> FromRequestParts<S> for Context {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let core = Core::of(parts)?;
        // The route's guard has put it there, unless the route is public.
        let token = core.token.get().cloned().ok_or_else(ApiError::unauthorized)?;
        Ok(Self { core, token })
    }
}

impl<S: Sync> FromRequestParts<S> for MaybeContext {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Core::of(parts).map(|core| Self { core })
    }
}
