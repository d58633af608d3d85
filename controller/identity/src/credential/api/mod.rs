//! `/v3/credentials` and `/v3/policies`.

pub(crate) mod policy_blob;

use super::{Credential, in_scope, wire};
use crate::{Identity, app_credential::api::refuse_restricted, policy::visible};
use axum::extract::{Path, State};
use controller_web::{ApiError, Context, Json, Params, Routes, Target};
use http::StatusCode;
use serde_json::{Value, json};

pub(crate) fn routes() -> Routes<Identity> {
    Routes::new()
        .get("/v3/credentials", "identity:list_credentials", list)
        .post("/v3/credentials", "identity:create_credential", create)
        .get("/v3/credentials/{credential_id}", "identity:get_credential", show)
        .patch("/v3/credentials/{credential_id}", "identity:update_credential", update)
        .delete("/v3/credentials/{credential_id}", "identity:delete_credential", delete)
}

fn target(credential: &Credential) -> Target {
    Target::none().with("target.credential.user_id", &credential.user_id)
}

/// Everybody may ask, and sees what the rule lets them see: at least their own.
async fn list(State(identity): State<Identity>, context: Context, params: Params) -> Result<Json<Value>, ApiError> {
    let own = Target::none().with("target.credential.user_id", context.user_id());
    context.enforce("identity:list_credentials", &own)?;
    let all = identity.credentials(&params).await?;
    let seen = all.iter().filter(|credential| {
        context.allows("identity:get_credential", &target(credential))
            && in_scope(context.token(), credential.project_id.as_ref()).is_ok()
    });
    let items = seen.map(|credential| wire::render(credential, context.url())).collect();
    Ok(Json(crate::wire::list("credentials", items, &context.self_link())))
}

async fn create(
    State(identity): State<Identity>,
    context: Context,
    Json(body): Json<wire::Body>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let mut credential = body.credential.into_credential(context.user_id())?;
    context.enforce("identity:create_credential", &target(&credential))?;
    in_scope(context.token(), credential.project_id.as_ref())?;
    if credential.kind == "ec2" {
        refuse_restricted(context.token(), "credentials")?;
        credential = credential.bound_to(context.token())?;
    }
    identity.put_credential(&credential, true).await?;
    Ok((StatusCode::CREATED, Json(json!({"credential": wire::render(&credential, context.url())}))))
}

async fn show(
    State(identity): State<Identity>,
    context: Context,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let credential = visible(identity.credential(&id).await, &context, "identity:get_credential", target)?;
    in_scope(context.token(), credential.project_id.as_ref())?;
    Ok(Json(json!({"credential": wire::render(&credential, context.url())})))
}

async fn update(
    State(identity): State<Identity>,
    context: Context,
    Path(id): Path<String>,
    Json(body): Json<wire::Body>,
) -> Result<Json<Value>, ApiError> {
    let credential = visible(identity.credential(&id).await, &context, "identity:update_credential", target)?;
    in_scope(context.token(), credential.project_id.as_ref())?;
    let credential = body.credential.change(credential)?;
    // Neither the owner nor the scope may be got by changing it.
    context.enforce("identity:update_credential", &target(&credential))?;
    in_scope(context.token(), credential.project_id.as_ref())?;
    identity.put_credential(&credential, false).await?;
    Ok(Json(json!({"credential": wire::render(&credential, context.url())})))
}

async fn delete(
    State(identity): State<Identity>,
    context: Context,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let credential = visible(identity.credential(&id).await, &context, "identity:delete_credential", target)?;
    in_scope(context.token(), credential.project_id.as_ref())?;
    identity.delete_credential(&credential.id).await?;
    Ok(StatusCode::NO_CONTENT)
}
