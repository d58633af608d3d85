//! How a request to compute fails: the one place where errors of stores, ports and state machines become statuses.

use crate::{schema::Invalid, server::NotNow};
use axum::response::{IntoResponse, Response};
use controller_db::DbError;
use controller_ports::{
    Unavailable,
    fleet::{AskError, HostChangeError},
    network::AttachError,
};
use controller_web::ApiError;

/// A failed request. Handlers return it; `?` makes it of everything that can fail on their way.
#[derive(Debug)]
pub struct Failure(pub ApiError);

impl Failure {
    /// Whether two transactions stopped each other, and this one was ended: the same may succeed at once.
    pub(crate) fn is_crossing(&self) -> bool {
        self.0.causes().filter_map(|cause| cause.downcast_ref::<DbError>()).any(DbError::is_crossing)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        Self(error)
    }
}

impl From<DbError> for Failure {
    fn from(error: DbError) -> Self {
        Self(if error.is_busy() { ApiError::unavailable(error) } else { ApiError::internal(error) })
    }
}

impl From<Unavailable> for Failure {
    fn from(error: Unavailable) -> Self {
        Self(ApiError::unavailable(error))
    }
}

impl From<Invalid> for Failure {
    fn from(error: Invalid) -> Self {
        Self(ApiError::bad_request(error.0))
    }
}

impl From<NotNow> for Failure {
    fn from(error: NotNow) -> Self {
        Self(ApiError::conflict(error.to_string()))
    }
}

impl From<AskError> for Failure {
    fn from(error: AskError) -> Self {
        Self(match error {
            AskError::NotConnected(_) => {
                ApiError::conflict("The host of the instance is not connected.").with_source(error)
            }
            AskError::TimedOut(_) => ApiError::unavailable(error),
            AskError::Refused { .. } => ApiError::conflict("Instance is not ready.").with_source(error),
        })
    }
}

impl From<HostChangeError> for Failure {
    fn from(error: HostChangeError) -> Self {
        Self(match error {
            HostChangeError::NoSuchHost(id) => ApiError::not_found(format!("Service {id} could not be found.")),
            HostChangeError::InUse { .. } => ApiError::conflict(
                "Unable to delete compute service that is hosting instances. Migrate or delete the instances first.",
            )
            .with_source(error),
            HostChangeError::Pending(_) => ApiError::conflict(error.to_string()),
            HostChangeError::Unavailable(inner) => ApiError::unavailable(inner),
        })
    }
}

impl From<AttachError> for Failure {
    fn from(error: AttachError) -> Self {
        let message = sentence(&error);
        Self(match error {
            AttachError::NetworkNotFound(_)
            | AttachError::PortNotFound(_)
            | AttachError::NoSubnet(_)
            | AttachError::AddressInUse(_)
            | AttachError::AddressInvalid(_)
            | AttachError::Exhausted(_)
            | AttachError::SecurityGroupNotFound(_) => ApiError::bad_request(message),
            AttachError::PortInUse(_)
            | AttachError::SecurityGroupAmbiguous(_)
            | AttachError::Ambiguous
            | AttachError::Collided => ApiError::conflict(message),
            AttachError::External(_) | AttachError::QuotaExceeded => ApiError::forbidden(message),
            AttachError::Unavailable(inner) => ApiError::unavailable(inner),
        })
    }
}

/// As Nova words it: a capital at the beginning, a full stop at the end.
pub(crate) fn sentence(error: &AttachError) -> String {
    let text = error.to_string();
    let mut symbols = text.chars();
    let capital: String = symbols.next().into_iter().flat_map(char::to_uppercase).collect();
    format!("{capital}{}.", symbols.as_str().trim_end_matches('.'))
}

/// 404 of a server.
pub(crate) fn no_server(id: &str) -> Failure {
    Failure(ApiError::not_found(format!("Instance {id} could not be found.")))
}

/// 404 of anything else.
pub(crate) fn not_found(message: impl Into<String>) -> Failure {
    Failure(ApiError::not_found(message))
}

/// 400.
pub(crate) fn bad_request(message: impl Into<String>) -> Failure {
    Failure(ApiError::bad_request(message))
}

/// 409.
pub(crate) fn conflict(message: impl Into<String>) -> Failure {
    Failure(ApiError::conflict(message))
}

/// 403.
pub(crate) fn forbidden(message: impl Into<String>) -> Failure {
    Failure(ApiError::forbidden(message))
}

/// 501, in Nova's words.
pub(crate) fn not_implemented(what: &str) -> Failure {
    Failure(ApiError::not_implemented(format!("The requested functionality is not supported: {what}")))
}
