//! How much of each resource a project may have: counted anew at each creation, so that nothing can drift.

use crate::{
    config::NetworkConfig,
    error::{Error, Result},
    service::Change,
    sql::{self, Cells},
};
use controller_base::id::ProjectId;
use controller_db::Connection;
use std::collections::BTreeMap;

/// A resource with a quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resource {
    /// Its name in bodies.
    pub name: &'static str,
    /// How many a project may have unless configured otherwise.
    pub preset: i64,
    count: &'static str,
}

/// All of them.
pub const RESOURCES: [Resource; 7] = [
    Resource { name: "network", preset: 100, count: "SELECT COUNT(*) FROM network_network WHERE project_id = $1" },
    Resource { name: "subnet", preset: 100, count: "SELECT COUNT(*) FROM network_subnet WHERE project_id = $1" },
    Resource {
        name: "port",
        preset: 500,
        count: "SELECT COUNT(*) FROM network_port WHERE project_id = $1 \
                AND device_owner <> 'network:distributed'",
    },
    Resource { name: "router", preset: 10, count: "SELECT COUNT(*) FROM network_router WHERE project_id = $1" },
    Resource {
        name: "floatingip",
        preset: 50,
        count: "SELECT COUNT(*) FROM network_floating_ip WHERE project_id = $1",
    },
    Resource {
        name: "security_group",
        preset: 10,
        count: "SELECT COUNT(*) FROM network_security_group WHERE project_id = $1",
    },
    Resource {
        name: "security_group_rule",
        preset: 100,
        count: "SELECT COUNT(*) FROM network_security_group_rule WHERE project_id = $1",
    },
];

/// The limits of projects that have none of their own.
#[must_use]
pub fn defaults(config: &NetworkConfig) -> BTreeMap<&'static str, i64> {
    let limit = |resource: &Resource| *config.quotas.get(resource.name).unwrap_or(&resource.preset);
    RESOURCES.iter().map(|resource| (resource.name, limit(resource))).collect()
}

/// A project's limits.
pub async fn limits(
    conn: &mut Connection,
    config: &NetworkConfig,
    project: &ProjectId,
) -> Result<BTreeMap<&'static str, i64>> {
    let mut limits = defaults(config);
    let rows =
        sql::all(conn, "SELECT resource, most FROM network_quota WHERE project_id = $1", [project.as_str().into()]);
    for row in rows.await? {
        let name = row.text("resource")?;
        if let Some(limit) = limits.get_mut(name.as_str()) {
            *limit = row.int("most")?;
        }
    }
    Ok(limits)
}

/// What a project has.
pub async fn usage(conn: &mut Connection, project: &ProjectId) -> Result<BTreeMap<&'static str, i64>> {
    let mut usage = BTreeMap::new();
    for resource in RESOURCES {
        usage.insert(resource.name, sql::count(conn, resource.count, [project.as_str().into()]).await?);
    }
    Ok(usage)
}

/// What a project has of one resource.
pub async fn used(conn: &mut Connection, project: &ProjectId, name: &str) -> Result<i64> {
    match RESOURCES.iter().find(|resource| resource.name == name) {
        Some(resource) => sql::count(conn, resource.count, [project.as_str().into()]).await,
        None => Ok(0),
    }
}

/// The projects with limits of their own.
pub async fn projects(conn: &mut Connection) -> Result<Vec<ProjectId>> {
    sql::ids(conn, "SELECT DISTINCT project_id FROM network_quota ORDER BY project_id", []).await
}

/// Sets a limit.
pub async fn set(conn: &mut Connection, project: &ProjectId, resource: &str, most: i64) -> Result<()> {
    let sql = "INSERT INTO network_quota (project_id, resource, most) VALUES ($1, $2, $3) \
               ON CONFLICT (project_id, resource) DO UPDATE SET most = excluded.most";
    sql::run(conn, sql, [project.as_str().into(), resource.into(), most.into()]).await.map(drop)
}

/// Gives a project the defaults again.
pub async fn reset(conn: &mut Connection, project: &ProjectId) -> Result<()> {
    sql::run(conn, "DELETE FROM network_quota WHERE project_id = $1", [project.as_str().into()]).await.map(drop)
}

/// Makes other creations of the project wait until this transaction ends; also makes its row. Tells the project's own limit of the
/// resource, as it was before the wait.
pub async fn lock(conn: &mut Connection, project: &ProjectId, resource: &str) -> Result<Option<i64>> {
    let sql = "INSERT INTO network_project (id, uses) VALUES ($1, 1) \
               ON CONFLICT (id) DO UPDATE SET uses = network_project.uses + 1 \
               RETURNING (SELECT most FROM network_quota WHERE project_id = $1 AND resource = $2) AS most";
    let row = sql::first(conn, sql, [project.as_str().into(), resource.into()]).await?;
    row.map_or(Ok(None), |row| row.maybe_int("most"))
}

/// Refuses when the project cannot have `more` of this resource.
pub async fn check(change: &mut Change, project: Option<&ProjectId>, name: &'static str, more: i64) -> Result<()> {
    let Some(project) = project else { return Ok(()) };
    let own = lock(change.conn(), project, name).await?;
    let limit = own.or_else(|| defaults(change.service.config()).get(name).copied()).unwrap_or(-1);
    if limit < 0 {
        return Ok(());
    }
    let used = used(change.conn(), project, name).await?;
    if used + more > limit {
        return Err(Error::OverQuota(format!("['{name}']")));
    }
    Ok(())
}
