//! The SQL of servers.
//!
//! Reading takes any connection; writing takes the caller's transaction. A change is written as a whole row under the condition
//! that the row still is the one that was read ([`update`] tells).

use super::model::{Fault, Lock, Placed, PowerState, Server, VmState, Wanted};
use crate::row::Reader;
use controller_base::id::{HostId, ProjectId, ServerId};
use controller_base::{Generation, Timestamp, request};
use controller_db::{AnyRow, Connection, DbError, Filter, Value, flag, json};
use serde::{Deserialize, Serialize};

/// All columns in the order in which [`read`] takes them, without user data.
pub(crate) const SELECT_SLIM: &str = "SELECT id, project_id, user_id, name, hostname, description, vm_state, task_state, \
    task_since, power_state, host_id, host_name, access_ipv4, access_ipv6, metadata, tags, lock_by, lock_reason, fault, spec, \
    group_id, published, running, boot_count, boot_hard, desired_generation, power_generation, gone, created_at, updated_at, \
    launched_at, deleted_at, generation, guest_password, request_id, NULL FROM compute_server";

/// What a list without details shows, and where it goes on: id and name.
pub(crate) const SELECT_BRIEF: &str = "SELECT id, name FROM compute_server";

/// As [`SELECT_SLIM`], with user data.
pub(crate) const SELECT: &str = "SELECT id, project_id, user_id, name, hostname, description, vm_state, task_state, \
    task_since, power_state, host_id, host_name, access_ipv4, access_ipv6, metadata, tags, lock_by, lock_reason, fault, spec, \
    group_id, published, running, boot_count, boot_hard, desired_generation, power_generation, gone, created_at, updated_at, \
    launched_at, deleted_at, generation, guest_password, request_id, user_data FROM compute_server";

#[derive(Serialize, Deserialize)]
struct StoredFault {
    code: u16,
    message: String,
    details: String,
    created: i64,
}

/// One server, deleted or not.
pub(crate) async fn get(connection: &mut Connection, id: ServerId) -> Result<Option<Server>, DbError> {
    let row = Filter::new(SELECT).and_eq("id", Some(Value::text(id))).fetch_optional(connection).await?;
    row.as_ref().map(read).transpose()
}

/// Several servers, deleted or not, in no order.
pub(crate) async fn get_many(connection: &mut Connection, ids: &[ServerId]) -> Result<Vec<Server>, DbError> {
    let rows = Filter::new(SELECT_SLIM).and_in("id", ids.iter().map(Value::text)).fetch_all(connection).await?;
    rows.iter().map(read).collect()
}

/// The servers that a host has or still has something of.
pub(crate) async fn on_host(connection: &mut Connection, host: HostId) -> Result<Vec<Server>, DbError> {
    let rows = Filter::new(SELECT)
        .and_eq("host_id", Some(Value::text(host)))
        .and_eq("gone", Some(0_i64))
        .fetch_all(connection)
        .await?;
    rows.iter().map(read).collect()
}

/// Servers whose task has been under way since before `since`.
pub(crate) async fn overdue(connection: &mut Connection, since: Timestamp) -> Result<Vec<Server>, DbError> {
    let rows = Filter::new(SELECT_SLIM).and("task_since < ?", [Value::Int(since.0)]).fetch_all(connection).await?;
    rows.iter().map(read).collect()
}

/// Removes rows that were deleted before `before` and of which nothing is left, with what was logged of them.
pub(crate) async fn purge(connection: &mut Connection, before: Timestamp) -> Result<u64, DbError> {
    let logged = "DELETE FROM compute_action WHERE server_id IN \
        (SELECT id FROM compute_server WHERE gone = 1 AND deleted_at < $1)";
    sqlx::query(logged).bind(before.0).execute(&mut *connection).await?;
    let done = sqlx::query("DELETE FROM compute_server WHERE gone = 1 AND deleted_at < $1")
        .bind(before.0)
        .execute(connection)
        .await?;
    Ok(done.rows_affected())
}

/// Makes those who count a project's servers in order to add one go one after another.
pub(crate) async fn lock_project(connection: &mut Connection, project: &ProjectId) -> Result<(), DbError> {
    let upsert = "INSERT INTO compute_project (project_id, generation) VALUES ($1, 1) \
        ON CONFLICT (project_id) DO UPDATE SET generation = compute_project.generation + 1";
    sqlx::query(upsert).bind(project.to_string()).execute(connection).await?;
    Ok(())
}

pub(crate) async fn insert(connection: &mut Connection, server: &Server) -> Result<(), DbError> {
    const INSERT: &str = "INSERT INTO compute_server (id, project_id, user_id, name, hostname, description, vm_state, \
        task_state, task_since, power_state, host_id, host_name, access_ipv4, access_ipv6, metadata, tags, lock_by, \
        lock_reason, fault, spec, user_data, group_id, published, running, boot_count, boot_hard, desired_generation, \
        power_generation, gone, created_at, updated_at, launched_at, deleted_at, generation, flavor_id, image_id, key_name, \
        reservation_id, availability_zone, config_drive, vcpus, memory_mib, disk_gib, request_id) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, \
        $24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36, $37, $38, $39, $40, $41, $42, $43, $44)";
    let spec = &server.spec;
    let host = server.host.as_ref();
    sqlx::query(INSERT)
        .bind(server.id.to_string())
        .bind(server.project_id.to_string())
        .bind(server.user_id.to_string())
        .bind(server.name.clone())
        .bind(server.hostname.clone())
        .bind(server.description.clone())
        .bind(server.state.as_str())
        .bind(server.task.map(|task| task.as_str()))
        .bind(server.task_since.map(|at| at.0))
        .bind(server.power.number())
        .bind(host.map(|host| host.id.to_string()))
        .bind(host.map(|host| host.name.clone()))
        .bind(server.access_ipv4.map(|address| address.to_string()))
        .bind(server.access_ipv6.map(|address| address.to_string()))
        .bind(json(&server.metadata))
        .bind(json(&server.tags))
        .bind(lock_by(server))
        .bind(lock_reason(server))
        .bind(stored_fault(server))
        .bind(json(spec))
        .bind(server.user_data.clone())
        .bind(server.group_id.clone())
        .bind(flag(server.desired.published))
        .bind(flag(server.desired.running))
        .bind(count(server.desired.boot_count))
        .bind(flag(server.desired.hard))
        .bind(server.desired.generation.0)
        .bind(server.desired.power_generation.0)
        .bind(flag(server.gone))
        .bind(server.created_at.0)
        .bind(server.updated_at.0)
        .bind(server.launched_at.map(|at| at.0))
        .bind(server.deleted_at.map(|at| at.0))
        .bind(server.generation.0)
        .bind(spec.flavor.id.to_string())
        .bind(spec.image.id.to_string())
        .bind(spec.key.as_ref().map_or_else(String::new, |key| key.name.clone()))
        .bind(spec.reservation_id.clone())
        .bind(spec.availability_zone.clone())
        .bind(flag(spec.config_drive))
        .bind(i64::from(spec.flavor.vcpus))
        .bind(count(spec.flavor.memory_mib))
        .bind(count(spec.flavor.disk_gib()))
        .bind(request::current().map(String::from))
        .execute(connection)
        .await?;
    Ok(())
}

/// Writes what can change of a server, if its row still has the generation that `server` was read with. False: somebody else
/// was faster; read again. The request on whose behalf it is written is written with it.
pub(crate) async fn update(connection: &mut Connection, server: &Server) -> Result<bool, DbError> {
    const UPDATE: &str = "UPDATE compute_server SET name = $3, hostname = $4, description = $5, vm_state = $6, \
        task_state = $7, task_since = $8, power_state = $9, host_id = $10, host_name = $11, access_ipv4 = $12, \
        access_ipv6 = $13, metadata = $14, tags = $15, lock_by = $16, lock_reason = $17, fault = $18, published = $19, \
        running = $20, boot_count = $21, boot_hard = $22, desired_generation = $23, power_generation = $24, gone = $25, \
        updated_at = $26, launched_at = $27, deleted_at = $28, guest_password = $29, \
        request_id = COALESCE($30, request_id), generation = generation + 1 \
        WHERE id = $1 AND generation = $2";
    let host = server.host.as_ref();
    let done = sqlx::query(UPDATE)
        .bind(server.id.to_string())
        .bind(server.generation.0)
        .bind(server.name.clone())
        .bind(server.hostname.clone())
        .bind(server.description.clone())
        .bind(server.state.as_str())
        .bind(server.task.map(|task| task.as_str()))
        .bind(server.task_since.map(|at| at.0))
        .bind(server.power.number())
        .bind(host.map(|host| host.id.to_string()))
        .bind(host.map(|host| host.name.clone()))
        .bind(server.access_ipv4.map(|address| address.to_string()))
        .bind(server.access_ipv6.map(|address| address.to_string()))
        .bind(json(&server.metadata))
        .bind(json(&server.tags))
        .bind(lock_by(server))
        .bind(lock_reason(server))
        .bind(stored_fault(server))
        .bind(flag(server.desired.published))
        .bind(flag(server.desired.running))
        .bind(count(server.desired.boot_count))
        .bind(flag(server.desired.hard))
        .bind(server.desired.generation.0)
        .bind(server.desired.power_generation.0)
        .bind(flag(server.gone))
        .bind(server.updated_at.0)
        .bind(server.launched_at.map(|at| at.0))
        .bind(server.deleted_at.map(|at| at.0))
        .bind(server.guest_password.clone())
        .bind(request::current().map(String::from))
        .execute(connection)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// A row of [`SELECT_BRIEF`].
pub(crate) fn read_brief(row: &AnyRow) -> Result<(ServerId, String), DbError> {
    let mut row = Reader::new(row);
    Ok((row.parsed()?, row.text()?))
}

/// A row of [`SELECT`] or [`SELECT_SLIM`].
pub(crate) fn read(row: &AnyRow) -> Result<Server, DbError> {
    let mut row = Reader::new(row);
    Ok(Server {
        id: row.parsed()?,
        project_id: row.parsed()?,
        user_id: row.parsed()?,
        name: row.text()?,
        hostname: row.text()?,
        description: row.text_or_null()?,
        state: row.parsed::<VmState>()?,
        task: row.parsed_or_null()?,
        task_since: row.int_or_null()?.map(Timestamp),
        power: PowerState::of_number(row.int()?),
        host: read_host(&mut row)?,
        access_ipv4: row.parsed_or_null()?,
        access_ipv6: row.parsed_or_null()?,
        metadata: row.json()?,
        tags: row.json()?,
        lock: read_lock(&mut row)?,
        fault: row.json_or_null::<StoredFault>()?.map(read_fault),
        spec: row.json()?,
        group_id: row.text_or_null()?,
        desired: Wanted {
            published: row.flag()?,
            running: row.flag()?,
            boot_count: row.amount()?,
            hard: row.flag()?,
            generation: Generation(row.int()?),
            power_generation: Generation(row.int()?),
        },
        gone: row.flag()?,
        created_at: Timestamp(row.int()?),
        updated_at: Timestamp(row.int()?),
        launched_at: row.int_or_null()?.map(Timestamp),
        deleted_at: row.int_or_null()?.map(Timestamp),
        generation: Generation(row.int()?),
        guest_password: row.text()?,
        request: row.parsed_or_null()?,
        user_data: row.text_or_null()?,
    })
}

fn read_host(row: &mut Reader<'_>) -> Result<Option<Placed>, DbError> {
    let (id, name) = (row.parsed_or_null()?, row.text_or_null()?);
    Ok(id.map(|id| Placed { id, name: name.unwrap_or_default() }))
}

fn read_lock(row: &mut Reader<'_>) -> Result<Option<Lock>, DbError> {
    let (by, reason) = (row.text_or_null()?, row.text_or_null()?);
    Ok(by.map(|by| Lock { by_admin: by == "admin", reason }))
}

fn read_fault(stored: StoredFault) -> Fault {
    Fault { code: stored.code, message: stored.message, details: stored.details, created: Timestamp(stored.created) }
}

fn stored_fault(server: &Server) -> Option<String> {
    server.fault.as_ref().map(|fault| {
        json(&StoredFault {
            code: fault.code,
            message: fault.message.clone(),
            details: fault.details.clone(),
            created: fault.created.0,
        })
    })
}

fn lock_by(server: &Server) -> Option<&'static str> {
    let lock = server.lock.as_ref()?;
    Some(if lock.by_admin { "admin" } else { "owner" })
}

fn lock_reason(server: &Server) -> Option<String> {
    server.lock.as_ref()?.reason.clone()
}

fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
