//! The SQL of placement.

use crate::{
    allocation::Allocation,
    provider::{Provider, node},
    traits::Cpu,
    view::{Loaded, Stamp},
};
use controller_base::id::{HostId, ProjectId, ServerId, UserId};
use controller_base::{Generation, Timestamp};
use controller_db::{Connection, DbError, Filter, Migration, SortKey, Value, flag, is_set};
use controller_ports::fleet::Host;
use controller_ports::placement::{Claimed, Consumer, HostUsage, Resources};
use sqlx::{Row, any::AnyRow};

/// Placement's tables.
pub const MIGRATIONS: &[Migration] = &[
    Migration {
        name: "0001_hosts_and_claims",
        sql: "CREATE TABLE placement_host (
    host_id TEXT PRIMARY KEY,
    hostname TEXT NOT NULL,
    up BIGINT NOT NULL,
    vcpus BIGINT NOT NULL,
    memory_mib BIGINT NOT NULL,
    disk_gib BIGINT NOT NULL,
    generation BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE TABLE placement_claim (
    server_id TEXT PRIMARY KEY,
    host_id TEXT NOT NULL REFERENCES placement_host (host_id),
    vcpus BIGINT NOT NULL,
    memory_mib BIGINT NOT NULL,
    disk_gib BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX placement_claim_host ON placement_claim (host_id, vcpus, memory_mib, disk_gib);",
    },
    Migration { name: "0003_closed", sql: "ALTER TABLE placement_host ADD COLUMN closed BIGINT NOT NULL DEFAULT 0;" },
    Migration {
        name: "0004_owners_and_changes",
        sql: "ALTER TABLE placement_claim ADD COLUMN project_id TEXT NOT NULL DEFAULT '';
ALTER TABLE placement_claim ADD COLUMN user_id TEXT NOT NULL DEFAULT '';
CREATE INDEX placement_claim_project ON placement_claim (project_id, user_id);
ALTER TABLE placement_host ADD COLUMN modified_at BIGINT NOT NULL DEFAULT 0;
UPDATE placement_host SET modified_at = updated_at;",
    },
    Migration {
        name: "0005_stamps",
        sql: "ALTER TABLE placement_host ADD COLUMN stamp BIGINT NOT NULL DEFAULT 0;
ALTER TABLE placement_host ADD COLUMN former_stamp BIGINT NOT NULL DEFAULT 0;",
    },
    Migration { name: "0006_cpu", sql: "ALTER TABLE placement_host ADD COLUMN cpu TEXT NOT NULL DEFAULT '';" },
    Migration {
        name: "0007_nodes",
        sql: "ALTER TABLE placement_host ADD COLUMN nodes TEXT NOT NULL DEFAULT '';
ALTER TABLE placement_claim ADD COLUMN node BIGINT;",
    },
];

/// Hosts with the sums of the claims on them: a row for each NUMA node that claims are on, and one for those on none. The rows of a host
/// follow each other.
const USAGE: &str = "SELECT h.host_id, h.hostname, h.up, h.closed, h.updated_at, h.modified_at, h.vcpus, h.memory_mib, \
    h.disk_gib, h.generation, h.stamp, h.cpu, h.nodes, c.node, COALESCE(c.vcpus, 0) AS used_vcpus, \
    COALESCE(c.memory_mib, 0) AS used_memory_mib, COALESCE(c.disk_gib, 0) AS used_disk_gib, \
    COALESCE(c.servers, 0) AS servers \
    FROM placement_host h LEFT JOIN (SELECT host_id, node, CAST(SUM(vcpus) AS BIGINT) AS vcpus, \
    CAST(SUM(memory_mib) AS BIGINT) AS memory_mib, CAST(SUM(disk_gib) AS BIGINT) AS disk_gib, COUNT(*) AS servers \
    FROM placement_claim GROUP BY host_id, node) c ON c.host_id = h.host_id ORDER BY h.hostname, h.host_id";

/// All hosts with their usage.
pub(crate) async fn hosts(connection: &mut Connection) -> Result<Vec<Provider>, DbError> {
    Ok(all(connection).await?.into_iter().map(|loaded| loaded.provider).collect())
}

/// The same with stamps.
pub(crate) async fn all(connection: &mut Connection) -> Result<Vec<Loaded>, DbError> {
    read_loaded(&sqlx::query(USAGE).fetch_all(connection).await?)
}

/// Some of them.
pub(crate) async fn some(
    connection: &mut Connection,
    hosts: impl Iterator<Item = HostId>,
) -> Result<Vec<Loaded>, DbError> {
    let select = "SELECT h.host_id, h.hostname, h.up, h.closed, h.updated_at, h.modified_at, h.vcpus, h.memory_mib, \
        h.disk_gib, h.generation, h.stamp, h.cpu, h.nodes, c.node, CAST(COALESCE(SUM(c.vcpus), 0) AS BIGINT) AS used_vcpus, \
        CAST(COALESCE(SUM(c.memory_mib), 0) AS BIGINT) AS used_memory_mib, \
        CAST(COALESCE(SUM(c.disk_gib), 0) AS BIGINT) AS used_disk_gib, COUNT(c.host_id) AS servers \
        FROM placement_host h LEFT JOIN placement_claim c ON c.host_id = h.host_id";
    let filter = Filter::new(select).and_in("h.host_id", hosts.map(Value::text));
    read_loaded(&filter.then("GROUP BY h.host_id, c.node ORDER BY h.host_id").fetch_all(connection).await?)
}

/// Notes what a host offers and how it stands; `updated_at` of one that is away is when it went.
pub(crate) async fn put_host(connection: &mut Connection, host: &Host, now: Timestamp) -> Result<(), DbError> {
    let upsert = "INSERT INTO placement_host (host_id, hostname, up, vcpus, memory_mib, disk_gib, generation, updated_at, \
        closed, modified_at, stamp, cpu, nodes) VALUES ($1, $2, $3, $4, $5, $6, 1, $7, $8, $7, $9, $10, $11) ON CONFLICT (host_id) DO UPDATE SET \
        hostname = excluded.hostname, up = excluded.up, vcpus = excluded.vcpus, memory_mib = excluded.memory_mib, \
        disk_gib = excluded.disk_gib, generation = placement_host.generation + 1, closed = excluded.closed, \
        modified_at = excluded.modified_at, stamp = excluded.stamp, cpu = excluded.cpu, nodes = excluded.nodes, \
        updated_at = CASE WHEN placement_host.up = 0 AND excluded.up = 0 THEN placement_host.updated_at \
        ELSE excluded.updated_at END";
    sqlx::query(upsert)
        .bind(host.id.to_string())
        .bind(host.hostname.clone())
        .bind(flag(host.up))
        .bind(i64::from(host.resources.vcpus))
        .bind(stored(host.resources.memory_mib))
        .bind(stored(host.resources.disk_gib))
        .bind(now.0)
        .bind(flag(host.membership.drained || host.fenced()))
        .bind(Stamp::random().0)
        .bind(Cpu::of_features(&host.membership.cpu.features).text())
        .bind(node::text(&host.membership.numa))
        .execute(connection)
        .await?;
    Ok(())
}

/// How many servers have room on a host.
pub(crate) async fn claims_on(connection: &mut Connection, host: HostId) -> Result<i64, DbError> {
    let select = "SELECT COUNT(*) AS servers FROM placement_claim WHERE host_id = $1";
    Ok(sqlx::query(select).bind(host.to_string()).fetch_one(connection).await?.try_get("servers")?)
}

/// Forgets a host on which no server has room.
pub(crate) async fn delete_host(connection: &mut Connection, host: HostId) -> Result<(), DbError> {
    sqlx::query("DELETE FROM placement_host WHERE host_id = $1").bind(host.to_string()).execute(connection).await?;
    Ok(())
}

/// Stamps a host, which nobody else alters until the transaction ends; the stamp before, or `None` when there is no such host.
pub(crate) async fn stamp(
    connection: &mut Connection,
    host: HostId,
    stamp: Stamp,
    now: Timestamp,
) -> Result<Option<Stamp>, DbError> {
    let update = "UPDATE placement_host SET generation = generation + 1, modified_at = $3, former_stamp = stamp, \
        stamp = $2 WHERE host_id = $1 RETURNING former_stamp";
    let query = sqlx::query(update).bind(host.to_string()).bind(stamp.0).bind(now.0);
    let row = query.fetch_optional(connection).await?;
    Ok(row.map(|row| row.try_get("former_stamp")).transpose()?.map(Stamp))
}

/// The host that a server has room on.
pub(crate) async fn claim_of(connection: &mut Connection, server: ServerId) -> Result<Option<Claimed>, DbError> {
    let select = "SELECT c.host_id, c.node, h.hostname FROM placement_claim c JOIN placement_host h ON h.host_id = c.host_id \
        WHERE c.server_id = $1";
    let row = sqlx::query(select).bind(server.to_string()).fetch_optional(connection).await?;
    let read = |row: AnyRow| {
        Ok(Claimed { host: parsed(&row, "host_id")?, hostname: row.try_get("hostname")?, node: node_of(&row)? })
    };
    row.map(read).transpose()
}

/// False when the server has a claim.
pub(crate) async fn insert_claim(
    connection: &mut Connection,
    consumer: &Consumer,
    (host, node): (HostId, Option<u32>),
    wanted: Resources,
    now: Timestamp,
) -> Result<bool, DbError> {
    let insert = "INSERT INTO placement_claim (server_id, host_id, vcpus, memory_mib, disk_gib, created_at, \
        project_id, user_id, node) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (server_id) DO NOTHING";
    let done = sqlx::query(insert)
        .bind(consumer.server.to_string())
        .bind(host.to_string())
        .bind(stored(wanted.vcpus))
        .bind(stored(wanted.memory_mib))
        .bind(stored(wanted.disk_gib))
        .bind(now.0)
        .bind(consumer.project.as_str())
        .bind(consumer.user.as_str())
        .bind(node.map(i64::from))
        .execute(connection)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// The host that the claim was on, if there was one.
pub(crate) async fn delete_claim(connection: &mut Connection, server: ServerId) -> Result<Option<HostId>, DbError> {
    let delete = "DELETE FROM placement_claim WHERE server_id = $1 RETURNING host_id";
    let row = sqlx::query(delete).bind(server.to_string()).fetch_optional(connection).await?;
    row.map(|row| parsed(&row, "host_id")).transpose()
}

pub(crate) async fn claims(connection: &mut Connection) -> Result<Vec<(ServerId, HostId)>, DbError> {
    let rows =
        sqlx::query("SELECT server_id, host_id FROM placement_claim ORDER BY server_id").fetch_all(connection).await?;
    rows.iter().map(|row| Ok((parsed(row, "server_id")?, parsed(row, "host_id")?))).collect()
}

/// Whose claims are wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Of<'a> {
    Host(HostId),
    Server(ServerId),
    Project(&'a str, Option<&'a str>),
}

/// Claims with all that they say.
pub(crate) async fn allocations(connection: &mut Connection, of: Of<'_>) -> Result<Vec<Allocation>, DbError> {
    let select = "SELECT server_id, host_id, node, project_id, user_id, vcpus, memory_mib, disk_gib, created_at FROM placement_claim";
    let filter = Filter::new(select);
    let filter = match of {
        Of::Host(host) => filter.and_eq("host_id", Some(host.to_string())),
        Of::Server(server) => filter.and_eq("server_id", Some(server.to_string())),
        Of::Project(project, user) => filter.and_eq("project_id", Some(project)).and_eq("user_id", user),
    };
    let rows = filter.page(&[SortKey::ascending("server_id")], None, None).fetch_all(connection).await?;
    rows.iter().map(read_claim).collect()
}

fn read_claim(row: &AnyRow) -> Result<Allocation, DbError> {
    let created_at: i64 = row.try_get("created_at")?;
    let project: String = row.try_get("project_id")?;
    // Claims of before owners were noted have none.
    let owner: Option<(ProjectId, UserId)> = match project.as_str() {
        "" => None,
        _ => Some((parsed(row, "project_id")?, parsed(row, "user_id")?)),
    };
    Ok(Allocation {
        server: parsed(row, "server_id")?,
        host: parsed(row, "host_id")?,
        node: node_of(row)?,
        owner,
        resources: resources(row, "vcpus", "memory_mib", "disk_gib")?,
        created_at: Timestamp(created_at),
    })
}

fn resources(row: &AnyRow, vcpus: &str, memory: &str, disk: &str) -> Result<Resources, DbError> {
    Ok(Resources { vcpus: amount(row, vcpus)?, memory_mib: amount(row, memory)?, disk_gib: amount(row, disk)? })
}

fn read_loaded(rows: &[AnyRow]) -> Result<Vec<Loaded>, DbError> {
    let mut found: Vec<Loaded> = Vec::new();
    for row in rows {
        let host = parsed(row, "host_id")?;
        if found.last().is_none_or(|last| last.provider.usage.host_id != host) {
            found.push(Loaded { provider: read_host(row, host)?, stamp: Stamp(row.try_get("stamp")?) });
        }
        if let Some(last) = found.last_mut() {
            count(row, &mut last.provider)?;
        }
    }
    Ok(found)
}

/// A host as it is without claims.
fn read_host(row: &AnyRow, host_id: HostId) -> Result<Provider, DbError> {
    let usage = HostUsage {
        host_id,
        hostname: row.try_get("hostname")?,
        total: resources(row, "vcpus", "memory_mib", "disk_gib")?,
        used: Resources::default(),
        servers: 0,
    };
    let generation = Generation(row.try_get("generation")?);
    let (up, closed): (i64, i64) = (row.try_get("up")?, row.try_get("closed")?);
    let (since, modified): (i64, i64) = (row.try_get("updated_at")?, row.try_get("modified_at")?);
    Ok(Provider {
        usage,
        nodes: node::of_text(&row.try_get::<String, _>("nodes")?),
        generation,
        away_since: (!is_set(up)).then_some(Timestamp(since)),
        closed: is_set(closed),
        cpu: Cpu::of_text(&row.try_get::<String, _>("cpu")?),
        modified_at: Timestamp(modified),
    })
}

/// Counts the claims of a row.
fn count(row: &AnyRow, provider: &mut Provider) -> Result<(), DbError> {
    let used = resources(row, "used_vcpus", "used_memory_mib", "used_disk_gib")?;
    let node: Option<i64> = row.try_get("node")?;
    provider.usage.used = provider.usage.used.plus(used);
    provider.usage.servers += amount(row, "servers")?;
    if let Some(node) = provider.nodes.iter_mut().find(|own| Some(i64::from(own.number)) == node) {
        node.used = node.used.plus(used);
    }
    Ok(())
}

/// The NUMA node of a claim.
fn node_of(row: &AnyRow) -> Result<Option<u32>, DbError> {
    let stored: Option<i64> = row.try_get("node")?;
    stored.map(|node| u32::try_from(node).map_err(|source| DbError::corrupt("node", source))).transpose()
}

fn amount(row: &AnyRow, column: &str) -> Result<u64, DbError> {
    let stored: i64 = row.try_get(column)?;
    u64::try_from(stored).map_err(|source| DbError::corrupt(column, source))
}

fn parsed<T>(row: &AnyRow, column: &str) -> Result<T, DbError>
where
    T: std::str::FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    let text: String = row.try_get(column)?;
    text.parse().map_err(|source| DbError::corrupt(column, source))
}

fn stored(amount: u64) -> i64 {
    i64::try_from(amount).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use controller_db::testing::databases;

    #[tokio::test]
    async fn a_claim_of_before_owners_were_noted_has_none() {
        for db in databases().await {
            let before = MIGRATIONS.get(..2).unwrap();
            db.migrate("placement", before).await.unwrap();
            let (host, server) = (HostId::random(), ServerId::random());
            let mut tx = db.begin().await.unwrap();
            let insert = "INSERT INTO placement_host (host_id, hostname, up, vcpus, memory_mib, disk_gib, generation, \
                updated_at) VALUES ($1, 'a', 1, 2, 1024, 10, 1, 7)";
            sqlx::query(insert).bind(host.to_string()).execute(&mut *tx).await.unwrap();
            let insert = "INSERT INTO placement_claim (server_id, host_id, vcpus, memory_mib, disk_gib, created_at) \
                VALUES ($1, $2, 1, 512, 1, 8)";
            let insert = sqlx::query(insert).bind(server.to_string()).bind(host.to_string());
            insert.execute(&mut *tx).await.unwrap();
            tx.commit().await.unwrap();
            db.migrate("placement", MIGRATIONS).await.unwrap();
            let mut connection = db.read().await.unwrap();
            let found = allocations(&mut connection, Of::Server(server)).await.unwrap();
            assert_eq!((found.len(), &found[0].owner, found[0].host), (1, &None, host));
            assert_eq!(hosts(&mut connection).await.unwrap()[0].modified_at, Timestamp(7));
        }
    }
}
