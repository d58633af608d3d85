//! `/v3/users/{id}/credentials/OS-EC2`, `/v3/ec2tokens` and `/v3/s3tokens`.

use super::{
    service::credential_id,
    signature::{Refused, Signed},
};
use crate::{Identity, IdentityError, app_credential::api::refuse_restricted, credential::Credential};
use axum::{
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use controller_base::{
    Secret,
    id::{ProjectId, UserId},
};
use controller_web::{ApiError, BaseUrl, Context, Json, Routes, Target};
use http::{HeaderValue, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

pub(crate) fn routes() -> Routes<Identity> {
    const ALL: &str = "/v3/users/{user_id}/credentials/OS-EC2";
    const ONE: &str = "/v3/users/{user_id}/credentials/OS-EC2/{credential_id}";
    Routes::new()
        .get(ALL, "identity:ec2_list_credentials", list)
        .post(ALL, "identity:ec2_create_credential", create)
        .get(ONE, "identity:ec2_get_credential", show)
        .delete(ONE, "identity:ec2_delete_credential", delete)
        .post("/v3/ec2tokens", "identity:ec2tokens_validate", ec2_token)
        .post("/v3/s3tokens", "identity:s3tokens_validate", s3_token)
}

#[derive(Debug, Deserialize)]
struct NewKey {
    tenant_id: String,
}

/// Keystone takes each of these names.
#[derive(Debug, Deserialize)]
struct SignedBody {
    #[serde(alias = "credential", alias = "ec2Credentials")]
    credentials: Option<Signed>,
}

fn render(credential: &Credential, url: &BaseUrl) -> Value {
    let blob: Value = serde_json::from_str(&credential.blob).unwrap_or_default();
    let access = blob["access"].as_str().unwrap_or_default();
    let path = format!("/v3/users/{}/credentials/OS-EC2/{access}", credential.user_id);
    json!({
        "user_id": credential.user_id, "tenant_id": credential.project_id, "access": access,
        "secret": blob["secret"], "trust_id": blob["trust_id"], "links": {"self": url.join(&path)},
    })
}

async fn list(
    State(identity): State<Identity>,
    context: Context,
    Path(user): Path<String>,
) -> Result<Json<Value>, ApiError> {
    context.enforce("identity:ec2_list_credentials", &Target::none().with("user_id", &user))?;
    let user = identity.user(&user).await?;
    let wanted = controller_web::Params::parse(&format!("user_id={}&type=ec2", user.id));
    let mut keys = identity.credentials(&wanted).await?;
    keys.retain(|key| crate::credential::in_scope(context.token(), key.project_id.as_ref()).is_ok());
    let items = keys.iter().map(|key| render(key, context.url())).collect();
    Ok(Json(crate::wire::list("credentials", items, &context.self_link())))
}

async fn create(
    State(identity): State<Identity>,
    context: Context,
    Path(user): Path<String>,
    Json(body): Json<NewKey>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    context.enforce("identity:ec2_create_credential", &Target::none().with("target.credential.user_id", &user))?;
    refuse_restricted(context.token(), "application credentials")?;
    let user = identity.user(&user).await?;
    let project = identity.project(&body.tenant_id).await?.id;
    crate::credential::in_scope(context.token(), Some(&project))?;
    let credential = new_key(&context, user.id, project);
    identity.put_credential(&credential, true).await?;
    Ok((StatusCode::CREATED, Json(json!({"credential": render(&credential, context.url())}))))
}

fn new_key(context: &Context, user_id: UserId, project: ProjectId) -> Credential {
    let (access, secret) = (UserId::random().to_string(), UserId::random().to_string());
    let token = context.token();
    let trust = token.trust().map(|trust| trust.id.as_str());
    let mut blob = json!({"access": access, "secret": secret, "trust_id": trust});
    if let Some(credential) = token.application_credential() {
        blob["app_cred_id"] = credential.id.as_str().into();
    }
    Credential {
        id: credential_id(&access),
        user_id,
        project_id: Some(project),
        kind: "ec2".to_owned(),
        blob: blob.to_string(),
        extra: crate::wire::Attributes::new(),
        generation: 1,
    }
}

/// The key, if the caller may touch it and it is this user's.
async fn seen(
    identity: &Identity,
    context: &Context,
    user: &str,
    access: &str,
    rule: &str,
) -> Result<Credential, ApiError> {
    let target = |key: &Credential| Target::none().with("target.credential.user_id", &key.user_id);
    let found = identity.access_key(access).await;
    let own = context.user_id().as_str() == user;
    let key = match found {
        Err(error @ IdentityError::NotFound { .. }) if own => {
            // One learns what one's own keys are not.
            context.enforce(rule, &Target::none().with("target.credential.user_id", user))?;
            return Err(error.into());
        }
        found => crate::policy::visible(found, context, rule, target)?,
    };
    crate::credential::in_scope(context.token(), key.project_id.as_ref())?;
    Ok(key)
}

async fn show(
    State(identity): State<Identity>,
    context: Context,
    Path((user, access)): Path<(String, String)>,
) -> Result<Json<Value>, ApiError> {
    let key = seen(&identity, &context, &user, &access, "identity:ec2_get_credential").await?;
    Ok(Json(json!({"credential": render(&key, context.url())})))
}

async fn delete(
    State(identity): State<Identity>,
    context: Context,
    Path((user, access)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let key = seen(&identity, &context, &user, &access, "identity:ec2_delete_credential").await?;
    identity.delete_credential(&key.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn ec2_token(
    State(identity): State<Identity>,
    context: Context,
    Json(body): Json<SignedBody>,
) -> Result<Response, ApiError> {
    context.enforce("identity:ec2tokens_validate", &Target::none())?;
    token(&identity, body, Signed::is_ec2_by, true).await
}

async fn s3_token(
    State(identity): State<Identity>,
    context: Context,
    Json(body): Json<SignedBody>,
) -> Result<Response, ApiError> {
    context.enforce("identity:s3tokens_validate", &Target::none())?;
    token(&identity, body, Signed::is_s3_by, false).await
}

/// S3's middleware gets no token's text.
async fn token(
    identity: &Identity,
    body: SignedBody,
    check: fn(&Signed, &Secret) -> Result<(), Refused>,
    with_text: bool,
) -> Result<Response, ApiError> {
    let signed = body.credentials.ok_or(IdentityError::Unauthorized("no signature"))?;
    let (text, info) = identity.token_for_signed(&signed, check).await?;
    let catalog = identity.catalog_for(&info).await?;
    let mut response = Json(crate::token::wire::render(&info, Some(catalog))).into_response();
    if let Ok(value) = HeaderValue::from_str(&text)
        && with_text
    {
        response.headers_mut().insert("x-subject-token", value);
    }
    Ok(response)
}
