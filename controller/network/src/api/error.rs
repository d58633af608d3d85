//! The one mapping from this service's errors to HTTP.

use crate::error::{Class, Error};
use controller_web::ApiError;
use http::StatusCode;

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        if matches!(&error, Error::Database(source) if source.is_busy()) {
            return Self::unavailable(error);
        }
        let status = match error.class() {
            Class::NotFound => StatusCode::NOT_FOUND,
            Class::BadRequest => StatusCode::BAD_REQUEST,
            Class::Conflict => StatusCode::CONFLICT,
            Class::Forbidden => StatusCode::FORBIDDEN,
            Class::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
            Class::Exhausted => StatusCode::SERVICE_UNAVAILABLE,
            Class::Internal => return Self::internal(error),
        };
        Self::new(status, error.to_string()).kind(error.kind())
    }
}
