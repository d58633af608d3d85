//! The one mapping from this service's errors to Glance's statuses.

use crate::image::model::ImageError;
use crate::image::patch::PatchError;
use controller_web::ApiError;
use http::StatusCode;

impl From<ImageError> for ApiError {
    fn from(error: ImageError) -> Self {
        let text = error.to_string();
        match error {
            ImageError::NotFound(id) => Self::not_found(format!("No image found with ID {id}")),
            ImageError::Duplicate(id) => Self::conflict(format!("Image ID {id} already exists!")),
            ImageError::Protected(id) => Self::forbidden(format!("Image {id} is protected and cannot be deleted.")),
            ImageError::Transition { from, to } => {
                Self::conflict(format!("Image status transition from {from} to {to} is not allowed"))
            }
            ImageError::Deactivated => {
                Self::forbidden("The requested image has been deactivated. Image data download is forbidden.")
            }
            ImageError::Incomplete(_) | ImageError::Invalid(_) => Self::bad_request(text),
            ImageError::CutOff => Self::bad_request("The upload was cut off."),
            ImageError::ReadOnly(name) => Self::forbidden(format!("Attribute '{name}' is read-only.")),
            ImageError::Format(source) => {
                Self::unsupported_media_type(format!("Image content is refused: {}", told(&source)))
            }
            ImageError::TooLarge(_) => Self::too_large(text),
            ImageError::NoSpace => Self::new(
                StatusCode::INSUFFICIENT_STORAGE,
                "Insufficient permissions on image storage media: There is not enough disk space on the image storage media.",
            ),
            ImageError::Raced(_) => Self::conflict(text),
            ImageError::NoMember { image, member } => {
                Self::not_found(format!("{member} not found in the member list of the image {image}."))
            }
            ImageError::DuplicateMember { image, member } => {
                Self::conflict(format!("The target member {member} is already associated with image {image}."))
            }
            ImageError::NotShared => Self::forbidden("Only shared images have members."),
            ImageError::Forbidden(message) => Self::forbidden(message),
            ImageError::Db(source) if source.is_busy() => Self::unavailable(source),
            ImageError::Db(source) => Self::internal(source),
            ImageError::Store(source) => Self::internal(source),
        }
    }
}

impl From<PatchError> for ApiError {
    fn from(error: PatchError) -> Self {
        match error {
            PatchError::Malformed(message) => Self::bad_request(message),
            PatchError::Missing(_) => Self::conflict(error.to_string()),
            PatchError::Image(error) => error.into(),
        }
    }
}

/// An error with its causes: all of it concerns the caller's own bytes.
fn told(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", told(source)),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use controller_db::DbError;

    #[test]
    fn a_busy_database_is_no_failure_of_this_service() {
        let status = |error: sqlx::Error| ApiError::from(ImageError::Db(DbError::from(error))).status();
        assert_eq!(status(sqlx::Error::PoolTimedOut), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(status(sqlx::Error::WorkerCrashed), StatusCode::INTERNAL_SERVER_ERROR);
    }
}
