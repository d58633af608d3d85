//! The SQL of the log.

use super::Entry;
use crate::row::Reader;
use controller_base::Timestamp;
use controller_base::id::ServerId;
use controller_db::{AnyRow, Connection, DbError, Filter, SortKey, Value};

const SELECT: &str = "SELECT id, server_id, project_id, user_id, action, request_id, started_at, updated_at, finished_at, \
    failure, host_name FROM compute_action";

/// Which part of a server's log.
#[derive(Clone, Debug, Default)]
pub(crate) struct ListFilter {
    pub(crate) changed_since: Option<Timestamp>,
    pub(crate) changed_before: Option<Timestamp>,
    pub(crate) after: Option<Entry>,
    pub(crate) limit: Option<u32>,
}

/// A server's log, the newest first.
pub(crate) async fn list(
    connection: &mut Connection,
    server: ServerId,
    filter: &ListFilter,
) -> Result<Vec<Entry>, DbError> {
    let mut select = Filter::new(SELECT).and_eq("server_id", Some(Value::text(server)));
    if let Some(since) = filter.changed_since {
        select = select.and("updated_at >= ?", [Value::Int(since.0)]);
    }
    if let Some(before) = filter.changed_before {
        select = select.and("updated_at <= ?", [Value::Int(before.0)]);
    }
    let after = filter.after.as_ref().map(|entry| [Value::Int(entry.started_at.0), Value::from(&entry.id)]);
    let keys = [SortKey::descending("started_at"), SortKey::descending("id")];
    let after = after.as_ref().map(<[_; 2]>::as_slice);
    let rows = select.page(&keys, after, filter.limit).fetch_all(connection).await?;
    rows.iter().map(read).collect()
}

/// What one request did with a server.
pub(crate) async fn get(
    connection: &mut Connection,
    server: ServerId,
    request_id: &str,
) -> Result<Option<Entry>, DbError> {
    let row = Filter::new(SELECT)
        .and_eq("server_id", Some(Value::text(server)))
        .and_eq("request_id", Some(request_id))
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(read).transpose()
}

pub(crate) async fn insert(connection: &mut Connection, entry: &Entry) -> Result<(), DbError> {
    let insert = "INSERT INTO compute_action (id, server_id, project_id, user_id, action, request_id, started_at, updated_at, \
        finished_at, failure, host_name) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
    sqlx::query(insert)
        .bind(entry.id.clone())
        .bind(entry.server_id.to_string())
        .bind(entry.project_id.to_string())
        .bind(entry.user_id.to_string())
        .bind(entry.action.clone())
        .bind(entry.request_id.clone())
        .bind(entry.started_at.0)
        .bind(entry.updated_at.0)
        .bind(entry.finished_at.map(|at| at.0))
        .bind(entry.failure.clone())
        .bind(entry.host_name.clone())
        .execute(connection)
        .await?;
    Ok(())
}

/// Whatever was being done with the server is over.
pub(crate) async fn finish(
    connection: &mut Connection,
    server: ServerId,
    failure: Option<&str>,
    now: Timestamp,
) -> Result<(), DbError> {
    let update = "UPDATE compute_action SET finished_at = $2, updated_at = $2, failure = $3 \
        WHERE server_id = $1 AND finished_at IS NULL";
    sqlx::query(update)
        .bind(server.to_string())
        .bind(now.0)
        .bind(failure.map(str::to_owned))
        .execute(connection)
        .await?;
    Ok(())
}

fn read(row: &AnyRow) -> Result<Entry, DbError> {
    let mut row = Reader::new(row);
    Ok(Entry {
        id: row.text()?,
        server_id: row.parsed()?,
        project_id: row.parsed()?,
        user_id: row.parsed()?,
        action: row.text()?,
        request_id: row.text()?,
        started_at: Timestamp(row.int()?),
        updated_at: Timestamp(row.int()?),
        finished_at: row.int_or_null()?.map(Timestamp),
        failure: row.text_or_null()?,
        host_name: row.text_or_null()?,
    })
}
