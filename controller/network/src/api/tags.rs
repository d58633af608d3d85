//! Tags of resources.

use super::{generic::find, resource::Resource};
use crate::{
    attributes::Check,
    error::{Error, Result},
    service::{Change, NetworkService},
    sql::{self, Param},
};
use axum::extract::{Path, State};
use controller_web::{ApiError, Context, Json};
use futures::FutureExt;
use http::StatusCode;
use serde_json::{Value, json};
use std::{collections::BTreeSet, sync::Arc};

type Answer<T> = std::result::Result<T, ApiError>;

const LONGEST: usize = 255;
const MOST: usize = 50;

/// Changes the tags of a resource; only then is its revision counted up.
async fn change<R: Resource>(
    service: &NetworkService,
    context: &Context,
    id: &str,
    alter: impl Fn(&mut BTreeSet<String>) -> Result<()> + Send + Sync + 'static,
) -> Answer<Vec<String>> {
    let mut conn = service.read().await?;
    let model = find::<R>(&mut conn, context, id).await?;
    drop(conn);
    context.enforce(R::RULES.update, &R::target(&model))?;
    let (id, alter) = (R::id(&model), Arc::new(alter));
    let tags = service
        .write(move |change| {
            let (id, alter) = (id.clone(), alter.clone());
            async move { write::<R>(change, &id, &*alter).await }.boxed()
        })
        .await?;
    Ok(tags)
}

async fn write<R: Resource>(
    change: &mut Change,
    id: &str,
    alter: &(dyn Fn(&mut BTreeSet<String>) -> Result<()> + Send + Sync),
) -> Result<Vec<String>> {
    let filter = controller_db::Filter::new(R::SELECT).and_eq("id", Some(id));
    let model = R::list(change.conn(), filter).await?.pop().ok_or_else(|| R::not_found(id))?;
    let standard = R::standard(&model);
    let mut tags: BTreeSet<String> = standard.tags.iter().cloned().collect();
    alter(&mut tags)?;
    if tags.len() > MOST {
        return Err(Error::HTTPBadRequest(format!("The number of tags exceed the per-resource limit of {MOST}")));
    }
    let tags: Vec<String> = tags.into_iter().collect();
    if tags != standard.tags {
        let columns = vec![
            ("tags", controller_db::json(&tags).into()),
            ("updated_at", Param::Int(change.now.0)),
            ("generation", Param::Int(standard.generation.next().0)),
        ];
        let written = sql::update(change.conn(), R::TABLE, Param::from(id), standard.generation.0, columns).await?;
        crate::standard::check_written(written)?;
    }
    Ok(tags)
}

fn checked(tag: &str) -> Result<String> {
    match Check::Text(LONGEST).apply(&json!(tag)) {
        Ok(_) if !tag.is_empty() => Ok(tag.to_owned()),
        Ok(_) => {
            Err(Error::HTTPBadRequest("Invalid input for tags. Reason: '' Blank strings are not permitted.".into()))
        }
        Err(reason) => Err(Error::HTTPBadRequest(format!("Invalid input for tags. Reason: {reason}."))),
    }
}

/// GET .../tags
pub async fn list<R: Resource>(
    State(service): State<NetworkService>,
    context: Context,
    Path(id): Path<String>,
) -> Answer<Json<Value>> {
    let mut conn = service.read().await?;
    let model = find::<R>(&mut conn, &context, &id).await?;
    Ok(Json(json!({"tags": R::standard(&model).tags})))
}

/// PUT .../tags
pub async fn replace<R: Resource>(
    State(service): State<NetworkService>,
    context: Context,
    Path(id): Path<String>,
    Json(input): Json<Value>,
) -> Answer<Json<Value>> {
    let wrong = || Error::HTTPBadRequest("Invalid tags body".into());
    let given = input.get("tags").and_then(Value::as_array).ok_or_else(wrong)?;
    let mut wanted = BTreeSet::new();
    for tag in given {
        wanted.insert(checked(tag.as_str().ok_or_else(wrong)?)?);
    }
    let tags = change::<R>(&service, &context, &id, move |tags| {
        tags.clone_from(&wanted);
        Ok(())
    });
    Ok(Json(json!({"tags": tags.await?})))
}

/// DELETE .../tags
pub async fn clear<R: Resource>(
    State(service): State<NetworkService>,
    context: Context,
    Path(id): Path<String>,
) -> Answer<StatusCode> {
    let cleared = change::<R>(&service, &context, &id, |tags| {
        tags.clear();
        Ok(())
    });
    cleared.await?;
    Ok(StatusCode::NO_CONTENT)
}

/// GET .../tags/{tag}
pub async fn show<R: Resource>(
    State(service): State<NetworkService>,
    context: Context,
    Path((id, tag)): Path<(String, String)>,
) -> Answer<StatusCode> {
    let mut conn = service.read().await?;
    let model = find::<R>(&mut conn, &context, &id).await?;
    match R::standard(&model).tags.contains(&tag) {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Error::TagNotFound(tag).into()),
    }
}

/// PUT .../tags/{tag}
pub async fn add<R: Resource>(
    State(service): State<NetworkService>,
    context: Context,
    Path((id, tag)): Path<(String, String)>,
) -> Answer<StatusCode> {
    let tag = checked(&tag)?;
    let added = change::<R>(&service, &context, &id, move |tags| {
        tags.insert(tag.clone());
        Ok(())
    });
    added.await?;
    Ok(StatusCode::CREATED)
}

/// DELETE .../tags/{tag}
pub async fn remove<R: Resource>(
    State(service): State<NetworkService>,
    context: Context,
    Path((id, tag)): Path<(String, String)>,
) -> Answer<StatusCode> {
    let removed = change::<R>(&service, &context, &id, move |tags| match tags.remove(&tag) {
        true => Ok(()),
        false => Err(Error::TagNotFound(tag.clone())),
    });
    removed.await?;
    Ok(StatusCode::NO_CONTENT)
}
