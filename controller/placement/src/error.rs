//! Why placement's API did not answer, and the one mapping to upstream's statuses and words.

use controller_db::DbError;
use controller_web::ApiError;

/// Why placement did not do what was wanted.
#[derive(Debug, thiserror::Error)]
pub enum PlacementError {
    /// There is no such host.
    #[error("there is no resource provider {0}")]
    NoProvider(String),
    /// The host does not offer that.
    #[error("{provider} has no inventory of {class}")]
    NoInventory {
        /// The class of resources.
        class: String,
        /// The host.
        provider: String,
    },
    /// No resource is of that class.
    #[error("there is no resource class {0}")]
    NoClass(String),
    /// No host can have that trait.
    #[error("there is no trait {0}")]
    NoTrait(String),
    /// The query makes no sense.
    #[error("invalid query: {0}")]
    Invalid(String),
    /// A parameter's value does not fit the others.
    #[error("invalid value: {0}")]
    BadValue(String),
    /// A parameter is missing.
    #[error("missing value: {0}")]
    MissingValue(String),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl PlacementError {
    /// For a query that does not fit upstream's schema.
    pub(crate) fn query(reason: impl std::fmt::Display) -> Self {
        Self::Invalid(format!("Invalid query string parameters: {reason}"))
    }
}

impl From<PlacementError> for ApiError {
    fn from(error: PlacementError) -> Self {
        match error {
            PlacementError::NoProvider(id) => Self::not_found(format!("No resource provider with uuid {id} found")),
            PlacementError::NoInventory { class, provider } => {
                Self::not_found(format!("No inventory of class {class} for {provider}"))
            }
            PlacementError::NoClass(name) => Self::not_found(format!("No such resource class {name}.")),
            PlacementError::NoTrait(name) => Self::not_found(format!("No such trait(s): {name}.")),
            PlacementError::Invalid(message) => Self::bad_request(message),
            PlacementError::BadValue(message) => Self::bad_request(message).kind("placement.query.bad_value"),
            PlacementError::MissingValue(message) => Self::bad_request(message).kind("placement.query.missing_value"),
            PlacementError::Db(source) if source.is_busy() => Self::unavailable(source),
            PlacementError::Db(source) => Self::internal(source),
        }
    }
}
