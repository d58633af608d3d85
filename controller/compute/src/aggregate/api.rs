//! `os-aggregates`: reading, and what changes an aggregate itself.

use super::{Aggregate, ZONE, change_api, store};
use crate::failure::{bad_request, conflict, not_found};
use crate::schema::{Format, Minor, Schema, formatted, object};
use crate::{Compute, Failure};
use axum::extract::{Path, State};
use controller_base::id::OperationId;
use controller_db::{Connection, DbError};
use controller_web::{Access, Context, Json, Routes, Target};
use http::StatusCode;
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::LazyLock};

static CREATE: LazyLock<Schema> = LazyLock::new(|| {
    let aggregate = object().required("name", name()).field("availability_zone", zone()).done();
    object().required("aggregate", aggregate).done()
});
static UPDATE: LazyLock<Schema> = LazyLock::new(|| {
    let aggregate = object().field("name", name()).field("availability_zone", zone()).done();
    object().required("aggregate", aggregate).done()
});

fn name() -> Schema {
    formatted(1, 255, Format::Name)
}

fn zone() -> Schema {
    Schema::OneOf(vec![Schema::Null, name()])
}

pub(crate) fn routes() -> Routes<Compute> {
    const ACTIONS: Access = Access::AnyOf(&[
        "os_compute_api:os-aggregates:add_host",
        "os_compute_api:os-aggregates:remove_host",
        "os_compute_api:os-aggregates:set_metadata",
    ]);
    Routes::new()
        .get("/v2.1/os-aggregates", "os_compute_api:os-aggregates:index", index)
        .post("/v2.1/os-aggregates", "os_compute_api:os-aggregates:create", create)
        .get("/v2.1/os-aggregates/{id}", "os_compute_api:os-aggregates:show", show)
        .put("/v2.1/os-aggregates/{id}", "os_compute_api:os-aggregates:update", update)
        .delete("/v2.1/os-aggregates/{id}", "os_compute_api:os-aggregates:delete", delete)
        .post("/v2.1/os-aggregates/{id}/action", ACTIONS, change_api::action)
}

async fn index(State(compute): State<Compute>, context: Context) -> Result<Json<Value>, Failure> {
    context.enforce("os_compute_api:os-aggregates:index", &Target::none())?;
    let version = context.microversion().minor;
    let aggregates = store::list(&mut *compute.db.read().await?).await?;
    Ok(Json(json!({"aggregates": aggregates.iter().map(|one| render(one, version)).collect::<Vec<_>>()})))
}

async fn show(
    State(compute): State<Compute>,
    context: Context,
    Path(id): Path<String>,
) -> Result<Json<Value>, Failure> {
    context.enforce("os_compute_api:os-aggregates:show", &Target::none())?;
    let aggregate = find(&mut *compute.db.read().await?, &id).await?;
    Ok(answer(&aggregate, context.microversion().minor))
}

async fn create(
    State(compute): State<Compute>,
    context: Context,
    Json(body): Json<Value>,
) -> Result<Json<Value>, Failure> {
    context.enforce("os_compute_api:os-aggregates:create", &Target::none())?;
    let version = context.microversion().minor;
    CREATE.check(&body, version)?;
    let wanted = &body["aggregate"];
    let zone = wanted["availability_zone"].as_str();
    check_zone(zone)?;
    let mut aggregate = Aggregate {
        id: 0,
        uuid: OperationId::random().to_string(),
        name: wanted["name"].as_str().unwrap_or_default().to_owned(),
        metadata: zone.map(|zone| (ZONE.to_owned(), zone.to_owned())).into_iter().collect::<BTreeMap<_, _>>(),
        hosts: Vec::new(),
        created_at: context.now(),
        updated_at: None,
    };
    let mut tx = compute.db.begin().await?;
    aggregate.id = store::insert(&mut tx, &aggregate).await.map_err(|error| taken(error, &aggregate.name))?;
    tx.commit().await?;
    let mut out = render(&aggregate, version);
    if let Some(fields) = out.as_object_mut() {
        // Nova leaves them out here.
        fields.remove("hosts");
        fields.remove("metadata");
    }
    Ok(Json(json!({"aggregate": out})))
}

async fn update(
    State(compute): State<Compute>,
    context: Context,
    Path(id): Path<String>,
    Json(body): Json<Value>,
) -> Result<Json<Value>, Failure> {
    context.enforce("os_compute_api:os-aggregates:update", &Target::none())?;
    let version = context.microversion().minor;
    UPDATE.check(&body, version)?;
    let wanted = &body["aggregate"];
    let usages = compute.placement.usages().await?;
    let mut tx = compute.db.begin().await?;
    let mut aggregate = find(&mut tx, &id).await?;
    if let Some(name) = wanted["name"].as_str() {
        name.clone_into(&mut aggregate.name);
    }
    if let Some(zone) = wanted.get("availability_zone") {
        change_api::put(&mut aggregate, ZONE, zone.as_str())?;
        let moved = compute.check_zones(&mut tx, &aggregate, &usages).await;
        moved.map_err(|reason| refused("update", aggregate.id, reason))?;
    }
    let aggregate = save(&mut tx, aggregate, &context).await?;
    tx.commit().await?;
    Ok(answer(&aggregate, version))
}

async fn delete(
    State(compute): State<Compute>,
    context: Context,
    Path(id): Path<String>,
) -> Result<StatusCode, Failure> {
    context.enforce("os_compute_api:os-aggregates:delete", &Target::none())?;
    let mut tx = compute.db.begin().await?;
    let aggregate = find(&mut tx, &id).await?;
    if !aggregate.hosts.is_empty() {
        return Err(refused("delete", aggregate.id, change_api::NotSo::Said("Host aggregate is not empty.")));
    }
    store::delete(&mut tx, aggregate.id).await?;
    tx.commit().await?;
    Ok(StatusCode::OK)
}

/// Writes name and metadata down.
pub(super) async fn save(
    connection: &mut Connection,
    aggregate: Aggregate,
    context: &Context,
) -> Result<Aggregate, Failure> {
    let saved = store::update(connection, &aggregate, context.now()).await;
    saved.map_err(|error| taken(error, &aggregate.name))?;
    Ok(Aggregate { updated_at: Some(context.now()), ..aggregate })
}

pub(super) async fn find(connection: &mut Connection, id: &str) -> Result<Aggregate, Failure> {
    let found = store::list(connection).await?.into_iter().find(|one| one.id.to_string() == id || one.uuid == id);
    found.ok_or_else(|| not_found(format!("Aggregate {id} could not be found.")))
}

/// Nova's refusal of an action.
pub(super) fn refused(action: &str, id: i64, reason: change_api::NotSo) -> Failure {
    match reason {
        change_api::NotSo::Said(reason) => {
            bad_request(format!("Cannot perform action '{action}' on aggregate {id}. Reason: {reason}"))
        }
        change_api::NotSo::Failed(error) => error,
    }
}

pub(super) fn check_zone(zone: Option<&str>) -> Result<(), Failure> {
    if zone.is_some_and(|zone| zone.contains(':')) {
        return Err(bad_request("Availability zone names may not contain ':'."));
    }
    Ok(())
}

fn taken(error: DbError, name: &str) -> Failure {
    if error.violates("compute_aggregate", "name") {
        return conflict(format!("Aggregate {name} already exists."));
    }
    error.into()
}

pub(super) fn answer(aggregate: &Aggregate, version: Minor) -> Json<Value> {
    Json(json!({"aggregate": render(aggregate, version)}))
}

fn render(aggregate: &Aggregate, version: Minor) -> Value {
    let mut out = json!({
        "id": aggregate.id,
        "name": aggregate.name,
        "availability_zone": aggregate.zone(),
        "hosts": aggregate.hosts,
        "metadata": aggregate.metadata,
        "created_at": aggregate.created_at.micros_naive(),
        "updated_at": aggregate.updated_at.map(controller_base::Timestamp::micros_naive),
        "deleted": false,
        "deleted_at": Value::Null,
    });
    if version >= 41 {
        out["uuid"] = json!(aggregate.uuid);
    }
    out
}
