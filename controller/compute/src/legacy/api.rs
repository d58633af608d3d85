//! `os-security-groups`, and the actions on addresses.

use super::{rule_api, wire};
use crate::failure::{bad_request, forbidden, not_found};
use crate::server::service::target;
use crate::{Compute, Failure};
use axum::extract::{Path, State};
use controller_base::id::SecurityGroupId;
use controller_ports::legacy_network::{LegacyError, LegacyNetworks};
use controller_web::{ApiError, Context, Json, Params, Routes, Target};
use http::StatusCode;
use serde_json::{Value, json};
use std::sync::Arc;

/// The last version with these routes.
const LAST: u16 = 35;

pub(crate) fn routes() -> Routes<Compute> {
    const ONE: &str = "/v2.1/os-security-groups/{id}";
    Routes::new()
        .get("/v2.1/os-security-groups", "os_compute_api:os-security-groups:get", index)
        .post("/v2.1/os-security-groups", "os_compute_api:os-security-groups:create", create)
        .get(ONE, "os_compute_api:os-security-groups:show", show)
        .put(ONE, "os_compute_api:os-security-groups:update", update)
        .delete(ONE, "os_compute_api:os-security-groups:delete", delete)
        .get("/v2.1/servers/{id}/os-security-groups", "os_compute_api:os-security-groups:list", of_server)
        .merge(rule_api::routes())
}

/// The port, for a caller whom the rule allows it in their own project.
pub(super) fn allowed(compute: &Compute, context: &Context, rule: &str) -> Result<Arc<dyn LegacyNetworks>, Failure> {
    if context.microversion().minor > LAST {
        return Err(not_found("The resource could not be found."));
    }
    context.enforce(rule, &Target::project(context.project_id()?))?;
    compute.legacy()
}

/// An id that is none names nothing.
pub(super) fn group_id(text: &str) -> Result<SecurityGroupId, Failure> {
    text.parse().map_err(|_| bad_request(format!("Security group id should be uuid, not {text}")))
}

async fn index(State(compute): State<Compute>, context: Context, params: Params) -> Result<Json<Value>, Failure> {
    let port = allowed(&compute, &context, "os_compute_api:os-security-groups:get")?;
    let groups = port.groups(context.project_id()?).await?;
    let number = |name: &str| params.get(name).and_then(|text| text.parse::<usize>().ok());
    let page = groups.iter().skip(number("offset").unwrap_or(0)).take(number("limit").unwrap_or(usize::MAX));
    Ok(Json(json!({"security_groups": page.map(wire::group).collect::<Vec<_>>()})))
}

async fn show(
    State(compute): State<Compute>,
    context: Context,
    Path(id): Path<String>,
) -> Result<Json<Value>, Failure> {
    let port = allowed(&compute, &context, "os_compute_api:os-security-groups:show")?;
    let group = port.group(context.project_id()?, group_id(&id)?).await?;
    Ok(Json(json!({"security_group": wire::group(&group)})))
}

async fn create(
    State(compute): State<Compute>,
    context: Context,
    Json(body): Json<Value>,
) -> Result<Json<Value>, Failure> {
    let port = allowed(&compute, &context, "os_compute_api:os-security-groups:create")?;
    let (name, description) = read(&body, &context)?;
    let group = port.create_group(context.project_id()?, name, description).await?;
    Ok(Json(json!({"security_group": wire::group(&group)})))
}

async fn update(
    State(compute): State<Compute>,
    context: Context,
    Path(id): Path<String>,
    Json(body): Json<Value>,
) -> Result<Json<Value>, Failure> {
    let port = allowed(&compute, &context, "os_compute_api:os-security-groups:update")?;
    let (name, description) = read(&body, &context)?;
    let group = port.update_group(context.project_id()?, group_id(&id)?, name, description).await?;
    Ok(Json(json!({"security_group": wire::group(&group)})))
}

async fn delete(
    State(compute): State<Compute>,
    context: Context,
    Path(id): Path<String>,
) -> Result<StatusCode, Failure> {
    let port = allowed(&compute, &context, "os_compute_api:os-security-groups:delete")?;
    port.delete_group(context.project_id()?, group_id(&id)?).await?;
    Ok(StatusCode::ACCEPTED)
}

async fn of_server(
    State(compute): State<Compute>,
    context: Context,
    Path(id): Path<String>,
) -> Result<Json<Value>, Failure> {
    let server = compute.allowed(&context, &id, "os_compute_api:os-security-groups:list").await?;
    let port = compute.legacy()?;
    let ports = compute.ports_of(&server).await?;
    let used: Vec<SecurityGroupId> =
        ports.iter().flat_map(|port| &port.security_groups).map(|(group, _)| *group).collect();
    let groups = port.groups(&server.project_id).await?;
    let list: Vec<Value> = groups.iter().filter(|group| used.contains(&group.id)).map(wire::group).collect();
    Ok(Json(json!({"security_groups": list})))
}

fn read<'a>(body: &'a Value, context: &Context) -> Result<(&'a str, &'a str), Failure> {
    wire::GROUP.check(body, context.microversion().minor)?;
    let text = |name: &str| body["security_group"][name].as_str().unwrap_or_default();
    Ok((text("name"), text("description")))
}

impl Compute {
    /// Network's older form.
    ///
    /// # Errors
    /// 404 where none was wired.
    pub(crate) fn legacy(&self) -> Result<Arc<dyn LegacyNetworks>, Failure> {
        self.legacy.get().cloned().ok_or_else(|| not_found("The resource could not be found."))
    }

    /// `addFixedIp` and `removeFixedIp`.
    pub(crate) async fn change_address(
        &self,
        context: &Context,
        id: &str,
        body: &Value,
        add: bool,
    ) -> Result<(), Failure> {
        let (rule, action) = if add {
            ("os_compute_api:os-multinic:add", "addFixedIp")
        } else {
            ("os_compute_api:os-multinic:remove", "removeFixedIp")
        };
        if context.microversion().minor > 43 {
            return Err(bad_request(format!("There is no such action: {action}")));
        }
        let server = self.visible(context, id).await?;
        context.enforce(rule, &target(&server))?;
        let port = self.legacy()?;
        if add {
            let text = body[action]["networkId"].as_str().unwrap_or_default();
            let network = text.parse().map_err(|_| bad_request(format!("Network {text} could not be found.")))?;
            port.add_fixed_ip(server.id, network).await?;
        } else {
            let text = body[action]["address"].as_str().unwrap_or_default();
            let address = text.parse().map_err(|_| bad_request(format!("'{text}' is not an IP address")))?;
            port.remove_fixed_ip(server.id, address).await?;
        }
        Ok(())
    }
}

impl From<LegacyError> for Failure {
    fn from(error: LegacyError) -> Self {
        match error {
            LegacyError::NotFound(message) => not_found(message),
            // Nova answers 400 where network answers 409.
            LegacyError::Conflict(message) | LegacyError::Invalid(message) => bad_request(message),
            LegacyError::QuotaExceeded(message) => forbidden(message),
            LegacyError::Unavailable(error) => Self(ApiError::unavailable(error)),
        }
    }
}
