//! SQL of which policy blob belongs to what.

use super::Place;
use controller_db::{AnyRow, Connection, DbError, Row};

/// Everything that has a policy blob, and its id.
pub(super) async fn list(conn: &mut Connection) -> Result<Vec<(Place, String)>, DbError> {
    let sql = "SELECT endpoint_id, service_id, region_id, policy_id FROM identity_policy_association \
               ORDER BY endpoint_id, service_id, region_id";
    let read = |row: &AnyRow| -> Result<(Place, String), DbError> {
        let place = Place { endpoint: row.try_get(0)?, service: row.try_get(1)?, region: row.try_get(2)? };
        Ok((place, row.try_get(3)?))
    };
    sqlx::query(sql).fetch_all(conn).await?.iter().map(read).collect()
}

/// Gives a policy blob; it takes the place of another.
pub(super) async fn put(conn: &mut Connection, place: &Place, policy: &str) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO identity_policy_association (endpoint_id, service_id, region_id, policy_id) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (endpoint_id, service_id, region_id) DO UPDATE SET policy_id = excluded.policy_id",
    )
    .bind(&place.endpoint)
    .bind(&place.service)
    .bind(&place.region)
    .bind(policy)
    .execute(conn)
    .await?;
    Ok(())
}

/// Takes this policy blob away; false when it was not there.
pub(super) async fn delete(conn: &mut Connection, place: &Place, policy: &str) -> Result<bool, DbError> {
    let done = sqlx::query(
        "DELETE FROM identity_policy_association WHERE endpoint_id = $1 AND service_id = $2 AND region_id = $3 \
         AND policy_id = $4",
    )
    .bind(&place.endpoint)
    .bind(&place.service)
    .bind(&place.region)
    .bind(policy)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}
