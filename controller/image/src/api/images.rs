//! Images: list, create, show, update, delete, deactivate, reactivate.

use super::{find, target, viewer};
use crate::image::model::{Image, Visibility};
use crate::image::query::ImageQuery;
use crate::image::{ImageService, Viewer, patch, wire};
use axum::extract::{Path, State};
use axum::response::IntoResponse;
use controller_web::{ApiError, Context, Json, Params, Target};
use http::{HeaderMap, StatusCode, header};
use serde_json::{Map, Value};

pub async fn list(
    State(images): State<ImageService>,
    context: Context,
    params: Params,
) -> Result<Json<Value>, ApiError> {
    let project = context.token().project().map(|p| p.id.clone());
    context.enforce("get_images", &own(&context))?;
    let pairs: Vec<_> = params.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let viewer = match viewer(&context) {
        Viewer::All => None,
        Viewer::Project(project) => Some(project),
    };
    let query = ImageQuery::parse(&pairs, viewer, project)?;
    let (found, more) = images.list(&query).await?;
    Ok(Json(wire::page(&found, more, &pairs)))
}

pub async fn create(
    State(images): State<ImageService>,
    context: Context,
    Json(body): Json<Map<String, Value>>,
) -> Result<impl IntoResponse, ApiError> {
    context.enforce("add_image", &own(&context))?;
    let project = context.project_id()?;
    let image = images.draft(project, &body)?;
    if image.owner != *project {
        context.enforce("set_image_owner", &target(&image))?;
    }
    may_show_to(&context, &image, None)?;
    images.create(&image).await?;
    let location = context.url().join(&format!("/v2/images/{}", image.id));
    let headers = [
        (header::LOCATION, location),
        (header::HeaderName::from_static("openstack-image-import-methods"), String::new()),
    ];
    Ok((StatusCode::CREATED, headers, Json(wire::image(&image))))
}

pub async fn show(
    State(images): State<ImageService>,
    context: Context,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let image = find(&images, &context, &id).await?;
    context.enforce("get_image", &target(&image).with("member_id", member_id(&context)))?;
    Ok(Json(wire::image(&image)))
}

pub async fn update(
    State(images): State<ImageService>,
    context: Context,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: axum::body::Body,
) -> Result<Json<Value>, ApiError> {
    patch_type(&headers)?;
    let body = controller_web::body::collect(body, super::INFO.body_limit).await?;
    let changes = patch::parse(&controller_web::body::parse(&body)?)?;
    let image = find(&images, &context, &id).await?;
    context.enforce("modify_image", &target(&image))?;
    let patched = images.patched(&image, &changes)?;
    if patched.owner != image.owner {
        context.enforce("set_image_owner", &target(&patched))?;
    }
    may_show_to(&context, &patched, Some(&image))?;
    Ok(Json(wire::image(&images.update(patched).await?)))
}

pub async fn delete(
    State(images): State<ImageService>,
    context: Context,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let image = find(&images, &context, &id).await?;
    context.enforce("delete_image", &target(&image))?;
    images.delete(&image).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub async fn deactivate(
    State(images): State<ImageService>,
    context: Context,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let image = find(&images, &context, &id).await?;
    context.enforce("deactivate", &target(&image))?;
    images.set_active(image, false).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub async fn reactivate(
    State(images): State<ImageService>,
    context: Context,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let image = find(&images, &context, &id).await?;
    context.enforce("reactivate", &target(&image))?;
    images.set_active(image, true).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A target of the caller's own project, for what concerns no single image.
fn own(context: &Context) -> Target {
    context.token().project().map_or_else(Target::none, |project| Target::project(&project.id))
}

/// The caller's project; empty without one.
pub(super) fn member_id(context: &Context) -> String {
    context.token().project().map(|project| project.id.to_string()).unwrap_or_default()
}

/// Showing an image to everyone has rules of its own.
fn may_show_to(context: &Context, image: &Image, before: Option<&Image>) -> Result<(), ApiError> {
    if before.is_some_and(|before| before.visibility == image.visibility) {
        return Ok(());
    }
    match image.visibility {
        Visibility::Public => context.enforce("publicize_image", &target(image)),
        Visibility::Community => context.enforce("communitize_image", &target(image)),
        Visibility::Shared | Visibility::Private => Ok(()),
    }
}

fn patch_type(headers: &HeaderMap) -> Result<(), ApiError> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let given = given.split(';').next().unwrap_or_default().trim();
    const TYPES: &[&str] =
        &["application/openstack-images-v2.1-json-patch", "application/openstack-images-v2.0-json-patch"];
    if TYPES.contains(&given) {
        return Ok(());
    }
    Err(ApiError::unsupported_media_type(format!("Content type must be one of {}", TYPES.join(", "))))
}
