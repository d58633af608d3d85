//! SQL of roles and implications.

use super::Role;
use crate::{IdentityError, project::store::changed};
use controller_base::id::{DomainId, RoleId};
use controller_db::{AnyRow, Connection, DbError, Filter, Row, SortKey, Value, from_json, json};
use controller_web::Params;

const SELECT: &str = "SELECT id, domain_id, name, description, options, extra, generation FROM identity_role";

fn read(row: &AnyRow) -> Result<Role, DbError> {
    let id: String = row.try_get("id")?;
    let domain: String = row.try_get("domain_id")?;
    Ok(Role {
        id: id.parse().map_err(|error| DbError::corrupt("id", error))?,
        domain_id: match domain.as_str() {
            "" => None,
            text => Some(text.parse().map_err(|error| DbError::corrupt("domain_id", error))?),
        },
        name: row.try_get("name")?,
        description: row.try_get("description")?,
        options: from_json("options", row.try_get("options")?)?,
        extra: from_json("extra", row.try_get("extra")?)?,
        generation: row.try_get("generation")?,
    })
}

/// A role by id.
pub(crate) async fn get(conn: &mut Connection, id: &RoleId) -> Result<Option<Role>, DbError> {
    let found = Filter::new(SELECT).and("id = ?", [Value::text(id)]).fetch_optional(conn).await?;
    found.as_ref().map(read).transpose()
}

/// A role that can be assigned everywhere, by name.
pub(crate) async fn find(conn: &mut Connection, name: &str) -> Result<Option<Role>, DbError> {
    let filter = Filter::new(SELECT).and("domain_id = '' AND name = ?", [Value::from(name)]);
    filter.fetch_optional(conn).await?.as_ref().map(read).transpose()
}

/// The roles of a domain, or those of none.
pub(crate) async fn list(conn: &mut Connection, domain: Option<&str>, params: &Params) -> Result<Vec<Role>, DbError> {
    let filter = Filter::new(SELECT).and("domain_id = ?", [Value::from(domain.unwrap_or_default())]);
    let filter = crate::listing::by_text(filter, params, &[("name", "name")]);
    let rows = filter.page(&[SortKey::ascending("name"), SortKey::ascending("id")], None, None).fetch_all(conn).await?;
    rows.iter().map(read).collect()
}

/// All roles: there are few.
pub(crate) async fn all(conn: &mut Connection) -> Result<Vec<Role>, DbError> {
    let rows = Filter::new(SELECT).page(&[SortKey::ascending("name"), SortKey::ascending("id")], None, None);
    rows.fetch_all(conn).await?.iter().map(read).collect()
}

/// Stores a new one.
pub(crate) async fn insert(conn: &mut Connection, role: &Role) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO identity_role (id, domain_id, name, description, options, extra, generation) \
         VALUES ($1, $2, $3, $4, $5, $6, 1)",
    )
    .bind(role.id.as_str())
    .bind(role.domain_id.as_ref().map_or("", DomainId::as_str))
    .bind(&role.name)
    .bind(role.description.clone())
    .bind(json(&role.options))
    .bind(json(&role.extra))
    .execute(conn)
    .await?;
    Ok(())
}

/// Stores a changed one, if nobody else changed it.
pub(crate) async fn update(conn: &mut Connection, role: &Role) -> Result<(), IdentityError> {
    let done = sqlx::query(
        "UPDATE identity_role SET name = $1, description = $2, options = $3, extra = $4, generation = generation + 1 \
         WHERE id = $5 AND generation = $6",
    )
    .bind(&role.name)
    .bind(role.description.clone())
    .bind(json(&role.options))
    .bind(json(&role.extra))
    .bind(role.id.as_str())
    .bind(role.generation)
    .execute(conn)
    .await?;
    changed(done.rows_affected(), "role", role.id.as_str())
}

/// Deletes one with its assignments and implications.
pub(crate) async fn delete(conn: &mut Connection, id: &RoleId) -> Result<(), DbError> {
    for sql in [
        "DELETE FROM identity_assignment WHERE role_id = $1",
        "DELETE FROM identity_implied_role WHERE prior_id = $1 OR implied_id = $1",
        "DELETE FROM identity_role WHERE id = $1",
    ] {
        sqlx::query(sql).bind(id.as_str()).execute(&mut *conn).await?;
    }
    Ok(())
}

/// Deletes all of a domain.
pub(crate) async fn delete_of_domain(conn: &mut Connection, domain: &DomainId) -> Result<(), DbError> {
    for role in list(conn, Some(domain.as_str()), &Params::default()).await? {
        delete(conn, &role.id).await?;
    }
    Ok(())
}

/// All implications: prior, implied.
pub(crate) async fn implications(conn: &mut Connection) -> Result<Vec<(RoleId, RoleId)>, DbError> {
    let rows = sqlx::query("SELECT prior_id, implied_id FROM identity_implied_role ORDER BY prior_id, implied_id");
    let id = |row: &AnyRow, index: usize| -> Result<RoleId, DbError> {
        let text: String = row.try_get(index)?;
        text.parse().map_err(|error| DbError::corrupt("role_id", error))
    };
    rows.fetch_all(conn).await?.iter().map(|row| Ok((id(row, 0)?, id(row, 1)?))).collect()
}

/// Lets one role imply another; harmless when it does.
pub(crate) async fn imply(conn: &mut Connection, prior: &RoleId, implied: &RoleId) -> Result<(), DbError> {
    sqlx::query("INSERT INTO identity_implied_role (prior_id, implied_id) VALUES ($1, $2) ON CONFLICT DO NOTHING")
        .bind(prior.as_str())
        .bind(implied.as_str())
        .execute(conn)
        .await?;
    Ok(())
}

/// Ends an implication; false when there was none.
pub(crate) async fn unimply(conn: &mut Connection, prior: &RoleId, implied: &RoleId) -> Result<bool, DbError> {
    let query = sqlx::query("DELETE FROM identity_implied_role WHERE prior_id = $1 AND implied_id = $2");
    Ok(query.bind(prior.as_str()).bind(implied.as_str()).execute(conn).await?.rows_affected() == 1)
}
