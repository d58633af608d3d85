//! SQL of what lives in directories: which id is whose, and the rows that make users and groups of it.

use crate::wire::Attributes;
use controller_base::{
    Timestamp,
    id::{DomainId, GroupId, UserId},
};
use controller_db::{Connection, DbError, Migration, Row, flag, json};

pub(crate) const TABLES: Migration = Migration {
    name: "0003_directories",
    sql: "CREATE TABLE identity_directory_entry (
    public_id TEXT PRIMARY KEY,
    domain_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    local_id TEXT NOT NULL,
    UNIQUE (domain_id, kind, local_id)
);
",
};

/// Notes whose id it is; harmless when it is noted.
pub(super) async fn note(
    conn: &mut Connection,
    id: &str,
    (domain, kind, local): (&DomainId, &str, &str),
) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO identity_directory_entry (public_id, domain_id, kind, local_id) VALUES ($1, $2, $3, $4) \
         ON CONFLICT DO NOTHING",
    )
    .bind(id)
    .bind(domain.as_str())
    .bind(kind)
    .bind(local)
    .execute(conn)
    .await?;
    Ok(())
}

/// The directory's own id behind one of ours.
pub(super) async fn local_id(conn: &mut Connection, id: &str) -> Result<Option<String>, DbError> {
    let query = sqlx::query("SELECT local_id FROM identity_directory_entry WHERE public_id = $1");
    query.bind(id).fetch_optional(conn).await?.map(|row| Ok(row.try_get(0)?)).transpose()
}

/// The ids of a domain's entries of a kind.
pub(super) async fn known(conn: &mut Connection, domain: &DomainId, kind: &str) -> Result<Vec<String>, DbError> {
    let query = sqlx::query("SELECT public_id FROM identity_directory_entry WHERE domain_id = $1 AND kind = $2");
    let rows = query.bind(domain.as_str()).bind(kind).fetch_all(conn).await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// A user as the directory has them.
pub(super) struct UserRow<'a> {
    pub id: &'a UserId,
    pub domain: &'a DomainId,
    pub name: &'a str,
    pub enabled: bool,
    pub extra: &'a Attributes,
}

/// Writes a user down; whoever else had the name does not have it any more. True when that changed something.
pub(super) async fn put_user(conn: &mut Connection, user: &UserRow<'_>, now: Timestamp) -> Result<bool, DbError> {
    let stored = sqlx::query("SELECT name, enabled, extra FROM identity_user WHERE id = $1")
        .bind(user.id.as_str())
        .fetch_optional(&mut *conn)
        .await?;
    let extra = json(user.extra);
    if let Some(row) = stored {
        let same = row.try_get::<String, _>(0)? == user.name
            && row.try_get::<i64, _>(1)? == flag(user.enabled)
            && row.try_get::<String, _>(2)? == extra;
        if same {
            return Ok(false);
        }
    }
    sqlx::query(
        "UPDATE identity_user SET name = name || '#' || id, enabled = 0, generation = generation + 1 \
         WHERE domain_id = $1 AND name = $2 AND id <> $3",
    )
    .bind(user.domain.as_str())
    .bind(user.name)
    .bind(user.id.as_str())
    .execute(&mut *conn)
    .await?;
    sqlx::query(
        "INSERT INTO identity_user (id, domain_id, name, enabled, options, extra, created_at, generation) \
         VALUES ($1, $2, $3, $4, '{}', $5, $6, 1) ON CONFLICT (id) DO UPDATE SET name = excluded.name, \
         enabled = excluded.enabled, extra = excluded.extra, generation = identity_user.generation + 1",
    )
    .bind(user.id.as_str())
    .bind(user.domain.as_str())
    .bind(user.name)
    .bind(flag(user.enabled))
    .bind(extra)
    .bind(now.0)
    .execute(conn)
    .await?;
    Ok(true)
}

/// Keeps a user out whom the directory does not have any more.
pub(super) async fn disable_user(conn: &mut Connection, id: &str) -> Result<bool, DbError> {
    let query =
        sqlx::query("UPDATE identity_user SET enabled = 0, generation = generation + 1 WHERE id = $1 AND enabled = 1");
    Ok(query.bind(id).execute(conn).await?.rows_affected() > 0)
}

/// A group as the directory has it.
pub(super) struct GroupRow<'a> {
    pub id: &'a GroupId,
    pub domain: &'a DomainId,
    pub name: &'a str,
    pub description: &'a str,
    pub extra: &'a Attributes,
}

/// Writes a group down; whichever else had the name does not have it any more.
pub(super) async fn put_group(conn: &mut Connection, group: &GroupRow<'_>) -> Result<(), DbError> {
    sqlx::query(
        "UPDATE identity_group SET name = name || '#' || id, generation = generation + 1 \
         WHERE domain_id = $1 AND name = $2 AND id <> $3",
    )
    .bind(group.domain.as_str())
    .bind(group.name)
    .bind(group.id.as_str())
    .execute(&mut *conn)
    .await?;
    sqlx::query(
        "INSERT INTO identity_group (id, domain_id, name, description, extra, generation) VALUES ($1, $2, $3, $4, $5, 1) \
         ON CONFLICT (id) DO UPDATE SET name = excluded.name, description = excluded.description, extra = excluded.extra, \
         generation = identity_group.generation + 1",
    )
    .bind(group.id.as_str())
    .bind(group.domain.as_str())
    .bind(group.name)
    .bind(group.description)
    .bind(json(group.extra))
    .execute(conn)
    .await?;
    Ok(())
}

/// Forgets a group and who was in it, but not its roles: they count again when the directory has the group again.
pub(super) async fn drop_group(conn: &mut Connection, id: &str) -> Result<bool, DbError> {
    sqlx::query("DELETE FROM identity_membership WHERE group_id = $1").bind(id).execute(&mut *conn).await?;
    let query = sqlx::query("DELETE FROM identity_group WHERE id = $1");
    Ok(query.bind(id).execute(conn).await?.rows_affected() > 0)
}

/// The groups of a domain's directory that a user is in.
pub(super) async fn groups_of(conn: &mut Connection, domain: &DomainId, user: &UserId) -> Result<Vec<String>, DbError> {
    let rows = sqlx::query(
        "SELECT m.group_id FROM identity_membership m JOIN identity_directory_entry e ON e.public_id = m.group_id \
         WHERE m.user_id = $1 AND e.domain_id = $2 AND e.kind = 'group'",
    )
    .bind(user.as_str())
    .bind(domain.as_str())
    .fetch_all(conn)
    .await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}
