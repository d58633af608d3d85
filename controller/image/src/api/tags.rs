//! Tags, one at a time.

use super::{find, target};
use crate::image::{ImageService, attributes};
use axum::extract::{Path, State};
use controller_web::{ApiError, Context};
use http::StatusCode;

pub async fn add(
    State(images): State<ImageService>,
    context: Context,
    Path((id, tag)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let mut image = find(&images, &context, &id).await?;
    context.enforce("modify_image", &target(&image))?;
    let tag = attributes::tag(&tag)?;
    if let Err(place) = image.tags.binary_search(&tag) {
        image.tags.insert(place, tag);
        images.update(image).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

pub async fn remove(
    State(images): State<ImageService>,
    context: Context,
    Path((id, tag)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let mut image = find(&images, &context, &id).await?;
    context.enforce("modify_image", &target(&image))?;
    let place = image.tags.binary_search(&tag).map_err(|_| ApiError::not_found("Tag not found."))?;
    image.tags.remove(place);
    images.update(image).await?;
    Ok(StatusCode::NO_CONTENT)
}
