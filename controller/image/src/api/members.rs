//! Members: list, add, show, answer, remove.

use super::{find, target, viewer};
use crate::image::ImageService;
use crate::image::model::Image;
use crate::member::{MemberStatus, wire};
use axum::extract::{Path, State};
use controller_web::{ApiError, Context, Json, Target};
use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
pub struct NewMember {
    member: String,
}

#[derive(Deserialize)]
pub struct Answer {
    status: String,
}

pub async fn list(
    State(images): State<ImageService>,
    context: Context,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let image = find(&images, &context, &id).await?;
    context.enforce("get_members", &own_or(&image, &context))?;
    let members = images.members(&image, &viewer(&context)).await?;
    Ok(Json(wire::members(image.id, &members)))
}

pub async fn add(
    State(images): State<ImageService>,
    context: Context,
    Path(id): Path<String>,
    Json(body): Json<NewMember>,
) -> Result<Json<Value>, ApiError> {
    let image = find(&images, &context, &id).await?;
    context.enforce("add_member", &target(&image))?;
    let project = body.member.parse().map_err(|_| ApiError::bad_request("Member can't be empty"))?;
    let member = images.add_member(&image, project).await?;
    Ok(Json(wire::member(image.id, &member)))
}

pub async fn show(
    State(images): State<ImageService>,
    context: Context,
    Path((id, member)): Path<(String, String)>,
) -> Result<Json<Value>, ApiError> {
    let image = find(&images, &context, &id).await?;
    context.enforce("get_member", &own_or(&image, &context))?;
    let member = images.member(&image, &member, &viewer(&context)).await?;
    Ok(Json(wire::member(image.id, &member)))
}

pub async fn answer(
    State(images): State<ImageService>,
    context: Context,
    Path((id, member)): Path<(String, String)>,
    Json(body): Json<Answer>,
) -> Result<Json<Value>, ApiError> {
    let image = find(&images, &context, &id).await?;
    let member = images.member(&image, &member, &viewer(&context)).await?;
    // The owner offers, the member answers.
    context.enforce("modify_member", &target(&image).with("member_id", member.project.as_str()))?;
    let status = MemberStatus::parse(&body.status)
        .ok_or_else(|| ApiError::bad_request(format!("Invalid status: {}", body.status)))?;
    let member = images.answer(&image, member, status).await?;
    Ok(Json(wire::member(image.id, &member)))
}

pub async fn remove(
    State(images): State<ImageService>,
    context: Context,
    Path((id, member)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let image = find(&images, &context, &id).await?;
    context.enforce("delete_member", &target(&image))?;
    images.remove_member(&image, &member).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn own_or(image: &Image, context: &Context) -> Target {
    target(image).with("member_id", super::images::member_id(context))
}
