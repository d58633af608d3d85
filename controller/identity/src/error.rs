//! What identity's rules answer, and the one mapping to Keystone's statuses and words.

use controller_base::id::{InvalidId, UserId};
use controller_db::DbError;
use controller_web::{ApiError, AuthError};
use http::{HeaderValue, StatusCode, header};

/// Why identity did not do what was wanted.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The thing does not exist.
    #[error("could not find {kind}: {id}")]
    NotFound {
        /// Keystone's word for its kind.
        kind: &'static str,
        /// What was looked for.
        id: String,
    },
    /// The same, in words of its own.
    #[error("{0}")]
    Missing(String),
    /// There is one like it already.
    #[error("conflict storing {kind}: {details}")]
    Conflict {
        /// Keystone's word for its kind.
        kind: &'static str,
        /// What collides.
        details: String,
    },
    /// The request makes no sense.
    #[error("invalid request: {0}")]
    Invalid(String),
    /// The thing must not be touched like this.
    #[error("forbidden: {0}")]
    Forbidden(String),
    /// The password was right, but its time is over.
    #[error("the password of user {0} has expired")]
    PasswordExpired(UserId),
    /// There were too many wrong guesses.
    #[error("too many wrong guesses")]
    TooManyGuesses {
        /// How long to wait.
        seconds: i64,
    },
    /// Wrong credentials, whichever.
    #[error("not authenticated: {0}")]
    Unauthorized(&'static str),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
    /// Something that cannot happen did.
    #[error("internal: {0}")]
    Internal(String),
}

impl IdentityError {
    pub(crate) fn not_found(kind: &'static str, id: impl ToString) -> Self {
        Self::NotFound { kind, id: id.to_string() }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::Invalid(message.into())
    }

    /// Policy lets it pass, but it must not be done with this token or on this thing.
    pub(crate) fn forbidden_action(action: &str) -> Self {
        Self::Forbidden(format!("You are not authorized to perform the requested action: {action}."))
    }

    /// For a broken uniqueness of a name within a domain.
    pub(crate) fn duplicate_name(error: DbError, kind: &'static str, name: &str, domain: Option<&str>) -> Self {
        match error {
            DbError::UniqueViolation { .. } => Self::Conflict {
                kind,
                details: match domain {
                    Some(domain) => format!("Duplicate entry found with name {name} at domain ID {domain}"),
                    None => format!("Duplicate entry found with name {name}"),
                },
            },
            other => Self::Db(other),
        }
    }
}

impl From<InvalidId> for IdentityError {
    fn from(error: InvalidId) -> Self {
        Self::not_found(error.kind, error.text)
    }
}

impl From<IdentityError> for ApiError {
    fn from(error: IdentityError) -> Self {
        match error {
            IdentityError::NotFound { kind, id } => Self::not_found(format!("Could not find {kind}: {id}.")),
            IdentityError::Missing(message) => Self::not_found(message),
            IdentityError::Conflict { kind, details } => {
                Self::conflict(format!("Conflict occurred attempting to store {kind} - {details}."))
            }
            IdentityError::Invalid(message) => Self::bad_request(message),
            IdentityError::Forbidden(message) => Self::forbidden(message),
            IdentityError::Unauthorized(reason) => Self::unauthorized().with_source(reason),
            IdentityError::PasswordExpired(user) => Self::new(
                StatusCode::UNAUTHORIZED,
                format!("The password is expired and needs to be changed for user: {user}."),
            ),
            IdentityError::TooManyGuesses { seconds } => {
                let refused = "There were too many wrong attempts. Try again later.";
                Self::new(StatusCode::TOO_MANY_REQUESTS, refused)
                    .header(header::RETRY_AFTER, HeaderValue::from(seconds))
            }
            IdentityError::Db(source) if source.is_busy() => Self::unavailable(source),
            IdentityError::Db(source) => Self::internal(source),
            IdentityError::Internal(reason) => Self::internal(reason),
        }
    }
}

impl From<IdentityError> for AuthError {
    fn from(error: IdentityError) -> Self {
        match error {
            IdentityError::NotFound { .. }
            | IdentityError::Missing(_)
            | IdentityError::Conflict { .. }
            | IdentityError::Invalid(_)
            | IdentityError::Forbidden(_)
            | IdentityError::PasswordExpired(_)
            | IdentityError::TooManyGuesses { .. }
            | IdentityError::Unauthorized(_) => Self::Invalid,
            IdentityError::Db(_) | IdentityError::Internal(_) => Self::Unavailable(Box::new(error)),
        }
    }
}
