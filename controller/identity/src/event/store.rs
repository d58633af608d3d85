//! SQL of events.

use super::{Event, EventQuery};
use controller_base::Timestamp;
use controller_db::{AnyRow, Connection, DbError, Filter, Row, SortKey, Value, flag, from_json, is_set, json};

const SELECT: &str = "SELECT id, moment, event_type, success, initiator_id, target_id, body FROM identity_event";

/// A place in the log.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    moment: i64,
    id: String,
}

impl From<&Event> for Cursor {
    fn from(event: &Event) -> Self {
        Self { moment: event.moment.0, id: event.id.clone() }
    }
}

impl Cursor {
    /// The place where events of this moment begin.
    #[must_use]
    pub fn at(moment: Timestamp) -> Self {
        Self { moment: moment.0, id: String::new() }
    }

    pub(super) fn moment(&self) -> i64 {
        self.moment
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }
}

fn read(row: &AnyRow) -> Result<Event, DbError> {
    Ok(Event {
        id: row.try_get("id")?,
        moment: Timestamp(row.try_get("moment")?),
        event_type: row.try_get("event_type")?,
        success: is_set(row.try_get("success")?),
        initiator_id: row.try_get("initiator_id")?,
        target_id: row.try_get("target_id")?,
        body: from_json("body", row.try_get("body")?)?,
    })
}

/// Stores an event.
pub(super) async fn insert(conn: &mut Connection, event: &Event) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO identity_event (id, moment, event_type, success, initiator_id, target_id, body) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(&event.id)
    .bind(event.moment.0)
    .bind(&event.event_type)
    .bind(flag(event.success))
    .bind(&event.initiator_id)
    .bind(&event.target_id)
    .bind(json(&event.body))
    .execute(conn)
    .await?;
    Ok(())
}

/// Where an event stands, if it is kept.
pub(super) async fn place(conn: &mut Connection, id: &str) -> Result<Option<Cursor>, DbError> {
    let row = sqlx::query("SELECT moment FROM identity_event WHERE id = $1").bind(id).fetch_optional(conn).await?;
    row.map(|row| Ok(Cursor { moment: row.try_get("moment")?, id: id.to_owned() })).transpose()
}

/// What is asked for, the oldest first.
pub(super) async fn list(conn: &mut Connection, query: &EventQuery) -> Result<Vec<Event>, DbError> {
    let mut filter = Filter::new(SELECT);
    if let Some(kind) = &query.event_type {
        let below = format!("{}.%", kind.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_"));
        let condition = "event_type = ? OR event_type LIKE ? ESCAPE '\\'";
        filter = filter.and(condition, [Value::from(kind), Value::from(below)]);
    }
    filter = filter
        .and_eq("initiator_id", query.initiator_id.as_ref())
        .and_eq("target_id", query.target_id.as_ref())
        .and_eq("success", query.success);
    if let Some(since) = query.since {
        filter = filter.and("moment >= ?", [Value::from(since.0)]);
    }
    if let Some(after) = &query.after {
        let keys = [SortKey::ascending("moment"), SortKey::ascending("id")];
        let place = [Value::from(after.moment), Value::from(&after.id)];
        let rows = filter.page(&keys, Some(&place), Some(query.limit)).fetch_all(conn).await?;
        return rows.iter().map(read).collect();
    }
    let keys = [SortKey::descending("moment"), SortKey::descending("id")];
    let rows = filter.page(&keys, None, Some(query.limit)).fetch_all(conn).await?;
    rows.iter().rev().map(read).collect()
}

/// Forgets all but the newest.
pub(super) async fn trim(conn: &mut Connection, kept: i64) -> Result<(), DbError> {
    sqlx::query(
        "DELETE FROM identity_event WHERE moment < \
         (SELECT moment FROM identity_event ORDER BY moment DESC, id DESC LIMIT 1 OFFSET $1)",
    )
    .bind(kept.max(1) - 1)
    .execute(conn)
    .await?;
    Ok(())
}
