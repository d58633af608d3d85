//! SQL of groups and memberships.

use super::Group;
use crate::{IdentityError, project::store::changed};
use controller_base::id::{DomainId, GroupId, UserId};
use controller_db::{AnyRow, Connection, DbError, Filter, Row, SortKey, Value, from_json, json};
use controller_web::Params;

const SELECT: &str = "SELECT id, domain_id, name, description, extra, generation FROM identity_group";

fn read(row: &AnyRow) -> Result<Group, DbError> {
    let id: String = row.try_get("id")?;
    let domain: String = row.try_get("domain_id")?;
    Ok(Group {
        id: id.parse().map_err(|error| DbError::corrupt("id", error))?,
        domain_id: domain.parse().map_err(|error| DbError::corrupt("domain_id", error))?,
        name: row.try_get("name")?,
        description: row.try_get("description")?,
        extra: from_json("extra", row.try_get("extra")?)?,
        generation: row.try_get("generation")?,
    })
}

/// A group by id.
pub(crate) async fn get(conn: &mut Connection, id: &GroupId) -> Result<Option<Group>, DbError> {
    let found = Filter::new(SELECT).and("id = ?", [Value::text(id)]).fetch_optional(conn).await?;
    found.as_ref().map(read).transpose()
}

/// Groups by what a request asks for; with a user, those it is in.
pub(crate) async fn list(
    conn: &mut Connection,
    domain: Option<&DomainId>,
    user: Option<&UserId>,
    params: &Params,
) -> Result<Vec<Group>, DbError> {
    let mut filter = Filter::new(SELECT).and_eq("domain_id", domain.map(Value::text));
    if let Some(user) = user {
        let of_user = "id IN (SELECT group_id FROM identity_membership WHERE user_id = ?)";
        filter = filter.and(of_user, [Value::text(user)]);
    }
    filter = crate::listing::by_text(filter, params, &[("name", "name")]);
    let rows = filter.page(&[SortKey::ascending("name"), SortKey::ascending("id")], None, None).fetch_all(conn).await?;
    rows.iter().map(read).collect()
}

/// Stores a new one.
pub(crate) async fn insert(conn: &mut Connection, group: &Group) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO identity_group (id, domain_id, name, description, extra, generation) VALUES ($1, $2, $3, $4, $5, 1)",
    )
    .bind(group.id.as_str())
    .bind(group.domain_id.as_str())
    .bind(&group.name)
    .bind(&group.description)
    .bind(json(&group.extra))
    .execute(conn)
    .await?;
    Ok(())
}

/// Stores a changed one, if nobody else changed it.
pub(crate) async fn update(conn: &mut Connection, group: &Group) -> Result<(), IdentityError> {
    let done = sqlx::query(
        "UPDATE identity_group SET name = $1, description = $2, extra = $3, generation = generation + 1 \
         WHERE id = $4 AND generation = $5",
    )
    .bind(&group.name)
    .bind(&group.description)
    .bind(json(&group.extra))
    .bind(group.id.as_str())
    .bind(group.generation)
    .execute(conn)
    .await?;
    changed(done.rows_affected(), "group", group.id.as_str())
}

/// Deletes one with memberships and roles.
pub(crate) async fn delete(conn: &mut Connection, id: &GroupId) -> Result<(), DbError> {
    for sql in [
        "DELETE FROM identity_assignment WHERE actor_type = 'group' AND actor_id = $1",
        "DELETE FROM identity_membership WHERE group_id = $1",
        "DELETE FROM identity_group WHERE id = $1",
    ] {
        sqlx::query(sql).bind(id.as_str()).execute(&mut *conn).await?;
    }
    Ok(())
}

/// Deletes all of a domain.
pub(crate) async fn delete_of_domain(conn: &mut Connection, domain: &DomainId) -> Result<(), DbError> {
    for group in list(conn, Some(domain), None, &Params::default()).await? {
        delete(conn, &group.id).await?;
    }
    Ok(())
}

/// Puts a user into a group for good; harmless when it is in.
pub(crate) async fn add_member(conn: &mut Connection, group: &GroupId, user: &UserId) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO identity_membership (group_id, user_id) VALUES ($1, $2) \
         ON CONFLICT (user_id, group_id) DO UPDATE SET expires_at = NULL, provider_id = NULL",
    )
    .bind(group.as_str())
    .bind(user.as_str())
    .execute(conn)
    .await?;
    Ok(())
}

/// Takes a user out of a group; false when it was not in.
pub(crate) async fn remove_member(conn: &mut Connection, group: &GroupId, user: &UserId) -> Result<bool, DbError> {
    let query = sqlx::query("DELETE FROM identity_membership WHERE group_id = $1 AND user_id = $2");
    Ok(query.bind(group.as_str()).bind(user.as_str()).execute(conn).await?.rows_affected() == 1)
}

/// Whether a user is in a group.
pub(crate) async fn is_member(conn: &mut Connection, group: &GroupId, user: &UserId) -> Result<bool, DbError> {
    let query = sqlx::query("SELECT user_id FROM identity_membership WHERE group_id = $1 AND user_id = $2");
    Ok(query.bind(group.as_str()).bind(user.as_str()).fetch_optional(conn).await?.is_some())
}
