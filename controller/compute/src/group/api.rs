//! `os-server-groups`.

use super::{Policy, ServerGroup, store};
use crate::failure::{bad_request, forbidden, not_found};
use crate::schema::{Format, Minor, Schema, as_integer, formatted, integer, object};
use crate::{Compute, Failure, quota, server};
use axum::extract::{Path, State};
use controller_base::id::OperationId;
use controller_web::{Context, Json, Params, Routes, Target};
use http::StatusCode;
use serde_json::{Value, json};
use std::sync::LazyLock;

const WORDS: &[&str] = &["anti-affinity", "affinity"];
const SOFT_WORDS: &[&str] = &["anti-affinity", "affinity", "soft-anti-affinity", "soft-affinity"];

/// Until 2.63 a list with one policy, then one word with rules.
static CREATE: LazyLock<Schema> = LazyLock::new(|| {
    let policies = |words| Schema::List { items: Box::new(Schema::Enum(words)), min: 1, max: 1, unique: true };
    let rules = object().field("max_server_per_host", integer(1, i64::from(u32::MAX))).done();
    let group = object()
        .required("name", formatted(1, 255, Format::Name))
        .until(14, "policies", policies(WORDS))
        .between(15, 63, "policies", policies(SOFT_WORDS))
        .required_since(64, "policy", Schema::Enum(SOFT_WORDS))
        .since(64, "rules", rules)
        .done();
    object().required("server_group", group).done()
});

pub(crate) fn routes() -> Routes<Compute> {
    Routes::new()
        .get("/v2.1/os-server-groups", "os_compute_api:os-server-groups:index", index)
        .post("/v2.1/os-server-groups", "os_compute_api:os-server-groups:create", create)
        .get("/v2.1/os-server-groups/{id}", "os_compute_api:os-server-groups:show", show)
        .delete("/v2.1/os-server-groups/{id}", "os_compute_api:os-server-groups:delete", delete)
}

async fn index(State(compute): State<Compute>, context: Context, params: Params) -> Result<Json<Value>, Failure> {
    let project = context.project_id()?;
    context.enforce("os_compute_api:os-server-groups:index", &Target::project(project))?;
    let all = params.has("all_projects");
    if all {
        context.enforce("os_compute_api:os-server-groups:index:all_projects", &Target::none())?;
    }
    let number = |name: &str| match params.get(name) {
        None => Ok(None),
        Some(text) => text.parse::<usize>().map(Some).map_err(|_| bad_request(format!("{name} must be a number"))),
    };
    let (offset, limit) = (number("offset")?.unwrap_or(0), number("limit")?.unwrap_or(usize::MAX));
    let mut connection = compute.db.read().await?;
    let groups = store::list(&mut connection, (!all).then_some(project)).await?;
    let mut list = Vec::new();
    for group in groups.iter().skip(offset).take(limit) {
        let members = store::members(&mut connection, &group.id).await?;
        list.push(render(group, &members, context.microversion().minor));
    }
    Ok(Json(json!({"server_groups": list})))
}

async fn show(
    State(compute): State<Compute>,
    context: Context,
    Path(id): Path<String>,
) -> Result<Json<Value>, Failure> {
    let group = compute.visible_group(&context, &id, "os_compute_api:os-server-groups:show").await?;
    let mut connection = compute.db.read().await?;
    let members = store::members(&mut connection, &group.id).await?;
    Ok(Json(json!({"server_group": render(&group, &members, context.microversion().minor)})))
}

async fn create(
    State(compute): State<Compute>,
    context: Context,
    Json(body): Json<Value>,
) -> Result<Json<Value>, Failure> {
    let project = context.project_id()?.clone();
    context.enforce("os_compute_api:os-server-groups:create", &Target::project(&project))?;
    let version = context.microversion().minor;
    CREATE.check(&body, version)?;
    let group = read(&body["server_group"], &context, version)?;
    let mut tx = compute.db.begin().await?;
    server::store::lock_project(&mut tx, &project).await?;
    let (limits, used) = quota::store::limits_and_usage(&mut tx, &project, &compute.config.quota).await?;
    if limits.server_groups >= 0 && used.server_groups >= limits.server_groups {
        return Err(forbidden("Quota exceeded, too many server groups."));
    }
    store::insert(&mut tx, &group, context.now()).await?;
    tx.commit().await?;
    Ok(Json(json!({"server_group": render(&group, &[], version)})))
}

async fn delete(
    State(compute): State<Compute>,
    context: Context,
    Path(id): Path<String>,
) -> Result<StatusCode, Failure> {
    let group = compute.visible_group(&context, &id, "os_compute_api:os-server-groups:delete").await?;
    let mut tx = compute.db.begin().await?;
    store::delete(&mut tx, &group.id).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

fn read(wanted: &Value, context: &Context, version: Minor) -> Result<ServerGroup, Failure> {
    let word = if version >= 64 { &wanted["policy"] } else { &wanted["policies"][0] };
    let word = word.as_str().ok_or_else(|| {
        bad_request("Invalid input for field/attribute server_group. 'policies' is a required property")
    })?;
    let policy: Policy = word.parse().map_err(|_| bad_request(format!("'{word}' is not a policy")))?;
    let most = wanted["rules"].get("max_server_per_host").and_then(as_integer);
    if most.is_some() && policy != Policy::AntiAffinity {
        return Err(bad_request("Only anti-affinity policy supports rules."));
    }
    Ok(ServerGroup {
        id: OperationId::random().to_string(),
        project_id: context.project_id()?.clone(),
        user_id: context.user_id().clone(),
        name: wanted["name"].as_str().unwrap_or_default().to_owned(),
        policy,
        max_per_host: most.and_then(|most| u32::try_from(most).ok()),
    })
}

fn render(group: &ServerGroup, members: &[String], version: Minor) -> Value {
    let mut out = json!({"id": group.id, "name": group.name, "members": members});
    if version >= 64 {
        out["policy"] = json!(group.policy.as_str());
        out["rules"] = group.max_per_host.map_or_else(|| json!({}), |most| json!({"max_server_per_host": most}));
    } else {
        out["policies"] = json!([group.policy.as_str()]);
        out["metadata"] = json!({});
    }
    if version >= 13 {
        out["project_id"] = json!(group.project_id);
        out["user_id"] = json!(group.user_id);
    }
    out
}

impl Compute {
    async fn visible_group(&self, context: &Context, id: &str, rule: &str) -> Result<ServerGroup, Failure> {
        let mut connection = self.db.read().await?;
        let own = |group: &ServerGroup| context.token().project().is_some_and(|project| project.id == group.project_id);
        let group = store::get(&mut connection, id).await?.filter(|group| own(group) || context.is_admin());
        let group = group.ok_or_else(|| not_found(format!("Instance group {id} could not be found.")))?;
        context.enforce(rule, &Target::project(&group.project_id))?;
        Ok(group)
    }
}
