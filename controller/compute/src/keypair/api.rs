//! Key pairs' requests.

use super::model::{KeyKind, KeyPair};
use super::{key, store, wire};
use crate::failure::{bad_request, conflict, forbidden, not_found};
use crate::{Compute, Failure, quota};
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use controller_base::id::UserId;
use controller_web::{ApiError, Context, Json, Params, Routes, Target, paging};
use http::StatusCode;
use serde_json::{Value, json};

pub(crate) fn routes() -> Routes<Compute> {
    Routes::new()
        .get("/v2.1/os-keypairs", "os_compute_api:os-keypairs:index", index)
        .post("/v2.1/os-keypairs", "os_compute_api:os-keypairs:create", create)
        .get("/v2.1/os-keypairs/{name}", "os_compute_api:os-keypairs:show", show)
        .delete("/v2.1/os-keypairs/{name}", "os_compute_api:os-keypairs:delete", delete)
}

/// The user whose pairs are meant: since 2.10 administrators may name another.
fn owner(context: &Context, named: Option<&str>, rule: &str) -> Result<UserId, Failure> {
    let named = named.filter(|_| context.microversion().minor >= 10);
    let user = match named {
        None => context.user_id().clone(),
        Some(text) => text.parse().map_err(|_| bad_request(format!("Invalid user_id {text}")))?,
    };
    context.enforce(rule, &Target::none().with("user_id", user.as_str()))?;
    Ok(user)
}

async fn index(State(compute): State<Compute>, context: Context, params: Params) -> Result<Json<Value>, Failure> {
    let version = context.microversion().minor;
    let user = owner(&context, params.get("user_id"), "os_compute_api:os-keypairs:index")?;
    let paged = version >= 35;
    let window = paging::page(&params, compute.config.max_limit)?;
    let limit = window.limit.filter(|_| paged);
    let marker = window.marker.as_deref().filter(|_| paged);
    let mut connection = compute.db.read().await?;
    if let Some(marker) = marker {
        let known = store::get(&mut connection, &user, marker).await?;
        known.ok_or_else(|| bad_request(format!("marker [{marker}] not found")))?;
    }
    let pairs = store::list(&mut connection, &user, marker, limit).await?;
    let list: Vec<Value> = pairs.iter().map(|pair| wire::listed(pair, version)).collect();
    let mut out = json!({"keypairs": list});
    let full = params.has("limit") && limit.is_some_and(|limit| u32::try_from(pairs.len()).is_ok_and(|n| n >= limit));
    if let Some(last) = pairs.last().filter(|_| full) {
        out["keypairs_links"] = paging::rel_next(&context.self_link(), &params, &last.name);
    }
    Ok(Json(out))
}

async fn show(
    State(compute): State<Compute>,
    context: Context,
    params: Params,
    Path(name): Path<String>,
) -> Result<Json<Value>, Failure> {
    let user = owner(&context, params.get("user_id"), "os_compute_api:os-keypairs:show")?;
    let mut connection = compute.db.read().await?;
    let pair = store::get(&mut connection, &user, &name).await?.ok_or_else(|| unknown(&user, &name))?;
    Ok(Json(wire::shown(&pair, context.microversion().minor)))
}

async fn create(
    State(compute): State<Compute>,
    context: Context,
    Json(body): Json<Value>,
) -> Result<Response, Failure> {
    let version = context.microversion().minor;
    let wanted = &body["keypair"];
    let user = owner(&context, wanted["user_id"].as_str(), "os_compute_api:os-keypairs:create")?;
    wire::CREATE.check(&body, version)?;
    let name = wanted["name"].as_str().unwrap_or_default();
    let kind = KeyKind::of(wanted["type"].as_str().unwrap_or("ssh"));
    let (public_key, private_key) = match wanted["public_key"].as_str() {
        Some(text) => (text.to_owned(), None),
        None if kind == KeyKind::X509 => {
            return Err(bad_request("A certificate must be given: this cloud does not make them."));
        }
        None => {
            let made = key::make("Generated-by-Nova").map_err(ApiError::internal)?;
            (made.public_key, Some(made.private_key))
        }
    };
    let fingerprint = key::fingerprint(kind, &public_key).map_err(|error| bad_request(error.to_string()))?;
    let pair =
        KeyPair { user_id: user, name: name.to_owned(), kind, fingerprint, public_key, created_at: context.now() };
    compute.add_pair(&context, &pair).await?;
    let status = if version >= 2 { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(wire::created(&pair, private_key.as_deref(), version))).into_response())
}

async fn delete(
    State(compute): State<Compute>,
    context: Context,
    params: Params,
    Path(name): Path<String>,
) -> Result<StatusCode, Failure> {
    let user = owner(&context, params.get("user_id"), "os_compute_api:os-keypairs:delete")?;
    let mut tx = compute.db.begin().await?;
    if !store::delete(&mut tx, &user, &name).await? {
        return Err(unknown(&user, &name));
    }
    tx.commit().await?;
    let quiet = context.microversion().minor >= 2;
    Ok(if quiet { StatusCode::NO_CONTENT } else { StatusCode::ACCEPTED })
}

fn unknown(user: &UserId, name: &str) -> Failure {
    not_found(format!("Keypair {name} not found for user {user}"))
}

impl Compute {
    async fn add_pair(&self, context: &Context, pair: &KeyPair) -> Result<(), Failure> {
        let mut tx = self.db.begin().await?;
        let limit = match context.token().project() {
            None => self.config.quota.key_pairs,
            Some(project) => quota::store::limits(&mut tx, &project.id, &self.config.quota).await?.key_pairs,
        };
        if limit >= 0 && store::count(&mut tx, &pair.user_id).await? >= limit {
            return Err(forbidden("Quota exceeded, too many key pairs."));
        }
        match store::insert(&mut tx, pair).await {
            Ok(()) => {}
            Err(error) if error.violates("compute_keypair", "") => {
                return Err(conflict(format!("Key pair '{}' already exists.", pair.name)));
            }
            Err(error) => return Err(error.into()),
        }
        Ok(tx.commit().await?)
    }
}
