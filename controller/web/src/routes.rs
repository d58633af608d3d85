//! The route table: each route is declared once, with who may call it. The compatibility tables in docs and the coverage tests
//! are made from it.

use axum::{
    Router,
    handler::Handler,
    routing::{MethodFilter, MethodRouter, on},
};
use http::Method;

/// Who may call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Whoever the handler's enforcement of this rule lets pass.
    Rule(&'static str),
    /// The same with one of several rules: actions told apart by their body.
    AnyOf(&'static [&'static str]),
    /// Everybody with a valid token.
    Token,
    /// Everybody.
    Public,
}

impl From<&'static str> for Access {
    fn from(rule: &'static str) -> Self {
        Self::Rule(rule)
    }
}

impl Access {
    /// The rules by their names.
    #[must_use]
    pub fn rules(&self) -> &[&'static str] {
        match self {
            Self::Rule(rule) => std::slice::from_ref(rule),
            Self::AnyOf(rules) => rules,
            Self::Token | Self::Public => &[],
        }
    }
}

/// One route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteInfo {
    /// Its method.
    pub method: Method,
    /// Its path below the service's root, with `{names}`.
    pub path: &'static str,
    /// Who may call it.
    pub access: Access,
}

/// A service's routes in the making.
pub struct Routes<S> {
    pub(crate) router: Router<S>,
    pub(crate) table: Vec<RouteInfo>,
}

impl<S> std::fmt::Debug for Routes<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Routes").field("table", &self.table).finish_non_exhaustive()
    }
}

impl<S: Clone + Send + Sync + 'static> Default for Routes<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    /// No routes.
    #[must_use]
    pub fn new() -> Self {
        Self { router: Router::new(), table: Vec::new() }
    }

    /// GET (and HEAD, which answers the same without a body).
    #[must_use]
    pub fn get<H, T>(self, path: &'static str, access: impl Into<Access>, handler: H) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        self.route(Method::GET, path, access.into(), on(MethodFilter::GET, handler))
    }

    /// HEAD, where it differs from GET.
    #[must_use]
    pub fn head<H, T>(self, path: &'static str, access: impl Into<Access>, handler: H) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        self.route(Method::HEAD, path, access.into(), on(MethodFilter::HEAD, handler))
    }

    /// POST
    #[must_use]
    pub fn post<H, T>(self, path: &'static str, access: impl Into<Access>, handler: H) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        self.route(Method::POST, path, access.into(), on(MethodFilter::POST, handler))
    }

    /// PUT
    #[must_use]
    pub fn put<H, T>(self, path: &'static str, access: impl Into<Access>, handler: H) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        self.route(Method::PUT, path, access.into(), on(MethodFilter::PUT, handler))
    }

    /// PATCH
    #[must_use]
    pub fn patch<H, T>(self, path: &'static str, access: impl Into<Access>, handler: H) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        self.route(Method::PATCH, path, access.into(), on(MethodFilter::PATCH, handler))
    }

    /// DELETE
    #[must_use]
    pub fn delete<H, T>(self, path: &'static str, access: impl Into<Access>, handler: H) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        self.route(Method::DELETE, path, access.into(), on(MethodFilter::DELETE, handler))
    }

    /// Adds another module's routes.
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        self.router = self.router.merge(other.router);
        self.table.extend(other.table);
        self
    }

    /// Tells the auditor of every request to these routes that wants to change something.
    #[must_use]
    pub fn audited(mut self, auditor: std::sync::Arc<dyn crate::audit::Auditor>) -> Self {
        self.router = self.router.layer(axum::middleware::from_fn_with_state(auditor, crate::audit::layer));
        self
    }

    /// What was declared.
    #[must_use]
    pub fn table(&self) -> &[RouteInfo] {
        &self.table
    }

    fn route(mut self, method: Method, path: &'static str, access: Access, handler: MethodRouter<S>) -> Self {
        let guarded = handler.layer(axum::middleware::from_fn_with_state(access, crate::service::guard));
        self.router = self.router.route(path, guarded);
        self.table.push(RouteInfo { method, path, access });
        self
    }
}
