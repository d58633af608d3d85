//! The REST edge: Glance's API v2.

mod data;
mod error;
mod images;
mod info;
mod members;
mod tags;
#[cfg(test)]
mod tests;

use crate::image::ImageService;
use crate::image::Viewer;
use crate::image::model::{Image, ImageError};
use controller_web::service::BODY_LIMIT;
use controller_web::{Access, ApiError, Context, ErrorStyle, Routes, Service, ServiceInfo, Target, WebState};

/// What the service is.
pub static INFO: ServiceInfo =
    ServiceInfo { name: "image", style: ErrorStyle::Image, body_limit: BODY_LIMIT, microversions: None };

/// The service with its layers.
#[must_use]
pub fn service(images: ImageService, web: &WebState) -> Service {
    Service::new(&INFO, routes(), images, web)
}

/// Its routes.
#[must_use]
pub fn routes() -> Routes<ImageService> {
    Routes::new()
        .get("/", Access::Public, info::versions)
        .get("/versions", Access::Public, info::versions_ok)
        .get("/v2/schemas/{name}", Access::Token, info::schema)
        .get("/v2/info/import", Access::Token, info::import)
        .get("/v2/info/stores", Access::Token, info::stores)
        .get("/v2/images", "get_images", images::list)
        .post("/v2/images", "add_image", images::create)
        .get("/v2/images/{id}", "get_image", images::show)
        .patch("/v2/images/{id}", "modify_image", images::update)
        .delete("/v2/images/{id}", "delete_image", images::delete)
        .put("/v2/images/{id}/file", "upload_image", data::upload)
        .get("/v2/images/{id}/file", "download_image", data::download)
        .post("/v2/images/{id}/actions/deactivate", "deactivate", images::deactivate)
        .post("/v2/images/{id}/actions/reactivate", "reactivate", images::reactivate)
        .put("/v2/images/{id}/tags/{tag}", "modify_image", tags::add)
        .delete("/v2/images/{id}/tags/{tag}", "modify_image", tags::remove)
        .get("/v2/images/{id}/members", "get_members", members::list)
        .post("/v2/images/{id}/members", "add_member", members::add)
        .get("/v2/images/{id}/members/{member}", "get_member", members::show)
        .put("/v2/images/{id}/members/{member}", "modify_member", members::answer)
        .delete("/v2/images/{id}/members/{member}", "delete_member", members::remove)
}

/// For whom the caller looks things up.
fn viewer(context: &Context) -> Viewer {
    match context.token().project() {
        Some(project) if !context.is_admin() => Viewer::Project(project.id.clone()),
        None if !context.is_admin() => Viewer::Project(controller_base::id::ProjectId::random()),
        _ => Viewer::All,
    }
}

/// What a policy rule may look at.
fn target(image: &Image) -> Target {
    Target::project(&image.owner).with("visibility", image.visibility.as_str()).with("owner", image.owner.as_str())
}

/// The image of a path, if the caller may know of it.
async fn find(images: &ImageService, context: &Context, id: &str) -> Result<Image, ApiError> {
    let missing = || ApiError::not_found(format!("No image found with ID {id}"));
    let image = images.show(id.parse().map_err(|_| missing())?, &viewer(context)).await;
    image.map_err(|error| if matches!(error, ImageError::NotFound(_)) { missing() } else { error.into() })
}
