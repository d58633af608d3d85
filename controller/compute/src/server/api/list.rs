//! GET /servers and /servers/detail.

use super::super::filter::{self, ServerFilter};
use super::super::model::Server;
use super::super::store;
use crate::failure::bad_request;
use crate::{Compute, Failure};
use axum::extract::State;
use controller_base::id::ServerId;
use controller_db::SortKey;
use controller_web::{Context, Json, Params, Target, paging};
use serde_json::{Value, json};

/// Rows looked at in one go where the database cannot compare everything.
const BATCH: u32 = 1000;

struct Listed {
    servers: Vec<Server>,
    limit: u32,
}

pub(super) async fn index(
    State(compute): State<Compute>,
    context: Context,
    params: Params,
) -> Result<Json<Value>, Failure> {
    let listed = compute.list_servers(&context, &params, "os_compute_api:servers:index", false).await?;
    let target = Target::project(context.project_id()?);
    let view = super::view(&compute, &context, &target).await?;
    let items = listed.servers.iter().map(|server| view.brief(server)).collect();
    Ok(page(&context, &params, &listed, items))
}

pub(super) async fn detail(
    State(compute): State<Compute>,
    context: Context,
    params: Params,
) -> Result<Json<Value>, Failure> {
    let rule = "os_compute_api:servers:detail";
    let user_data = context.is_admin() && context.microversion().minor >= 3;
    let listed = compute.list_servers(&context, &params, rule, user_data).await?;
    let target = Target::project(context.project_id()?);
    let view = super::view(&compute, &context, &target).await?;
    let ids: Vec<ServerId> = listed.servers.iter().map(|server| server.id).collect();
    let ports = if ids.is_empty() { Default::default() } else { compute.networks.ports_of(&ids).await? };
    let none = Vec::new();
    let full = |server: &Server| view.full(server, ports.get(&server.id).unwrap_or(&none), None);
    let items = listed.servers.iter().map(full).collect();
    Ok(page(&context, &params, &listed, items))
}

fn page(context: &Context, params: &Params, listed: &Listed, items: Vec<Value>) -> Json<Value> {
    let mut out = json!({"servers": items});
    let full = u32::try_from(listed.servers.len()).is_ok_and(|count| count >= listed.limit);
    if let Some(last) = listed.servers.last().filter(|_| full) {
        out["servers_links"] = paging::rel_next(&context.self_link(), params, &last.id.to_string());
    }
    Json(out)
}

impl Compute {
    async fn list_servers(
        &self,
        context: &Context,
        params: &Params,
        rule: &str,
        user_data: bool,
    ) -> Result<Listed, Failure> {
        let project = context.project_id()?;
        context.enforce(rule, &Target::project(project))?;
        let all = params.get("all_tenants").is_some_and(|text| text.is_empty() || truthy(text));
        if all {
            context.enforce(&format!("{rule}:get_all_tenants"), &Target::none())?;
        }
        let version = context.microversion().minor;
        let mut filter = filter::read(params, version, context.is_admin(), project.as_str()).map_err(bad_request)?;
        let keys = filter::order(params).map_err(bad_request)?;
        let window = paging::page(params, self.config.max_limit)?;
        let limit = window.limit.unwrap_or(self.config.max_limit);
        self.resolve_addresses(&mut filter).await?;
        let columns = if user_data { store::SELECT } else { store::SELECT_SLIM };
        let servers = self.matching(&filter, &keys, window.marker.as_deref(), limit, columns).await?;
        Ok(Listed { servers, limit })
    }

    async fn resolve_addresses(&self, filter: &mut ServerFilter) -> Result<(), Failure> {
        for (pattern, ipv6) in [(filter.ip.clone(), false), (filter.ip6.clone(), true)] {
            let Some(pattern) = pattern else { continue };
            let found = self.networks.servers_with_address(&pattern, ipv6).await?;
            let found = found.into_iter();
            filter.with_address = Some(match filter.with_address.take() {
                None => found.collect(),
                Some(before) => found.filter(|id| before.contains(id)).collect(),
            });
        }
        Ok(())
    }

    async fn matching(
        &self,
        filter: &ServerFilter,
        keys: &[SortKey],
        marker: Option<&str>,
        limit: u32,
        columns: &str,
    ) -> Result<Vec<Server>, Failure> {
        let mut connection = self.db.read().await?;
        let mut after = match marker {
            None => None,
            Some(id) => {
                let missing = || bad_request(format!("marker [{id}] not found"));
                let parsed = id.parse().map_err(|_| missing())?;
                let server = store::get(&mut connection, parsed).await?.ok_or_else(missing)?;
                Some(filter::sort_values(&server, keys))
            }
        };
        let mut servers = Vec::new();
        let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
        if wanted == 0 {
            return Ok(servers);
        }
        let batch = if filter.looks_at_rows() { BATCH } else { limit };
        loop {
            let rows =
                filter.select(columns).page(keys, after.as_deref(), Some(batch)).fetch_all(&mut connection).await?;
            let more = u32::try_from(rows.len()).is_ok_and(|count| count >= batch);
            for row in &rows {
                let server = store::read(row)?;
                after = Some(filter::sort_values(&server, keys));
                if filter.keeps(&server) {
                    servers.push(server);
                }
                if servers.len() >= wanted {
                    return Ok(servers);
                }
            }
            if !more {
                return Ok(servers);
            }
        }
    }
}

fn truthy(text: &str) -> bool {
    crate::schema::bool_from_text(text).unwrap_or(false)
}
