//! Flavors' requests.

use super::model::Flavor;
use super::store::{self, ListFilter};
use super::wire;
use crate::failure::{bad_request, conflict, not_found};
use crate::links::Links;
use crate::{Compute, Failure};
use axum::extract::{Path, State};
use controller_base::id::FlavorId;
use controller_db::SortKey;
use controller_web::{Context, Json, Params, Routes, Target, paging};
use http::StatusCode;
use serde_json::{Value, json};

pub(crate) fn routes() -> Routes<Compute> {
    const RULE: &str = "os_compute_api:flavors";
    Routes::new()
        .get("/v2.1/flavors", RULE, index)
        .get("/v2.1/flavors/detail", RULE, detail)
        .post("/v2.1/flavors", "os_compute_api:os-flavor-manage:create", create)
        .get("/v2.1/flavors/{id}", RULE, show)
        .put("/v2.1/flavors/{id}", "os_compute_api:os-flavor-manage:update", update)
        .delete("/v2.1/flavors/{id}", "os_compute_api:os-flavor-manage:delete", delete)
        .merge(super::access_api::routes())
        .merge(super::extra_api::routes())
}

async fn index(State(compute): State<Compute>, context: Context, params: Params) -> Result<Json<Value>, Failure> {
    let (flavors, limit) = compute.list_flavors(&context, &params).await?;
    let (links, version) = (Links(context.url()), context.microversion().minor);
    let items = flavors.iter().map(|flavor| wire::brief(flavor, &links, version)).collect();
    Ok(page(&context, &params, &flavors, limit, items))
}

async fn detail(State(compute): State<Compute>, context: Context, params: Params) -> Result<Json<Value>, Failure> {
    let (flavors, limit) = compute.list_flavors(&context, &params).await?;
    let items = flavors.iter().map(|flavor| render(&context, flavor)).collect();
    Ok(page(&context, &params, &flavors, limit, items))
}

fn page(context: &Context, params: &Params, flavors: &[Flavor], limit: u32, items: Vec<Value>) -> Json<Value> {
    let mut out = json!({"flavors": items});
    let full = params.has("limit") && u32::try_from(flavors.len()).is_ok_and(|count| count >= limit);
    if let Some(last) = flavors.last().filter(|_| full) {
        out["flavors_links"] = paging::rel_next(&context.self_link(), params, last.id.as_str());
    }
    Json(out)
}

/// A flavor in full, as this caller may see it.
fn render(context: &Context, flavor: &Flavor) -> Value {
    let target = context.token().project().map_or_else(Target::none, |project| Target::project(&project.id));
    let specs = context.allows("os_compute_api:os-flavor-extra-specs:index", &target);
    wire::full(flavor, &Links(context.url()), context.microversion().minor, specs)
}

async fn show(
    State(compute): State<Compute>,
    context: Context,
    Path(id): Path<String>,
) -> Result<Json<Value>, Failure> {
    context.enforce("os_compute_api:flavors", &Target::none())?;
    let flavor = compute.visible_flavor(&context, &id).await?;
    Ok(Json(json!({"flavor": render(&context, &flavor)})))
}

async fn create(
    State(compute): State<Compute>,
    context: Context,
    Json(body): Json<Value>,
) -> Result<Json<Value>, Failure> {
    context.enforce("os_compute_api:os-flavor-manage:create", &Target::none())?;
    wire::CREATE.check(&body, context.microversion().minor)?;
    let flavor = wire::read_create(&body, context.now());
    let mut tx = compute.db.begin().await?;
    match store::insert(&mut tx, &flavor).await {
        Ok(()) => {}
        Err(error) if error.violates("compute_flavor", "name") => {
            return Err(conflict(format!("Flavor with name {} already exists.", flavor.name)));
        }
        Err(error) if error.violates("compute_flavor", "") => {
            return Err(conflict(format!("Flavor with ID {} already exists.", flavor.id)));
        }
        Err(error) => return Err(error.into()),
    }
    tx.commit().await?;
    Ok(Json(json!({"flavor": render(&context, &flavor)})))
}

async fn update(
    State(compute): State<Compute>,
    context: Context,
    Path(id): Path<String>,
    Json(body): Json<Value>,
) -> Result<Json<Value>, Failure> {
    if context.microversion().minor < 55 {
        return Err(not_found("The resource could not be found."));
    }
    context.enforce("os_compute_api:os-flavor-manage:update", &Target::none())?;
    wire::UPDATE.check(&body, context.microversion().minor)?;
    let mut flavor = compute.visible_flavor(&context, &id).await?;
    flavor.description = body["flavor"]["description"].as_str().map(str::to_owned);
    let mut tx = compute.db.begin().await?;
    store::update(&mut tx, &flavor).await?;
    tx.commit().await?;
    Ok(Json(json!({"flavor": render(&context, &flavor)})))
}

async fn delete(
    State(compute): State<Compute>,
    context: Context,
    Path(id): Path<String>,
) -> Result<StatusCode, Failure> {
    context.enforce("os_compute_api:os-flavor-manage:delete", &Target::none())?;
    let flavor = compute.visible_flavor(&context, &id).await?;
    let mut tx = compute.db.begin().await?;
    if !store::delete(&mut tx, &flavor.id).await? {
        return Err(no_flavor(&id));
    }
    tx.commit().await?;
    Ok(StatusCode::ACCEPTED)
}

/// 404 of a flavor.
pub(super) fn no_flavor(id: &str) -> Failure {
    not_found(format!("Flavor {id} could not be found."))
}

impl Compute {
    /// A flavor that the caller may know of.
    pub(crate) async fn visible_flavor(&self, context: &Context, id: &str) -> Result<Flavor, Failure> {
        let parsed: FlavorId = id.parse().map_err(|_| no_flavor(id))?;
        let mut connection = self.db.read().await?;
        let flavor = store::get(&mut connection, &parsed).await?.ok_or_else(|| no_flavor(id))?;
        if flavor.is_public || context.is_admin() {
            return Ok(flavor);
        }
        let usable = match context.token().project() {
            None => false,
            Some(project) => store::has_access(&mut connection, &parsed, &project.id).await?,
        };
        if usable { Ok(flavor) } else { Err(no_flavor(id)) }
    }

    async fn list_flavors(&self, context: &Context, params: &Params) -> Result<(Vec<Flavor>, u32), Failure> {
        context.enforce("os_compute_api:flavors", &Target::none())?;
        let filter = list_filter(context, params)?;
        let keys = order(params)?;
        let window = paging::page(params, self.config.max_limit)?;
        let limit = window.limit.unwrap_or(self.config.max_limit);
        let missing = |marker: &str| bad_request(format!("marker [{marker}] not found"));
        let marker: Option<FlavorId> = match window.marker.as_deref() {
            None => None,
            Some(text) => Some(text.parse().map_err(|_| missing(text))?),
        };
        let mut connection = self.db.read().await?;
        let flavors = store::list(&mut connection, &filter, &keys, marker.as_ref(), Some(limit)).await?;
        let flavors = flavors.ok_or_else(|| missing(window.marker.as_deref().unwrap_or_default()))?;
        Ok((flavors, limit))
    }
}

/// Tenants see what they may use. Administrators see public flavors, or with `is_public` others or (`None`) all.
fn list_filter(context: &Context, params: &Params) -> Result<ListFilter, Failure> {
    let number = |name: &str| match params.get(name) {
        None => Ok(None),
        Some(text) => match text.parse::<i64>() {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(bad_request(format!("Invalid {name} filter [{text}]"))),
        },
    };
    let mut filter =
        ListFilter { min_memory_mib: number("minRam")?, min_root_gib: number("minDisk")?, ..ListFilter::default() };
    if !context.is_admin() {
        filter.usable_by = context.token().project().map(|project| project.id.clone());
        filter.is_public = filter.usable_by.is_none().then_some(true);
        return Ok(filter);
    }
    filter.is_public = match params.get("is_public") {
        None => Some(true),
        Some(text) if text.eq_ignore_ascii_case("none") => None,
        Some(text) => {
            let wanted = crate::schema::bool_from_text(text);
            Some(wanted.ok_or_else(|| bad_request(format!("Invalid is_public filter [{text}]")))?)
        }
    };
    Ok(filter)
}

fn order(params: &Params) -> Result<Vec<SortKey>, Failure> {
    let key = params.get("sort_key").unwrap_or("flavorid");
    let expression = store::sort_column(key).ok_or_else(|| bad_request(format!("Invalid sort key: {key}")))?;
    let descending = match params.get("sort_dir") {
        None | Some("asc") => false,
        Some("desc") => true,
        Some(other) => return Err(bad_request(format!("Invalid sort direction: {other}"))),
    };
    let mut keys = vec![SortKey { expression, descending }];
    if expression != "id" {
        keys.push(SortKey { expression: "id", descending });
    }
    Ok(keys)
}
