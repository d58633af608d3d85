//! The fleet's SQL: `fleet_host` and `fleet_join_token`.

use controller_base::Timestamp;
use controller_base::id::HostId;
use controller_db::{Conn, Db, DbError, Migration, Tx};
use controller_ports::fleet::{Host, HostResources};
use sqlx::{AnyConnection, Row as _, any::AnyRow};

/// The fleet's tables.
pub const MIGRATIONS: &[Migration] = &[Migration {
    name: "0001_hosts",
    sql: "CREATE TABLE fleet_host (
    id TEXT PRIMARY KEY,
    hostname TEXT NOT NULL UNIQUE,
    connected BIGINT NOT NULL,
    enrolled_at BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL,
    vcpus BIGINT NOT NULL,
    memory_mib BIGINT NOT NULL,
    disk_gib BIGINT NOT NULL,
    underlay_address TEXT NOT NULL,
    physical_networks TEXT NOT NULL,
    version TEXT NOT NULL,
    generation BIGINT NOT NULL
);
CREATE TABLE fleet_join_token (
    digest TEXT PRIMARY KEY,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT
);",
}];

const COLUMNS: &str = "id, hostname, connected, last_seen_at, vcpus, memory_mib, disk_gib, underlay_address, \
    physical_networks, version";

pub(crate) async fn insert_token(tx: &mut Tx, digest: &str, now: Timestamp, expires: Timestamp) -> Result<(), DbError> {
    sqlx::query("INSERT INTO fleet_join_token (digest, created_at, expires_at) VALUES ($1, $2, $3)")
        .bind(digest.to_owned())
        .bind(now.0)
        .bind(expires.0)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

pub(crate) async fn use_token(tx: &mut Tx, digest: &str, now: Timestamp) -> Result<bool, DbError> {
    let sql = "UPDATE fleet_join_token SET used_at = $1 WHERE digest = $2 AND used_at IS NULL AND expires_at > $3";
    let done = sqlx::query(sql).bind(now.0).bind(digest.to_owned()).bind(now.0).execute(&mut **tx).await?;
    Ok(done.rows_affected() == 1)
}

/// A new member, or the member of that name with a new certificate: a machine that was installed anew keeps its id.
pub(crate) async fn upsert_host(tx: &mut Tx, hostname: &str, now: Timestamp) -> Result<HostId, DbError> {
    let known = sqlx::query("SELECT id FROM fleet_host WHERE hostname = $1").bind(hostname.to_owned());
    if let Some(row) = known.fetch_optional(&mut **tx).await? {
        return parse(&row, "id");
    }
    let id = HostId::random();
    sqlx::query(
        "INSERT INTO fleet_host (id, hostname, connected, enrolled_at, last_seen_at, vcpus, memory_mib, disk_gib, \
         underlay_address, physical_networks, version, generation) VALUES ($1, $2, 0, $3, $4, 0, 0, 0, '', '', '', 1)",
    )
    .bind(id.to_string())
    .bind(hostname.to_owned())
    .bind(now.0)
    .bind(now.0)
    .execute(&mut **tx)
    .await?;
    Ok(id)
}

/// Writes down what a host said of itself. False when it is no member.
pub(crate) async fn update_host(tx: &mut Tx, host: &Host) -> Result<bool, DbError> {
    let sql = "UPDATE fleet_host SET connected = $1, last_seen_at = $2, vcpus = $3, memory_mib = $4, disk_gib = $5, \
        underlay_address = $6, physical_networks = $7, version = $8, generation = generation + 1 WHERE id = $9";
    let done = sqlx::query(sql)
        .bind(i64::from(host.up))
        .bind(host.last_seen.0)
        .bind(i64::from(host.resources.vcpus))
        .bind(signed(host.resources.memory_mib))
        .bind(signed(host.resources.disk_gib))
        .bind(host.underlay_address.clone())
        .bind(host.physical_networks.join(","))
        .bind(host.version.clone())
        .bind(host.id.to_string())
        .execute(&mut **tx)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// `connected` of one host.
pub(crate) async fn set_connected(tx: &mut Tx, id: HostId, connected: bool, now: Timestamp) -> Result<(), DbError> {
    let sql = "UPDATE fleet_host SET connected = $1, last_seen_at = $2, generation = generation + 1 WHERE id = $3";
    sqlx::query(sql).bind(i64::from(connected)).bind(now.0).bind(id.to_string()).execute(&mut **tx).await?;
    Ok(())
}

/// At the controller's start no host is connected.
pub(crate) async fn disconnect_all(db: &Db) -> Result<(), DbError> {
    let mut tx = db.begin().await?;
    sqlx::query("UPDATE fleet_host SET connected = 0 WHERE connected = 1").execute(&mut *tx).await?;
    tx.commit().await
}

pub(crate) async fn list_hosts(conn: &mut Conn) -> Result<Vec<Host>, DbError> {
    let sql = sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM fleet_host ORDER BY hostname"));
    sqlx::query(sql).fetch_all(&mut **conn).await?.iter().map(host).collect()
}

pub(crate) async fn get_host(conn: &mut AnyConnection, id: HostId) -> Result<Option<Host>, DbError> {
    let sql = sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM fleet_host WHERE id = $1"));
    sqlx::query(sql).bind(id.to_string()).fetch_optional(conn).await?.as_ref().map(host).transpose()
}

fn host(row: &AnyRow) -> Result<Host, DbError> {
    let networks: String = row.try_get("physical_networks")?;
    Ok(Host {
        id: parse(row, "id")?,
        hostname: row.try_get("hostname")?,
        up: row.try_get::<i64, _>("connected")? == 1,
        last_seen: Timestamp(row.try_get("last_seen_at")?),
        resources: HostResources {
            vcpus: u32::try_from(row.try_get::<i64, _>("vcpus")?).unwrap_or_default(),
            memory_mib: u64::try_from(row.try_get::<i64, _>("memory_mib")?).unwrap_or_default(),
            disk_gib: u64::try_from(row.try_get::<i64, _>("disk_gib")?).unwrap_or_default(),
        },
        underlay_address: row.try_get("underlay_address")?,
        physical_networks: networks.split(',').filter(|n| !n.is_empty()).map(str::to_owned).collect(),
        version: row.try_get("version")?,
    })
}

fn parse(row: &AnyRow, column: &str) -> Result<HostId, DbError> {
    let text: String = row.try_get(column)?;
    text.parse().map_err(|e| DbError::from(sqlx::Error::Decode(Box::new(e))))
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
