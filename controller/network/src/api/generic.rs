//! The handlers that every kind of resource shares: list, show, create (one or many), update, delete.

use super::{
    query::{Query, only_fields},
    resource::Resource,
};
use crate::{
    attributes::{self, Attributes, Items, Preset, Verb},
    error::{Error, Result},
    service::{Caller, Change, NetworkService},
};
use axum::extract::{Path, State};
use controller_db::{Filter, Value as Bind};
use controller_web::{ApiError, Context, Json, Params, Target};
use futures::FutureExt;
use http::{HeaderMap, StatusCode, header};
use serde_json::{Map, Value, json};
use std::sync::Arc;

type Answer = std::result::Result<Json<Value>, ApiError>;

/// Who asks, for the services.
pub fn caller(context: &Context) -> Caller {
    Caller { project_id: context.token().project().map(|project| project.id.clone()), is_admin: context.is_admin() }
}

/// GET of a collection.
pub async fn list<R: Resource>(State(service): State<NetworkService>, context: Context, params: Params) -> Answer {
    // A list shows what the rule lets through, item by item; an empty one is no refusal.
    let _ = context.allows(R::RULES.get, &Target::none());
    let query = Query::parse(&params, R::ATTRIBUTES)?;
    let caller = caller(&context);
    R::prepare(&service, &caller).await?;
    let mut filter = Filter::new(R::SELECT);
    for (column, values) in query.pushed_down(R::COLUMNS) {
        filter = filter.and_in(column, values.into_iter().map(Bind::from));
    }
    if !caller.is_admin {
        filter = R::visible(filter, caller.project_id.as_ref().map_or("", |project| project.as_str()));
    }
    let mut conn = service.read().await?;
    let models = R::list(&mut conn, filter).await?;
    drop(conn);
    let bodies = models
        .iter()
        .filter(|model| context.allows(R::RULES.get, &R::target(model)))
        .map(|model| body::<R>(&service, &context, model))
        .filter(|body| query.lets_through(body))
        .collect();
    let mut page = query.page(bodies).ok_or_else(|| R::not_found(params.get("marker").unwrap_or_default()))?;
    let links = query.links(&context.self_link(), &page);
    page.iter_mut().for_each(|body| query.project(body));
    let mut answer = json!({R::COLLECTION: page});
    if !links.is_empty() {
        answer[format!("{}_links", R::COLLECTION)] = Value::Array(links);
    }
    Ok(Json(answer))
}

/// The body without what the caller may not see.
fn body<R: Resource>(service: &NetworkService, context: &Context, model: &R::Model) -> Map<String, Value> {
    let mut body = R::render(service, model);
    let target = R::target(model);
    for attribute in R::ATTRIBUTES {
        if attribute.get_rule.is_some_and(|rule| !context.allows(rule, &target)) {
            body.remove(attribute.name);
        }
    }
    body
}

/// GET of one.
pub async fn show<R: Resource>(
    State(service): State<NetworkService>,
    context: Context,
    Path(id): Path<String>,
    params: Params,
) -> Answer {
    let mut conn = service.read().await?;
    let model = find::<R>(&mut conn, &context, &id).await?;
    let mut body = body::<R>(&service, &context, &model);
    only_fields(&params, &mut body);
    Ok(Json(json!({R::NAME: body})))
}

/// One that the caller may see.
pub async fn find<R: Resource>(conn: &mut controller_db::Connection, context: &Context, id: &str) -> Result<R::Model> {
    let filter = Filter::new(R::SELECT).and_eq("id", Some(id.to_ascii_lowercase()));
    let found = R::list(conn, filter).await?.pop();
    let target = found.as_ref().map(R::target).unwrap_or_default();
    let seen = context.allows(R::RULES.get, &target);
    found.filter(|_| seen).ok_or_else(|| R::not_found(id))
}

/// POST of one or many.
pub async fn create<R: Resource>(
    State(service): State<NetworkService>,
    context: Context,
    Json(input): Json<Value>,
) -> std::result::Result<(StatusCode, Json<Value>), ApiError> {
    let items = attributes::open(input, R::NAME, R::COLLECTION)?;
    let (many, items) = match items {
        Items::One(item) => (false, vec![item]),
        Items::Many(items) => (true, items),
    };
    let mut parsed = Vec::with_capacity(items.len());
    for item in items {
        let item = with_project(item, &context);
        let attributes = attributes::parse(R::ATTRIBUTES, Verb::Create, item)?;
        enforce_create::<R>(&service, &context, &attributes).await?;
        parsed.push(attributes);
    }
    let (parsed, caller) = (Arc::new(parsed), caller(&context));
    let models = service
        .write(move |change| {
            let (parsed, caller) = (parsed.clone(), caller.clone());
            async move { create_all::<R>(change, &caller, &parsed).await }.boxed()
        })
        .await?;
    let mut bodies: Vec<_> = models.iter().map(|model| Value::Object(body::<R>(&service, &context, model))).collect();
    let answer = match (many, bodies.pop()) {
        (false, Some(body)) => json!({R::NAME: body}),
        (_, last) => {
            bodies.extend(last);
            json!({R::COLLECTION: bodies})
        }
    };
    Ok((StatusCode::CREATED, Json(answer)))
}

fn with_project(mut item: Map<String, Value>, context: &Context) -> Map<String, Value> {
    let known = R_PROJECT.iter().any(|name| item.contains_key(*name));
    if let (false, Ok(project)) = (known, context.project_id()) {
        item.insert("project_id".to_owned(), json!(project.as_str()));
    }
    item
}

const R_PROJECT: [&str; 2] = ["project_id", "tenant_id"];

async fn create_all<R: Resource>(change: &mut Change, caller: &Caller, items: &[Attributes]) -> Result<Vec<R::Model>> {
    let mut models = Vec::with_capacity(items.len());
    for attributes in items {
        let id = R::create(change, caller, attributes).await?;
        models.push(reload::<R>(change, &id).await?);
    }
    Ok(models)
}

async fn reload<R: Resource>(change: &mut Change, id: &str) -> Result<R::Model> {
    let filter = Filter::new(R::SELECT).and_eq("id", Some(id.to_owned()));
    R::list(change.conn(), filter).await?.pop().ok_or_else(|| R::not_found(id))
}

async fn enforce_create<R: Resource>(
    service: &NetworkService,
    context: &Context,
    attributes: &Attributes,
) -> std::result::Result<(), ApiError> {
    let mut conn = service.read().await?;
    let target = R::new_target(&mut conn, attributes).await?;
    drop(conn);
    context.enforce(R::RULES.create, &target)?;
    for attribute in R::ATTRIBUTES.iter().filter(|attribute| attributes.was_given(attribute.name)) {
        match attribute.create_rule {
            Some(rule) if !is_preset(attribute.preset, attributes.get(attribute.name)) => {
                context.enforce(rule, &target)?
            }
            _ => {}
        }
    }
    R::extra_rules(attributes, Verb::Create).into_iter().try_for_each(|rule| context.enforce(rule, &target))
}

/// What would have been there anyway needs no permission.
fn is_preset(preset: Preset, value: Option<&Value>) -> bool {
    match (preset, value) {
        (Preset::Flag(set), Some(Value::Bool(value))) => set == *value,
        (Preset::Text(text), Some(Value::String(value))) => text == value,
        (Preset::Empty, Some(Value::String(value))) => value.is_empty(),
        (Preset::Null | Preset::Unset, None) => true,
        _ => false,
    }
}

/// PUT of one.
pub async fn update<R: Resource>(
    State(service): State<NetworkService>,
    context: Context,
    Path(id): Path<String>,
    headers: HeaderMap,
    Json(input): Json<Value>,
) -> Answer {
    let id = id.to_ascii_lowercase();
    let Items::One(item) = attributes::open(input, R::NAME, R::COLLECTION)? else {
        return Err(Error::HTTPBadRequest(format!("Unable to find '{}' in request body", R::NAME)).into());
    };
    let mut conn = service.read().await?;
    let model = find::<R>(&mut conn, &context, &id).await?;
    drop(conn);
    let attributes = attributes::parse(R::ATTRIBUTES, Verb::Update, item)?;
    enforce_update::<R>(&context, &model, &attributes)?;
    let (attributes, caller, revision) = (Arc::new(attributes), caller(&context), wanted_revision(&headers)?);
    let model = service
        .write(move |change| {
            let (attributes, caller, id) = (attributes.clone(), caller.clone(), id.clone());
            async move {
                check_revision::<R>(change, &id, revision).await?;
                R::update(change, &caller, &id, &attributes).await?;
                reload::<R>(change, &id).await
            }
            .boxed()
        })
        .await?;
    Ok(Json(json!({R::NAME: body::<R>(&service, &context, &model)})))
}

fn enforce_update<R: Resource>(
    context: &Context,
    model: &R::Model,
    attributes: &Attributes,
) -> std::result::Result<(), ApiError> {
    let target = R::update_target(model, attributes);
    context.enforce(R::RULES.update, &target)?;
    for attribute in R::ATTRIBUTES.iter().filter(|attribute| attributes.was_given(attribute.name)) {
        if let Some(rule) = attribute.update_rule {
            context.enforce(rule, &target)?;
        }
    }
    R::extra_rules(attributes, Verb::Update).into_iter().try_for_each(|rule| context.enforce(rule, &target))
}

/// `If-Match: revision_number=3`.
pub fn wanted_revision(headers: &HeaderMap) -> Result<Option<i64>> {
    let Some(value) = headers.get(header::IF_MATCH).and_then(|value| value.to_str().ok()) else { return Ok(None) };
    let number = value.trim().strip_prefix("revision_number=").and_then(|number| number.parse().ok());
    match number {
        Some(number) => Ok(Some(number)),
        None => Err(Error::HTTPBadRequest(format!("Invalid value for If-Match: {value}"))),
    }
}

/// Refuses when the row is at another revision than the caller wants.
pub async fn check_revision<R: Resource>(change: &mut Change, id: &str, wanted: Option<i64>) -> Result<()> {
    let Some(wanted) = wanted else { return Ok(()) };
    let model = reload::<R>(change, id).await?;
    let current = R::standard(&model).generation.0;
    if current == wanted { Ok(()) } else { Err(Error::RevisionNumberConstraintFailed(wanted.to_string(), current)) }
}

/// DELETE of one.
pub async fn delete<R: Resource>(
    State(service): State<NetworkService>,
    context: Context,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> std::result::Result<StatusCode, ApiError> {
    let id = id.to_ascii_lowercase();
    let mut conn = service.read().await?;
    let model = find::<R>(&mut conn, &context, &id).await?;
    drop(conn);
    context.enforce(R::RULES.delete, &R::target(&model))?;
    let (caller, revision) = (caller(&context), wanted_revision(&headers)?);
    service
        .write(move |change| {
            let (caller, id) = (caller.clone(), id.clone());
            async move {
                check_revision::<R>(change, &id, revision).await?;
                R::delete(change, &caller, &id).await
            }
            .boxed()
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
