//! `os-aggregates/{id}/action`: an aggregate's hosts and metadata.

use super::api::{answer, check_zone, find, refused, save};
use super::{Aggregate, ZONE, Zones, store};
use crate::failure::{bad_request, conflict, not_found};
use crate::schema::{Format, Schema, formatted, object, text};
use crate::{Compute, Failure};
use axum::extract::{Path, State};
use controller_db::{Connection, DbError};
use controller_ports::placement::HostUsage;
use controller_web::{Context, Json, Target};
use serde_json::Value;
use std::sync::LazyLock;

static HOST: LazyLock<Schema> = LazyLock::new(|| {
    let host = || object().required("host", formatted(1, 255, Format::Name)).done();
    object().field("add_host", host()).field("remove_host", host()).done()
});
static METADATA: LazyLock<Schema> = LazyLock::new(|| {
    let value = Box::new(Schema::OneOf(vec![Schema::Null, text(0, 255)]));
    let metadata = Schema::Map { key: Format::SpecKey, value, max: usize::MAX };
    object().required("set_metadata", object().required("metadata", metadata).done()).done()
});

/// Why something is not done.
#[derive(Debug)]
pub(super) enum NotSo {
    Said(&'static str),
    Failed(Failure),
}

impl From<DbError> for NotSo {
    fn from(error: DbError) -> Self {
        Self::Failed(error.into())
    }
}

pub(super) async fn action(
    State(compute): State<Compute>,
    context: Context,
    Path(id): Path<String>,
    Json(body): Json<Value>,
) -> Result<Json<Value>, Failure> {
    let version = context.microversion().minor;
    let asked = body.as_object().filter(|map| map.len() == 1).and_then(|map| map.keys().next());
    let aggregate = match asked.map(String::as_str) {
        Some("add_host") => {
            context.enforce("os_compute_api:os-aggregates:add_host", &Target::none())?;
            HOST.check(&body, version)?;
            compute.add_host(&context, &id, named(&body["add_host"])).await?
        }
        Some("remove_host") => {
            context.enforce("os_compute_api:os-aggregates:remove_host", &Target::none())?;
            HOST.check(&body, version)?;
            compute.remove_host(&context, &id, named(&body["remove_host"])).await?
        }
        Some("set_metadata") => {
            context.enforce("os_compute_api:os-aggregates:set_metadata", &Target::none())?;
            METADATA.check(&body, version)?;
            compute.set_aggregate_metadata(&context, &id, &body["set_metadata"]["metadata"]).await?
        }
        _ => {
            context.enforce("os_compute_api:os-aggregates:set_metadata", &Target::none())?;
            return Err(bad_request("There is no such action"));
        }
    };
    Ok(answer(&aggregate, version))
}

fn named(body: &Value) -> &str {
    body["host"].as_str().unwrap_or_default()
}

impl Compute {
    async fn add_host(&self, context: &Context, id: &str, host: &str) -> Result<Aggregate, Failure> {
        if !self.fleet.hosts().await?.iter().any(|known| known.hostname == host) {
            return Err(not_found(format!("Compute host {host} could not be found.")));
        }
        let usages = self.placement.usages().await?;
        let mut tx = self.db.begin().await?;
        let mut aggregate = find(&mut tx, id).await?;
        if aggregate.hosts.iter().any(|known| known == host) {
            return Err(conflict(format!("Aggregate {} already has host {host}.", aggregate.id)));
        }
        aggregate.hosts.push(host.to_owned());
        let moved = self.check_zones(&mut tx, &aggregate, &usages).await;
        moved.map_err(|reason| busy("add_host_to_aggregate", aggregate.id, reason))?;
        store::add_host(&mut tx, aggregate.id, host, context.now()).await?;
        let aggregate = save(&mut tx, aggregate, context).await?;
        tx.commit().await?;
        Ok(aggregate)
    }

    async fn remove_host(&self, context: &Context, id: &str, host: &str) -> Result<Aggregate, Failure> {
        let usages = self.placement.usages().await?;
        let mut tx = self.db.begin().await?;
        let mut aggregate = find(&mut tx, id).await?;
        if !aggregate.hosts.iter().any(|known| known == host) {
            return Err(not_found(format!("Aggregate {} has no host {host}.", aggregate.id)));
        }
        aggregate.hosts.retain(|known| known != host);
        let moved = self.check_zones(&mut tx, &aggregate, &usages).await;
        moved.map_err(|reason| busy("remove_host_from_aggregate", aggregate.id, reason))?;
        store::remove_host(&mut tx, aggregate.id, host).await?;
        let aggregate = save(&mut tx, aggregate, context).await?;
        tx.commit().await?;
        Ok(aggregate)
    }

    async fn set_aggregate_metadata(
        &self,
        context: &Context,
        id: &str,
        metadata: &Value,
    ) -> Result<Aggregate, Failure> {
        let usages = self.placement.usages().await?;
        let mut tx = self.db.begin().await?;
        let mut aggregate = find(&mut tx, id).await?;
        for (key, value) in metadata.as_object().into_iter().flatten() {
            put(&mut aggregate, key, value.as_str())?;
        }
        let moved = self.check_zones(&mut tx, &aggregate, &usages).await;
        moved.map_err(|reason| refused("update aggregate metadata", aggregate.id, reason))?;
        let aggregate = save(&mut tx, aggregate, context).await?;
        tx.commit().await?;
        Ok(aggregate)
    }

    /// No host may be in two zones, and none with servers may move into another. The usages are asked for before the connection is
    /// taken, as placement takes one too; a server that comes meanwhile was sent by the zones from before.
    pub(super) async fn check_zones(
        &self,
        connection: &mut Connection,
        changed: &Aggregate,
        usages: &[HostUsage],
    ) -> Result<(), NotSo> {
        let mut aggregates = store::list(connection).await?;
        let before = Zones::new(&self.config.availability_zone, &aggregates);
        aggregates.retain(|other| other.id != changed.id);
        if let Some(zone) = changed.zone() {
            let zoned: Vec<_> = aggregates.iter().filter(|other| other.zone().is_some()).cloned().collect();
            let elsewhere = Zones::new(zone, &zoned);
            if changed.hosts.iter().any(|host| elsewhere.of(host) != zone) {
                return Err(NotSo::Said("One or more hosts already in different availability zone(s)"));
            }
        }
        aggregates.push(changed.clone());
        let after = Zones::new(&self.config.availability_zone, &aggregates);
        let mut used = usages.iter().filter(|usage| usage.servers > 0);
        if used.any(|usage| before.of(&usage.hostname) != after.of(&usage.hostname)) {
            return Err(NotSo::Said("One or more hosts contain instances in this zone"));
        }
        Ok(())
    }
}

/// What Nova says where it finds a conflict.
fn busy(action: &str, id: i64, reason: NotSo) -> Failure {
    match reason {
        NotSo::Said(reason) => {
            conflict(format!("Cannot perform action '{action}' on aggregate {id}. Reason: {reason}"))
        }
        NotSo::Failed(error) => error,
    }
}

/// Sets a key, or takes it away.
pub(super) fn put(aggregate: &mut Aggregate, key: &str, value: Option<&str>) -> Result<(), Failure> {
    if key == ZONE {
        check_zone(value)?;
    }
    match value {
        Some(value) => drop(aggregate.metadata.insert(key.to_owned(), value.to_owned())),
        None => drop(aggregate.metadata.remove(key)),
    }
    Ok(())
}
