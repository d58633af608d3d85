//! GET /servers and /servers/detail.

use super::super::filter::{self, ServerFilter};
use super::super::model::Server;
use super::super::store;
use crate::failure::bad_request;
use crate::links::Links;
use crate::{Compute, Failure};
use axum::extract::State;
use controller_base::id::ServerId;
use controller_db::{Connection, SortKey, Value as DbValue};
use controller_web::{Context, Json, Params, Target, paging};
use serde_json::{Value, json};

/// Rows looked at in one go where the database cannot compare everything.
const BATCH: u32 = 1000;

/// What is listed.
struct Query {
    filter: ServerFilter,
    keys: Vec<SortKey>,
    marker: Option<String>,
    limit: u32,
}

pub(super) async fn index(
    State(compute): State<Compute>,
    context: Context,
    params: Params,
) -> Result<Json<Value>, Failure> {
    let query = compute.list_query(&context, &params, "os_compute_api:servers:index").await?;
    let servers = compute.names(&query).await?;
    let links = Links(context.url());
    let brief = |(id, name): &(ServerId, String)| {
        let id = id.to_string();
        json!({"id": id, "name": name, "links": links.of("servers", &id)})
    };
    let items = servers.iter().map(brief).collect();
    Ok(page(&context, &params, query.limit, servers.iter().map(|(id, _)| *id), items))
}

pub(super) async fn detail(
    State(compute): State<Compute>,
    context: Context,
    params: Params,
) -> Result<Json<Value>, Failure> {
    let rule = "os_compute_api:servers:detail";
    let user_data = context.is_admin() && context.microversion().minor >= 3;
    let query = compute.list_query(&context, &params, rule).await?;
    let servers = compute.matching(&query, if user_data { store::SELECT } else { store::SELECT_SLIM }).await?;
    let target = Target::project(context.project_id()?);
    let view = super::view(&compute, &context, &target).await?;
    let ids: Vec<ServerId> = servers.iter().map(|server| server.id).collect();
    let ports = if ids.is_empty() { Default::default() } else { compute.networks.ports_of(&ids).await? };
    let none = Vec::new();
    let full = |server: &Server| view.full(server, ports.get(&server.id).unwrap_or(&none), None);
    let items = servers.iter().map(full).collect();
    Ok(page(&context, &params, query.limit, ids.into_iter(), items))
}

fn page(
    context: &Context,
    params: &Params,
    limit: u32,
    mut ids: impl ExactSizeIterator<Item = ServerId> + DoubleEndedIterator,
    items: Vec<Value>,
) -> Json<Value> {
    let mut out = json!({"servers": items});
    let full = u32::try_from(ids.len()).is_ok_and(|count| count >= limit);
    if let Some(last) = ids.next_back().filter(|_| full) {
        out["servers_links"] = paging::rel_next(&context.self_link(), params, &last.to_string());
    }
    Json(out)
}

impl Compute {
    async fn list_query(&self, context: &Context, params: &Params, rule: &str) -> Result<Query, Failure> {
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
        Ok(Query { filter, keys, marker: window.marker, limit })
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

    /// Ids and names alone: a list of a thousand reads nothing else.
    async fn names(&self, query: &Query) -> Result<Vec<(ServerId, String)>, Failure> {
        if query.filter.looks_at_rows() {
            let servers = self.matching(query, store::SELECT_SLIM).await?;
            return Ok(servers.into_iter().map(|server| (server.id, server.name)).collect());
        }
        let mut connection = self.db.read().await?;
        let after = marker(&mut connection, query).await?;
        let select = query.filter.select(store::SELECT_BRIEF);
        let rows = select.page(&query.keys, after.as_deref(), Some(query.limit)).fetch_all(&mut connection).await?;
        Ok(rows.iter().map(store::read_brief).collect::<Result<_, _>>()?)
    }

    async fn matching(&self, query: &Query, columns: &str) -> Result<Vec<Server>, Failure> {
        let Query { filter, keys, limit, .. } = query;
        let mut connection = self.db.read().await?;
        let mut after = marker(&mut connection, query).await?;
        let mut servers = Vec::new();
        let wanted = usize::try_from(*limit).unwrap_or(usize::MAX);
        if wanted == 0 {
            return Ok(servers);
        }
        let batch = if filter.looks_at_rows() { BATCH } else { *limit };
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

/// The sort values of the row behind which the list goes on.
async fn marker(connection: &mut Connection, query: &Query) -> Result<Option<Vec<DbValue>>, Failure> {
    let Some(id) = &query.marker else { return Ok(None) };
    let missing = || bad_request(format!("marker [{id}] not found"));
    let parsed = id.parse().map_err(|_| missing())?;
    let server = store::get(connection, parsed).await?.ok_or_else(missing)?;
    Ok(Some(filter::sort_values(&server, &query.keys)))
}

fn truthy(text: &str) -> bool {
    crate::schema::bool_from_text(text).unwrap_or(false)
}
