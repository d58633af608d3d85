//! What every REST service of the controller shares: the request's context, the token check, the policy engine, bodies,
//! paging, microversions, discovery, OpenStack's error bodies and the route table.
//!
//! Owns the way from a request to a handler and back to bytes. Knows no service, no table and no database: the token check is
//! a trait that identity implements.
//!
//! Invariants: a route says who may call it ([`routes::Access`]); without a valid token only public routes are reached; a
//! handler that succeeds without having enforced one of its route's rules is answered with 500. What a client is told and what
//! the log says are two texts.
//!
//! How a service is made: `policy.rs` has `pub const RULES: &[RuleDefault]`; `api.rs` has
//! ```ignore
//! pub fn routes() -> Routes<State> {
//!     Routes::new()
//!         .get("/", Access::Public, versions)
//!         .get("/v2.1/flavors", "os_compute_api:flavors:index", list)
//!         .post("/v2.1/servers/{id}/action", Access::AnyOf(&["os_compute_api:servers:start"]), action)
//! }
//! async fn list(State(state): State<State>, context: Context, params: Params) -> Result<Json<Flavors>, ApiError> {
//!     context.enforce("os_compute_api:flavors:index", &Target::none())?;
//!     ..
//! }
//! pub fn service(state: State, web: &WebState) -> Service { Service::new(INFO, routes(), state, web) }
//! ```

pub mod access_rule;
pub mod audit;
pub mod body;
pub mod context;
pub mod discovery;
pub mod error;
pub mod microversion;
pub mod mount;
pub mod paging;
pub mod policy;
pub mod query;
pub mod routes;
pub mod service;
#[cfg(feature = "testing")]
pub mod testing;
pub mod token;
pub mod url;

pub use body::Json;
pub use context::{Context, MaybeContext};
pub use error::{ApiError, ErrorStyle};
pub use microversion::Microversion;
pub use policy::{Policy, RuleDefault, Target};
pub use query::Params;
pub use routes::{Access, RouteInfo, Routes};
pub use service::{Service, ServiceInfo, WebState};
pub use token::{AuthError, Authenticator, Scope, TokenInfo};
pub use url::BaseUrl;
