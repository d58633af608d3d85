//! `fleet_update`.

use crate::update::{Order, State};
use controller_base::{Timestamp, id::HostId};
use controller_db::{Connection, DbError, Tx};
use sqlx::{Row as _, any::AnyRow};

/// By their turn.
pub(crate) async fn list_orders(conn: &mut Connection) -> Result<Vec<Order>, DbError> {
    let sql = "SELECT host_id, version, place, state, reason, changed_at FROM fleet_update ORDER BY place";
    sqlx::query(sql).fetch_all(conn).await?.iter().map(order).collect()
}

/// A host's.
pub(crate) async fn get_order(conn: &mut Connection, host: HostId) -> Result<Option<Order>, DbError> {
    let sql = "SELECT host_id, version, place, state, reason, changed_at FROM fleet_update WHERE host_id = $1";
    sqlx::query(sql).bind(host.to_string()).fetch_optional(conn).await?.as_ref().map(order).transpose()
}

/// Takes the place of the host's last one.
pub(crate) async fn put_order(tx: &mut Tx, order: &Order) -> Result<(), DbError> {
    delete_order(tx, order.host).await?;
    let sql = "INSERT INTO fleet_update (host_id, version, place, state, reason, changed_at) \
        VALUES ($1, $2, $3, $4, $5, $6)";
    sqlx::query(sql)
        .bind(order.host.to_string())
        .bind(order.version.clone())
        .bind(order.place)
        .bind(order.state.word())
        .bind(order.reason.clone())
        .bind(order.changed_at.0)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Of a host that is a member no more.
pub(crate) async fn delete_order(tx: &mut Tx, host: HostId) -> Result<(), DbError> {
    sqlx::query("DELETE FROM fleet_update WHERE host_id = $1").bind(host.to_string()).execute(&mut **tx).await?;
    Ok(())
}

fn order(row: &AnyRow) -> Result<Order, DbError> {
    let word: String = row.try_get("state")?;
    let state = State::ALL.into_iter().find(|state| state.word() == word);
    Ok(Order {
        host: row.try_get::<String, _>("host_id")?.parse().map_err(|error| DbError::corrupt("host_id", error))?,
        version: row.try_get("version")?,
        place: row.try_get("place")?,
        state: state.ok_or_else(|| DbError::corrupt("state", UnknownState(word)))?,
        reason: row.try_get("reason")?,
        changed_at: Timestamp(row.try_get("changed_at")?),
    })
}

#[derive(Debug, thiserror::Error)]
#[error("unknown state of an update {0:?}")]
struct UnknownState(String);
