//! SQL of trusts.

use super::Trust;
use controller_base::{
    Timestamp,
    id::{ProjectId, UserId},
};
use controller_db::{AnyRow, Connection, DbError, Filter, Row, SortKey, Value, flag, is_set};

const SELECT: &str = "SELECT id, trustor_user_id, trustee_user_id, project_id, impersonation, expires_at, remaining_uses, \
     redelegated_trust_id, redelegation_count FROM identity_trust";

/// Without its roles.
fn read(row: &AnyRow) -> Result<Trust, DbError> {
    let text = |name: &str| -> Result<String, DbError> { Ok(row.try_get(name)?) };
    let corrupt = |error| DbError::corrupt("identity_trust", error);
    let project: Option<String> = row.try_get("project_id")?;
    Ok(Trust {
        id: text("id")?,
        trustor: text("trustor_user_id")?.parse().map_err(corrupt)?,
        trustee: text("trustee_user_id")?.parse().map_err(corrupt)?,
        project_id: project.map(|id| id.parse().map_err(corrupt)).transpose()?,
        impersonation: is_set(row.try_get("impersonation")?),
        expires_at: row.try_get::<Option<i64>, _>("expires_at")?.map(Timestamp),
        remaining_uses: row.try_get("remaining_uses")?,
        redelegated_trust_id: row.try_get("redelegated_trust_id")?,
        redelegation_count: row.try_get("redelegation_count")?,
        roles: Vec::new(),
    })
}

/// A trust by id.
pub(crate) async fn get(conn: &mut Connection, id: &str) -> Result<Option<Trust>, DbError> {
    let found = Filter::new(SELECT).and("id = ?", [Value::from(id)]).fetch_optional(&mut *conn).await?;
    let Some(row) = found else { return Ok(None) };
    let mut trust = read(&row)?;
    let roles = sqlx::query("SELECT role_id FROM identity_trust_role WHERE trust_id = $1 ORDER BY role_id");
    for row in roles.bind(id).fetch_all(conn).await? {
        let role: String = row.try_get(0)?;
        trust.roles.push(role.parse().map_err(|error| DbError::corrupt("role_id", error))?);
    }
    Ok(Some(trust))
}

/// Trusts without their roles.
pub(crate) async fn list(
    conn: &mut Connection,
    trustor: Option<&str>,
    trustee: Option<&str>,
) -> Result<Vec<Trust>, DbError> {
    let filter = Filter::new(SELECT).and_eq("trustor_user_id", trustor).and_eq("trustee_user_id", trustee);
    filter.page(&[SortKey::ascending("id")], None, None).fetch_all(conn).await?.iter().map(read).collect()
}

/// Stores a new one.
pub(crate) async fn insert(conn: &mut Connection, trust: &Trust) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO identity_trust (id, trustor_user_id, trustee_user_id, project_id, impersonation, expires_at, \
         remaining_uses, redelegated_trust_id, redelegation_count, generation) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 1)",
    )
    .bind(&trust.id)
    .bind(trust.trustor.as_str())
    .bind(trust.trustee.as_str())
    .bind(trust.project_id.as_ref().map(ToString::to_string))
    .bind(flag(trust.impersonation))
    .bind(trust.expires_at.map(|end| end.0))
    .bind(trust.remaining_uses)
    .bind(trust.redelegated_trust_id.clone())
    .bind(trust.redelegation_count)
    .execute(&mut *conn)
    .await?;
    for role in &trust.roles {
        sqlx::query("INSERT INTO identity_trust_role (trust_id, role_id) VALUES ($1, $2) ON CONFLICT DO NOTHING")
            .bind(&trust.id)
            .bind(role.as_str())
            .execute(&mut *conn)
            .await?;
    }
    Ok(())
}

/// Takes one of the remaining uses; false when there is none left.
pub(crate) async fn consume(conn: &mut Connection, id: &str) -> Result<bool, DbError> {
    let query = sqlx::query(
        "UPDATE identity_trust SET remaining_uses = remaining_uses - 1, generation = generation + 1 \
         WHERE id = $1 AND remaining_uses > 0",
    );
    Ok(query.bind(id).execute(conn).await?.rows_affected() == 1)
}

/// Deletes one and all that come from it.
pub(crate) async fn delete(conn: &mut Connection, id: &str) -> Result<(), DbError> {
    sqlx::query(
        "WITH RECURSIVE chain (id) AS (SELECT id FROM identity_trust WHERE id = $1 \
         UNION SELECT t.id FROM identity_trust t JOIN chain ON t.redelegated_trust_id = chain.id) \
         DELETE FROM identity_trust WHERE id IN (SELECT id FROM chain)",
    )
    .bind(id)
    .execute(conn)
    .await?;
    Ok(())
}

/// Deletes those that a user made or got, and all that come from them.
pub(crate) async fn delete_of_user(conn: &mut Connection, user: &UserId) -> Result<(), DbError> {
    let mut trusts = list(conn, Some(user.as_str()), None).await?;
    trusts.extend(list(conn, None, Some(user.as_str())).await?);
    for trust in trusts {
        delete(conn, &trust.id).await?;
    }
    Ok(())
}

/// Deletes all on a project.
pub(crate) async fn delete_of_project(conn: &mut Connection, project: &ProjectId) -> Result<(), DbError> {
    sqlx::query("DELETE FROM identity_trust WHERE project_id = $1").bind(project.as_str()).execute(conn).await?;
    Ok(())
}
