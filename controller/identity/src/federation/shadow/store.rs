//! SQL of federated users and of memberships that end by themselves.

use super::Shadow;
use controller_base::{
    Timestamp,
    id::{DomainId, GroupId, IdentityProviderId, UserId},
};
use controller_db::{AnyRow, Connection, DbError, Row};

fn user(row: &AnyRow) -> Result<UserId, DbError> {
    let text: String = row.try_get(0)?;
    text.parse().map_err(|error| DbError::corrupt("user_id", error))
}

/// Users who came by this provider and can come by no other way.
pub(crate) async fn users_only_of(
    conn: &mut Connection,
    provider: &IdentityProviderId,
) -> Result<Vec<UserId>, DbError> {
    let rows = sqlx::query(
        "SELECT DISTINCT f.user_id FROM identity_federated_user f JOIN identity_user u ON u.id = f.user_id \
         WHERE f.provider_id = $1 AND u.password_hash IS NULL AND NOT EXISTS (SELECT 1 FROM identity_federated_user o \
         WHERE o.user_id = f.user_id AND o.provider_id <> $1)",
    )
    .bind(provider.as_str())
    .fetch_all(conn)
    .await?;
    rows.iter().map(user).collect()
}

/// Who came as this.
pub(crate) async fn find(conn: &mut Connection, shadow: &Shadow) -> Result<Option<UserId>, DbError> {
    let row = sqlx::query(
        "SELECT user_id FROM identity_federated_user WHERE provider_id = $1 AND protocol_id = $2 AND unique_id = $3",
    )
    .bind(shadow.provider.as_str())
    .bind(shadow.protocol.as_str())
    .bind(&shadow.unique_id)
    .fetch_optional(conn)
    .await?;
    row.as_ref().map(user).transpose()
}

/// Notes who came as this.
pub(crate) async fn insert(conn: &mut Connection, shadow: &Shadow, user: &UserId) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO identity_federated_user (provider_id, protocol_id, unique_id, user_id, display_name) \
         VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(shadow.provider.as_str())
    .bind(shadow.protocol.as_str())
    .bind(&shadow.unique_id)
    .bind(user.as_str())
    .bind(&shadow.name)
    .execute(conn)
    .await?;
    Ok(())
}

/// Notes the name that the provider says now.
pub(crate) async fn rename(conn: &mut Connection, shadow: &Shadow) -> Result<(), DbError> {
    sqlx::query(
        "UPDATE identity_federated_user SET display_name = $1 \
         WHERE provider_id = $2 AND protocol_id = $3 AND unique_id = $4",
    )
    .bind(&shadow.name)
    .bind(shadow.provider.as_str())
    .bind(shadow.protocol.as_str())
    .bind(&shadow.unique_id)
    .execute(conn)
    .await?;
    Ok(())
}

/// A group by its name.
pub(crate) async fn group_by_name(
    conn: &mut Connection,
    domain: &DomainId,
    name: &str,
) -> Result<Option<GroupId>, DbError> {
    let row = sqlx::query("SELECT id FROM identity_group WHERE domain_id = $1 AND name = $2")
        .bind(domain.as_str())
        .bind(name)
        .fetch_optional(conn)
        .await?;
    let id = |text: String| text.parse().map_err(|error| DbError::corrupt("id", error));
    row.map(|row| id(row.try_get(0)?)).transpose()
}

/// Has a user in a group until `end`, if not for good; true when it was not in.
pub(crate) async fn keep_membership(
    conn: &mut Connection,
    provider: &IdentityProviderId,
    user: &UserId,
    group: &GroupId,
    end: Timestamp,
) -> Result<bool, DbError> {
    let renewed = sqlx::query(
        "UPDATE identity_membership SET expires_at = $1, provider_id = $2 \
         WHERE user_id = $3 AND group_id = $4 AND expires_at IS NOT NULL",
    )
    .bind(end.0)
    .bind(provider.as_str())
    .bind(user.as_str())
    .bind(group.as_str())
    .execute(&mut *conn)
    .await?;
    if renewed.rows_affected() > 0 {
        return Ok(false);
    }
    let added = sqlx::query(
        "INSERT INTO identity_membership (user_id, group_id, expires_at, provider_id) VALUES ($1, $2, $3, $4) \
         ON CONFLICT DO NOTHING",
    )
    .bind(user.as_str())
    .bind(group.as_str())
    .bind(end.0)
    .bind(provider.as_str())
    .execute(conn)
    .await?;
    Ok(added.rows_affected() > 0)
}

/// Ends those of a user's memberships by a provider that are not in these groups; true when there were any.
pub(crate) async fn end_other_memberships(
    conn: &mut Connection,
    provider: &IdentityProviderId,
    user: &UserId,
    kept: &[GroupId],
) -> Result<bool, DbError> {
    let rows = sqlx::query("SELECT group_id FROM identity_membership WHERE user_id = $1 AND provider_id = $2")
        .bind(user.as_str())
        .bind(provider.as_str())
        .fetch_all(&mut *conn)
        .await?;
    let mut any = false;
    for row in rows {
        let group: String = row.try_get(0)?;
        if kept.iter().any(|id| id.as_str() == group) {
            continue;
        }
        any = true;
        sqlx::query("DELETE FROM identity_membership WHERE user_id = $1 AND group_id = $2")
            .bind(user.as_str())
            .bind(group)
            .execute(&mut *conn)
            .await?;
    }
    Ok(any)
}

/// Ends the memberships whose time is over; true when there were any.
pub(crate) async fn end_memberships(conn: &mut Connection, now: Timestamp) -> Result<bool, DbError> {
    let query = sqlx::query("DELETE FROM identity_membership WHERE expires_at <= $1").bind(now.0);
    Ok(query.execute(conn).await?.rows_affected() > 0)
}
