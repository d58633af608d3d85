//! `fleet_host`.

use super::{maybe, signed};
use crate::host::Member;
use controller_base::Timestamp;
use controller_base::id::HostId;
use controller_db::{Conn, Connection, Db, DbError, Dialect, Filter, Tx, Value};
use controller_ports::fleet::{Admission, ClockOffset, Cpu, Host, HostResources, Membership, NumaNode};
use serde_json::json;
use sqlx::{Row as _, any::AnyRow};
use std::collections::HashMap;

const COLUMNS: &str = "id, hostname, connected, last_seen_at, vcpus, memory_mib, disk_gib, underlay_address, \
    physical_networks, version, enrolled_at, admission, drained, reason, address, machine, certificate, \
    former_certificate, certificate_expires_at, trust, appliance, clock_offset, clock_error, numa, cpu";

/// A new member, which has said nothing of itself yet.
pub(crate) async fn insert_host(tx: &mut Tx, hostname: &str, now: Timestamp) -> Result<HostId, DbError> {
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
    // What its clock was before, says nothing of now.
    let sql = "UPDATE fleet_host SET clock_offset = NULL, connected = $1, last_seen_at = $2, vcpus = $3, memory_mib = $4, disk_gib = $5, \
        underlay_address = $6, physical_networks = $7, version = $8, cpu = $9, generation = generation + 1 WHERE id = $10";
    let done = sqlx::query(sql)
        .bind(i64::from(host.up))
        .bind(host.last_seen.0)
        .bind(i64::from(host.resources.vcpus))
        .bind(signed(host.resources.memory_mib))
        .bind(signed(host.resources.disk_gib))
        .bind(host.underlay_address.clone())
        .bind(host.physical_networks.join(","))
        .bind(host.version.clone())
        .bind(controller_db::json(&host.membership.cpu))
        .bind(host.id.to_string())
        .execute(&mut **tx)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Writes a member's standing and keys down. False when it is no member.
pub(crate) async fn update_member(tx: &mut Tx, member: &Member) -> Result<bool, DbError> {
    let sql = "UPDATE fleet_host SET admission = $1, drained = $2, reason = $3, address = $4, machine = $5, \
        certificate = $6, former_certificate = $7, certificate_expires_at = $8, trust = $9, appliance = $10, \
        numa = $11, generation = generation + 1 WHERE id = $12";
    let own = &member.host.membership;
    let done = sqlx::query(sql)
        .bind(word(own.admission))
        .bind(i64::from(own.drained))
        .bind(own.reason.clone())
        .bind(own.address.clone())
        .bind(member.machine.clone())
        .bind(own.certificate.clone())
        .bind(member.former_certificate.clone())
        .bind(own.certificate_expires_at.map(|at| at.0))
        .bind(member.trust.clone())
        .bind(own.appliance.clone())
        .bind(numa_text(&own.numa))
        .bind(member.host.id.to_string())
        .execute(&mut **tx)
        .await?;
    Ok(done.rows_affected() == 1)
}

pub(crate) async fn delete_host(tx: &mut Tx, id: HostId) -> Result<(), DbError> {
    sqlx::query("DELETE FROM fleet_host WHERE id = $1").bind(id.to_string()).execute(&mut **tx).await?;
    Ok(())
}

/// `connected` of one host.
pub(crate) async fn set_connected(tx: &mut Tx, id: HostId, connected: bool, now: Timestamp) -> Result<(), DbError> {
    let sql = "UPDATE fleet_host SET connected = $1, last_seen_at = $2, generation = generation + 1 WHERE id = $3";
    sqlx::query(sql).bind(i64::from(connected)).bind(now.0).bind(id.to_string()).execute(&mut **tx).await?;
    Ok(())
}

/// What a host's clock was measured to be.
pub(crate) async fn set_clock(tx: &mut Tx, id: HostId, clock: ClockOffset) -> Result<(), DbError> {
    let sql = "UPDATE fleet_host SET clock_offset = $1, clock_error = $2, generation = generation + 1 WHERE id = $3";
    sqlx::query(sql).bind(clock.micros).bind(clock.error).bind(id.to_string()).execute(&mut **tx).await?;
    Ok(())
}

/// At the controller's start no host is connected.
pub(crate) async fn disconnect_all(db: &Db) -> Result<(), DbError> {
    let mut tx = db.begin().await?;
    if db.dialect() == Dialect::Postgres {
        // In the order in which another controller may just be writing them.
        sqlx::query("SELECT id FROM fleet_host ORDER BY id FOR UPDATE").fetch_all(&mut *tx).await?;
    }
    sqlx::query("UPDATE fleet_host SET connected = 0 WHERE connected = 1").execute(&mut *tx).await?;
    tx.commit().await
}

pub(crate) async fn list_members(conn: &mut Conn) -> Result<Vec<Member>, DbError> {
    let sql = sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM fleet_host ORDER BY hostname"));
    sqlx::query(sql).fetch_all(&mut **conn).await?.iter().map(member).collect()
}

pub(crate) async fn members_among(conn: &mut Connection, ids: &[HostId]) -> Result<Vec<Member>, DbError> {
    let filter = Filter::new(&format!("SELECT {COLUMNS} FROM fleet_host")).and_in("id", ids.iter().map(Value::text));
    filter.fetch_all(conn).await?.iter().map(member).collect()
}

pub(crate) async fn tunnel_ends(conn: &mut Connection, ids: &[HostId]) -> Result<HashMap<HostId, String>, DbError> {
    let filter = Filter::new("SELECT id, underlay_address FROM fleet_host").and_in("id", ids.iter().map(Value::text));
    filter.fetch_all(conn).await?.iter().map(|row| Ok((host_id(row)?, row.try_get("underlay_address")?))).collect()
}

pub(crate) async fn get_member(conn: &mut Connection, id: HostId) -> Result<Option<Member>, DbError> {
    let sql = sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM fleet_host WHERE id = $1"));
    sqlx::query(sql).bind(id.to_string()).fetch_optional(conn).await?.as_ref().map(member).transpose()
}

pub(crate) async fn member_by_name(conn: &mut Connection, hostname: &str) -> Result<Option<Member>, DbError> {
    let sql = sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM fleet_host WHERE hostname = $1"));
    sqlx::query(sql).bind(hostname.to_owned()).fetch_optional(conn).await?.as_ref().map(member).transpose()
}

fn host_id(row: &AnyRow) -> Result<HostId, DbError> {
    row.try_get::<String, _>("id")?.parse().map_err(|error| DbError::corrupt("id", error))
}

fn member(row: &AnyRow) -> Result<Member, DbError> {
    let networks: String = row.try_get("physical_networks")?;
    let admission = admission(row)?;
    let up = row.try_get::<i64, _>("connected")? == 1 && admission == Admission::Admitted;
    let clock = row.try_get::<Option<i64>, _>("clock_offset")?.zip(row.try_get("clock_error")?);
    let host = Host {
        id: host_id(row)?,
        hostname: row.try_get("hostname")?,
        up,
        last_seen: Timestamp(row.try_get("last_seen_at")?),
        resources: HostResources {
            vcpus: u32::try_from(row.try_get::<i64, _>("vcpus")?).unwrap_or_default(),
            memory_mib: u64::try_from(row.try_get::<i64, _>("memory_mib")?).unwrap_or_default(),
            disk_gib: u64::try_from(row.try_get::<i64, _>("disk_gib")?).unwrap_or_default(),
        },
        underlay_address: row.try_get("underlay_address")?,
        physical_networks: networks.split(',').filter(|n| !n.is_empty()).map(str::to_owned).collect(),
        version: row.try_get("version")?,
        membership: Membership {
            admission,
            drained: row.try_get::<i64, _>("drained")? != 0,
            reason: row.try_get("reason")?,
            address: row.try_get("address")?,
            enrolled_at: Timestamp(row.try_get("enrolled_at")?),
            certificate: row.try_get("certificate")?,
            certificate_expires_at: maybe(row, "certificate_expires_at")?,
            appliance: row.try_get("appliance")?,
            numa: numa(&row.try_get::<String, _>("numa")?)?,
            cpu: cpu(row.try_get("cpu")?)?,
            clock: clock.filter(|_| up).map(|(micros, error)| ClockOffset { micros, error }),
        },
    };
    let (machine, former_certificate) = (row.try_get("machine")?, row.try_get("former_certificate")?);
    Ok(Member { host, machine, former_certificate, trust: row.try_get("trust")? })
}

fn numa_text(nodes: &[NumaNode]) -> String {
    let node = |node: &NumaNode| json!([node.number, node.cpus, node.memory_mib]);
    serde_json::Value::from_iter(nodes.iter().map(node)).to_string()
}

fn numa(text: &str) -> Result<Vec<NumaNode>, DbError> {
    let nodes: Vec<(u32, String, u64)> = serde_json::from_str(text).map_err(|error| DbError::corrupt("numa", error))?;
    let node = |(number, cpus, memory_mib)| NumaNode { number, cpus, memory_mib };
    Ok(nodes.into_iter().map(node).collect())
}

/// What a host told that was not asked since there is the column: nothing.
fn cpu(text: Option<String>) -> Result<Cpu, DbError> {
    text.map_or_else(|| Ok(Cpu::default()), |text| controller_db::from_json("cpu", &text))
}

const WORDS: [(Admission, &str); 3] =
    [(Admission::Pending, "pending"), (Admission::Admitted, "admitted"), (Admission::Fenced, "fenced")];

fn word(admission: Admission) -> &'static str {
    match admission {
        Admission::Pending => WORDS[0].1,
        Admission::Admitted => WORDS[1].1,
        Admission::Fenced => WORDS[2].1,
    }
}

fn admission(row: &AnyRow) -> Result<Admission, DbError> {
    let text: String = row.try_get("admission")?;
    let found = WORDS.iter().find(|(_, word)| *word == text).map(|(admission, _)| *admission);
    found.ok_or_else(|| DbError::corrupt("admission", UnknownWord(text)))
}

#[derive(Debug, thiserror::Error)]
#[error("unknown admission {0:?}")]
struct UnknownWord(String);
