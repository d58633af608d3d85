//! SQL of users.

use super::User;
use crate::{IdentityError, project::store::changed};
use controller_base::{
    Timestamp,
    id::{DomainId, GroupId, UserId},
};
use controller_db::{AnyRow, Connection, DbError, Filter, Row, SortKey, Value, flag, from_json, is_set, json};
use controller_web::Params;

const SELECT: &str = "SELECT id, domain_id, name, enabled, default_project_id, password_hash, password_changed_at, \
     password_expires_at, options, extra, created_at, generation FROM identity_user";

fn read(row: &AnyRow) -> Result<User, DbError> {
    let id: String = row.try_get("id")?;
    let domain: String = row.try_get("domain_id")?;
    let project: Option<String> = row.try_get("default_project_id")?;
    let moment =
        |name: &str| -> Result<Option<Timestamp>, DbError> { Ok(row.try_get::<Option<i64>, _>(name)?.map(Timestamp)) };
    Ok(User {
        id: id.parse().map_err(|error| DbError::corrupt("id", error))?,
        domain_id: domain.parse().map_err(|error| DbError::corrupt("domain_id", error))?,
        name: row.try_get("name")?,
        enabled: is_set(row.try_get("enabled")?),
        default_project_id: project.and_then(|id| id.parse().ok()),
        password_hash: row.try_get("password_hash")?,
        password_changed_at: moment("password_changed_at")?,
        password_expires_at: moment("password_expires_at")?,
        options: from_json("options", row.try_get("options")?)?,
        extra: from_json("extra", row.try_get("extra")?)?,
        created_at: Timestamp(row.try_get("created_at")?),
        generation: row.try_get("generation")?,
    })
}

/// A user by id.
pub(crate) async fn get(conn: &mut Connection, id: &UserId) -> Result<Option<User>, DbError> {
    let found = Filter::new(SELECT).and("id = ?", [Value::text(id)]).fetch_optional(conn).await?;
    found.as_ref().map(read).transpose()
}

/// A user by name.
pub(crate) async fn find(conn: &mut Connection, domain: &DomainId, name: &str) -> Result<Option<User>, DbError> {
    let filter = Filter::new(SELECT).and("domain_id = ? AND name = ?", [Value::text(domain), Value::from(name)]);
    filter.fetch_optional(conn).await?.as_ref().map(read).transpose()
}

/// Users by what a request asks for; with a group, its members.
pub(crate) async fn list(
    conn: &mut Connection,
    domain: Option<&DomainId>,
    group: Option<&GroupId>,
    params: &Params,
) -> Result<Vec<User>, DbError> {
    let mut filter = wanted(domain, params);
    if let Some(group) = group {
        let members = "id IN (SELECT user_id FROM identity_membership WHERE group_id = ?)";
        filter = filter.and(members, [Value::text(group)]);
    }
    let rows = filter.page(ORDER, None, None).fetch_all(conn).await?;
    rows.iter().map(read).collect()
}

/// So many users behind this one.
pub(crate) async fn page(
    conn: &mut Connection,
    domain: Option<&DomainId>,
    params: &Params,
    after: Option<&User>,
    limit: Option<u32>,
) -> Result<Vec<User>, DbError> {
    let after = after.map(|user| [Value::from(&user.name), Value::text(&user.id)]);
    let after = after.as_ref().map(|after| &after[..]);
    let rows = wanted(domain, params).page(ORDER, after, limit).fetch_all(conn).await?;
    rows.iter().map(read).collect()
}

const ORDER: &[SortKey] = &[SortKey::ascending("name"), SortKey::ascending("id")];

fn wanted(domain: Option<&DomainId>, params: &Params) -> Filter {
    let filter = Filter::new(SELECT).and_eq("domain_id", domain.map(Value::text));
    let columns = [("name", "name"), ("default_project_id", "default_project_id")];
    crate::listing::by_enabled(crate::listing::by_text(filter, params, &columns), params, "enabled")
}

/// Stores a new one.
pub(crate) async fn insert(conn: &mut Connection, user: &User) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO identity_user (id, domain_id, name, enabled, default_project_id, password_hash, password_changed_at, \
         password_expires_at, options, extra, created_at, generation) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 1)",
    )
    .bind(user.id.as_str())
    .bind(user.domain_id.as_str())
    .bind(&user.name)
    .bind(flag(user.enabled))
    .bind(user.default_project_id.as_ref().map(ToString::to_string))
    .bind(user.password_hash.clone())
    .bind(user.password_changed_at.map(|moment| moment.0))
    .bind(user.password_expires_at.map(|moment| moment.0))
    .bind(json(&user.options))
    .bind(json(&user.extra))
    .bind(user.created_at.0)
    .execute(conn)
    .await?;
    Ok(())
}

/// Stores a changed one, if nobody else changed it.
pub(crate) async fn update(conn: &mut Connection, user: &User) -> Result<(), IdentityError> {
    let done = sqlx::query(
        "UPDATE identity_user SET name = $1, enabled = $2, default_project_id = $3, password_hash = $4, \
         password_changed_at = $5, password_expires_at = $6, options = $7, extra = $8, generation = generation + 1 \
         WHERE id = $9 AND generation = $10",
    )
    .bind(&user.name)
    .bind(flag(user.enabled))
    .bind(user.default_project_id.as_ref().map(ToString::to_string))
    .bind(user.password_hash.clone())
    .bind(user.password_changed_at.map(|moment| moment.0))
    .bind(user.password_expires_at.map(|moment| moment.0))
    .bind(json(&user.options))
    .bind(json(&user.extra))
    .bind(user.id.as_str())
    .bind(user.generation)
    .execute(conn)
    .await?;
    changed(done.rows_affected(), "user", user.id.as_str())
}

/// Deletes one with memberships, roles and credentials.
pub(crate) async fn delete(conn: &mut Connection, id: &UserId) -> Result<(), DbError> {
    crate::app_credential::store::delete_of_user(conn, id).await?;
    crate::trust::store::delete_of_user(conn, id).await?;
    for sql in [
        "DELETE FROM identity_assignment WHERE actor_type = 'user' AND actor_id = $1",
        "DELETE FROM identity_credential WHERE user_id = $1",
        "DELETE FROM identity_membership WHERE user_id = $1",
        "DELETE FROM identity_user WHERE id = $1",
    ] {
        sqlx::query(sql).bind(id.as_str()).execute(&mut *conn).await?;
    }
    Ok(())
}

/// Deletes all of a domain.
pub(crate) async fn delete_of_domain(conn: &mut Connection, domain: &DomainId) -> Result<(), DbError> {
    for user in list(conn, Some(domain), None, &Params::default()).await? {
        delete(conn, &user.id).await?;
    }
    Ok(())
}
