//! The SQL of server groups.

use super::{MemberHost, ServerGroup};
use crate::row::Reader;
use controller_base::Timestamp;
use controller_base::id::ProjectId;
use controller_db::{AnyRow, Connection, DbError, Filter, SortKey, Value};

const SELECT: &str = "SELECT id, project_id, user_id, name, policy, max_per_host FROM compute_server_group";

/// A project's groups, or all; the oldest first, without the first `offset`.
pub(crate) async fn list(
    connection: &mut Connection,
    project: Option<&ProjectId>,
) -> Result<Vec<ServerGroup>, DbError> {
    let keys = [SortKey::ascending("created_at"), SortKey::ascending("id")];
    let rows = Filter::new(SELECT)
        .and_eq("project_id", project.map(Value::text))
        .page(&keys, None, None)
        .fetch_all(connection)
        .await?;
    rows.iter().map(read).collect()
}

pub(crate) async fn get(connection: &mut Connection, id: &str) -> Result<Option<ServerGroup>, DbError> {
    let row = Filter::new(SELECT).and_eq("id", Some(id)).fetch_optional(connection).await?;
    row.as_ref().map(read).transpose()
}

pub(crate) async fn insert(connection: &mut Connection, group: &ServerGroup, now: Timestamp) -> Result<(), DbError> {
    let insert = "INSERT INTO compute_server_group (id, project_id, user_id, name, policy, max_per_host, created_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7)";
    sqlx::query(insert)
        .bind(group.id.clone())
        .bind(group.project_id.to_string())
        .bind(group.user_id.to_string())
        .bind(group.name.clone())
        .bind(group.policy.as_str())
        .bind(group.max_per_host.map(i64::from))
        .bind(now.0)
        .execute(connection)
        .await?;
    Ok(())
}

/// Deletes a group; its servers belong to none from then on.
pub(crate) async fn delete(connection: &mut Connection, id: &str) -> Result<(), DbError> {
    sqlx::query("UPDATE compute_server SET group_id = NULL, generation = generation + 1 WHERE group_id = $1")
        .bind(id.to_owned())
        .execute(&mut *connection)
        .await?;
    sqlx::query("DELETE FROM compute_server_group WHERE id = $1").bind(id.to_owned()).execute(connection).await?;
    Ok(())
}

/// Ids of a group's servers.
pub(crate) async fn members(connection: &mut Connection, id: &str) -> Result<Vec<String>, DbError> {
    let select = "SELECT id FROM compute_server WHERE group_id = $1 AND deleted_at IS NULL ORDER BY created_at, id";
    let rows = sqlx::query(select).bind(id.to_owned()).fetch_all(connection).await?;
    rows.iter().map(|row| Reader::new(row).text()).collect()
}

/// Hosts with members of a group, the one with the first member first.
pub(crate) async fn member_hosts(connection: &mut Connection, id: &str) -> Result<Vec<MemberHost>, DbError> {
    let select = "SELECT host_id, host_name, COUNT(*) FROM compute_server WHERE group_id = $1 AND deleted_at IS NULL \
        AND host_id IS NOT NULL GROUP BY host_id, host_name ORDER BY MIN(created_at)";
    let rows = sqlx::query(select).bind(id.to_owned()).fetch_all(connection).await?;
    rows.iter().map(read_host).collect()
}

fn read_host(row: &AnyRow) -> Result<MemberHost, DbError> {
    let mut row = Reader::new(row);
    Ok(MemberHost { id: row.parsed()?, name: row.text()?, members: row.amount()? })
}

fn read(row: &AnyRow) -> Result<ServerGroup, DbError> {
    let mut row = Reader::new(row);
    Ok(ServerGroup {
        id: row.text()?,
        project_id: row.parsed()?,
        user_id: row.parsed()?,
        name: row.text()?,
        policy: row.parsed()?,
        max_per_host: row.int_or_null()?.and_then(|most| u32::try_from(most).ok()),
    })
}
