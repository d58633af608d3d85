//! Quotas.

use crate::{
    attributes::Check,
    error::{Error, Result},
    quota,
    service::NetworkService,
};
use axum::extract::{Path, State};
use controller_base::id::ProjectId;
use controller_web::{ApiError, Context, Json, Target};
use futures::FutureExt;
use http::StatusCode;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

type Answer = std::result::Result<Json<Value>, ApiError>;

fn parse(project: &str) -> Result<ProjectId> {
    project.parse().map_err(|_| Error::HTTPNotFound)
}

fn render(limits: &BTreeMap<&'static str, i64>) -> Value {
    json!(limits)
}

/// GET /v2.0/quotas
pub async fn list(State(service): State<NetworkService>, context: Context) -> Answer {
    context.enforce("get_quotas", &Target::none())?;
    let mut conn = service.read().await?;
    let mut quotas = Vec::new();
    for project in quota::projects(&mut conn).await? {
        let mut entry = render(&quota::limits(&mut conn, service.config(), &project).await?);
        entry["project_id"] = json!(project.as_str());
        entry["tenant_id"] = json!(project.as_str());
        quotas.push(entry);
    }
    Ok(Json(json!({"quotas": quotas})))
}

/// GET /v2.0/quotas/{project}; the words `tenant` and `project` ask for the caller's own project.
pub async fn show(State(service): State<NetworkService>, context: Context, Path(project): Path<String>) -> Answer {
    if project == "tenant" || project == "project" {
        let own = context.project_id()?;
        context.enforce("get_quota", &Target::project(own))?;
        return Ok(Json(json!({project: {"tenant_id": own.as_str(), "project_id": own.as_str()}})));
    }
    let project = parse(&project)?;
    context.enforce("get_quota", &Target::project(&project))?;
    let mut conn = service.read().await?;
    Ok(Json(json!({"quota": render(&quota::limits(&mut conn, service.config(), &project).await?)})))
}

/// GET /v2.0/quotas/{project}/default
pub async fn defaults(State(service): State<NetworkService>, context: Context, Path(project): Path<String>) -> Answer {
    context.enforce("get_quota", &Target::project(parse(&project)?))?;
    Ok(Json(json!({"quota": render(&quota::defaults(service.config()))})))
}

/// GET /v2.0/quotas/{project}/details
pub async fn details(State(service): State<NetworkService>, context: Context, Path(project): Path<String>) -> Answer {
    let project = parse(&project)?;
    context.enforce("get_quota", &Target::project(&project))?;
    let mut conn = service.read().await?;
    let limits = quota::limits(&mut conn, service.config(), &project).await?;
    let usage = quota::usage(&mut conn, &project).await?;
    let detail = |(name, limit): (&&'static str, &i64)| {
        let used = usage.get(name).copied().unwrap_or(0);
        ((*name).to_owned(), json!({"limit": limit, "used": used, "reserved": 0}))
    };
    Ok(Json(json!({"quota": limits.iter().map(detail).collect::<Map<_, _>>()})))
}

/// PUT /v2.0/quotas/{project}
pub async fn update(
    State(service): State<NetworkService>,
    context: Context,
    Path(project): Path<String>,
    Json(input): Json<Value>,
) -> Answer {
    let project = parse(&project)?;
    context.enforce("update_quota", &Target::project(&project))?;
    let wanted = read(&input)?;
    let limits = service
        .write(move |change| {
            let (project, wanted) = (project.clone(), wanted.clone());
            async move {
                for (name, most) in wanted {
                    quota::set(change.conn(), &project, name, most).await?;
                }
                let service = change.service.clone();
                quota::limits(change.conn(), service.config(), &project).await
            }
            .boxed()
        })
        .await?;
    Ok(Json(json!({"quota": render(&limits)})))
}

fn read(input: &Value) -> Result<Vec<(&'static str, i64)>> {
    let body = input.get("quota").and_then(Value::as_object);
    let body = body.ok_or_else(|| Error::HTTPBadRequest("Unable to find 'quota' in request body".into()))?;
    let mut wanted = Vec::new();
    // Clients repeat the owner and ask for no check of what is used.
    for (name, value) in
        body.iter().filter(|(name, _)| !["tenant_id", "project_id", "force", "check_limit"].contains(&name.as_str()))
    {
        let Some(resource) = quota::RESOURCES.iter().find(|resource| resource.name == name) else {
            return Err(Error::HTTPBadRequest(format!("Unrecognized attribute(s) '{name}'")));
        };
        let checked = Check::Integer(-1, i64::from(i32::MAX)).apply(value);
        let most =
            checked.map_err(|reason| Error::HTTPBadRequest(format!("Invalid input for {name}. Reason: {reason}.")))?;
        wanted.push((resource.name, most.as_i64().unwrap_or(-1)));
    }
    Ok(wanted)
}

/// DELETE /v2.0/quotas/{project}
pub async fn reset(
    State(service): State<NetworkService>,
    context: Context,
    Path(project): Path<String>,
) -> std::result::Result<StatusCode, ApiError> {
    let project = parse(&project)?;
    context.enforce("delete_quota", &Target::project(&project))?;
    service
        .write(move |change| {
            let project = project.clone();
            async move { quota::reset(change.conn(), &project).await }.boxed()
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
