//! SQL of passwords' history and accounts' activity.

use super::Activity;
use controller_base::{Timestamp, id::UserId};
use controller_db::{Connection, DbError, Row, flag, is_set};

/// What an account went through; nothing yet where there is no row.
pub(crate) async fn activity(conn: &mut Connection, user: &UserId) -> Result<Activity, DbError> {
    let query = sqlx::query(
        "SELECT failures, failed_at, active_at, self_service FROM identity_user_activity WHERE user_id = $1",
    );
    let Some(row) = query.bind(user.as_str()).fetch_optional(conn).await? else { return Ok(Activity::default()) };
    let moment = |index: usize| -> Result<Option<Timestamp>, DbError> {
        Ok(row.try_get::<Option<i64>, _>(index)?.map(Timestamp))
    };
    Ok(Activity {
        failures: row.try_get(0)?,
        failed_at: moment(1)?,
        active_at: moment(2)?,
        self_service: is_set(row.try_get(3)?),
    })
}

/// Counts a wrong password; from one again where the lock of the last ones is over.
pub(crate) async fn failed(conn: &mut Connection, user: &UserId, now: Timestamp, again: bool) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO identity_user_activity (user_id, failures, failed_at, active_at, self_service) \
         VALUES ($1, 1, $2, NULL, 0) ON CONFLICT (user_id) DO UPDATE SET failed_at = excluded.failed_at, \
         failures = CASE WHEN $3 = 1 THEN 1 ELSE identity_user_activity.failures + 1 END",
    )
    .bind(user.as_str())
    .bind(now.0)
    .bind(flag(again))
    .execute(conn)
    .await?;
    Ok(())
}

/// The account was used: failures are forgotten.
pub(crate) async fn used(conn: &mut Connection, user: &UserId, now: Timestamp) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO identity_user_activity (user_id, failures, failed_at, active_at, self_service) \
         VALUES ($1, 0, NULL, $2, 0) ON CONFLICT (user_id) DO UPDATE SET failures = 0, failed_at = NULL, \
         active_at = excluded.active_at",
    )
    .bind(user.as_str())
    .bind(now.0)
    .execute(conn)
    .await?;
    Ok(())
}

/// Whether the user chose the password.
pub(crate) async fn chosen(conn: &mut Connection, user: &UserId, by_user: bool) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO identity_user_activity (user_id, failures, failed_at, active_at, self_service) \
         VALUES ($1, 0, NULL, NULL, $2) ON CONFLICT (user_id) DO UPDATE SET self_service = excluded.self_service",
    )
    .bind(user.as_str())
    .bind(flag(by_user))
    .execute(conn)
    .await?;
    Ok(())
}

/// Earlier passwords, the latest first.
pub(crate) async fn history(conn: &mut Connection, user: &UserId, most: i64) -> Result<Vec<String>, DbError> {
    let query =
        sqlx::query("SELECT hash FROM identity_password WHERE user_id = $1 ORDER BY created_at DESC, hash LIMIT $2");
    let rows = query.bind(user.as_str()).bind(most).fetch_all(conn).await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// Keeps a password that is replaced, and of the earlier ones no more than asked for.
pub(crate) async fn keep(
    conn: &mut Connection,
    user: &UserId,
    hash: &str,
    now: Timestamp,
    most: i64,
) -> Result<(), DbError> {
    sqlx::query("INSERT INTO identity_password (user_id, created_at, hash) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
        .bind(user.as_str())
        .bind(now.0)
        .bind(hash)
        .execute(&mut *conn)
        .await?;
    sqlx::query(
        "DELETE FROM identity_password WHERE user_id = $1 AND hash NOT IN \
         (SELECT hash FROM identity_password WHERE user_id = $1 ORDER BY created_at DESC, hash LIMIT $2)",
    )
    .bind(user.as_str())
    .bind(most)
    .execute(conn)
    .await?;
    Ok(())
}
