//! SQL of credentials and policy blobs. A credential's blob arrives and leaves sealed.

use super::{Credential, PolicyBlob};
use crate::{IdentityError, project::store::changed};
use controller_base::id::ProjectId;
use controller_db::{AnyRow, Connection, DbError, Filter, Row, SortKey, Value, from_json, json};
use controller_web::Params;

const CREDENTIALS: &str =
    "SELECT id, user_id, project_id, type, encrypted_blob, extra, generation FROM identity_credential";
const POLICIES: &str = "SELECT id, type, blob, extra, generation FROM identity_policy";

fn credential(row: &AnyRow) -> Result<Credential, DbError> {
    let user: String = row.try_get("user_id")?;
    let project: Option<String> = row.try_get("project_id")?;
    Ok(Credential {
        id: row.try_get("id")?,
        user_id: user.parse().map_err(|error| DbError::corrupt("user_id", error))?,
        project_id: project.and_then(|id| id.parse().ok()),
        kind: row.try_get("type")?,
        blob: row.try_get("encrypted_blob")?,
        extra: from_json("extra", row.try_get("extra")?)?,
        generation: row.try_get("generation")?,
    })
}

fn policy(row: &AnyRow) -> Result<PolicyBlob, DbError> {
    Ok(PolicyBlob {
        id: row.try_get("id")?,
        kind: row.try_get("type")?,
        blob: row.try_get("blob")?,
        extra: from_json("extra", row.try_get("extra")?)?,
        generation: row.try_get("generation")?,
    })
}

/// A credential by id.
pub(crate) async fn get(conn: &mut Connection, id: &str) -> Result<Option<Credential>, DbError> {
    let found = Filter::new(CREDENTIALS).and("id = ?", [Value::from(id)]).fetch_optional(conn).await?;
    found.as_ref().map(credential).transpose()
}

/// Credentials by user and type.
pub(crate) async fn list(conn: &mut Connection, params: &Params) -> Result<Vec<Credential>, DbError> {
    let filter = Filter::new(CREDENTIALS)
        .and_eq("user_id", params.get("user_id"))
        .and_eq("project_id", params.get("project_id"))
        .and_eq("type", params.get("type"));
    let rows = filter.page(&[SortKey::ascending("id")], None, None).fetch_all(conn).await?;
    rows.iter().map(credential).collect()
}

/// Stores a new credential.
pub(crate) async fn insert(conn: &mut Connection, credential: &Credential, key_hash: &str) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO identity_credential (id, user_id, project_id, type, encrypted_blob, extra, key_hash, generation) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, 1)",
    )
    .bind(&credential.id)
    .bind(credential.user_id.as_str())
    .bind(credential.project_id.as_ref().map(ProjectId::to_string))
    .bind(&credential.kind)
    .bind(&credential.blob)
    .bind(json(&credential.extra))
    .bind(key_hash)
    .execute(conn)
    .await?;
    Ok(())
}

/// Credentials that were sealed with another key, still sealed.
pub(crate) async fn sealed_otherwise(conn: &mut Connection, key_hash: &str) -> Result<Vec<Credential>, DbError> {
    let filter = Filter::new(CREDENTIALS).and("key_hash <> ?", [Value::from(key_hash)]);
    filter.fetch_all(conn).await?.iter().map(credential).collect()
}

/// Stores a changed credential, if nobody else changed it.
pub(crate) async fn update(
    conn: &mut Connection,
    credential: &Credential,
    key_hash: &str,
) -> Result<(), IdentityError> {
    let done = sqlx::query(
        "UPDATE identity_credential SET project_id = $1, type = $2, encrypted_blob = $3, extra = $4, \
         generation = generation + 1, key_hash = $7 WHERE id = $5 AND generation = $6",
    )
    .bind(credential.project_id.as_ref().map(ProjectId::to_string))
    .bind(&credential.kind)
    .bind(&credential.blob)
    .bind(json(&credential.extra))
    .bind(&credential.id)
    .bind(credential.generation)
    .bind(key_hash)
    .execute(conn)
    .await?;
    changed(done.rows_affected(), "credential", &credential.id)
}

/// Deletes a credential.
pub(crate) async fn delete(conn: &mut Connection, id: &str) -> Result<(), DbError> {
    sqlx::query("DELETE FROM identity_credential WHERE id = $1").bind(id).execute(conn).await?;
    Ok(())
}

/// A policy blob by id.
pub(crate) async fn get_policy(conn: &mut Connection, id: &str) -> Result<Option<PolicyBlob>, DbError> {
    let found = Filter::new(POLICIES).and("id = ?", [Value::from(id)]).fetch_optional(conn).await?;
    found.as_ref().map(policy).transpose()
}

/// Policy blobs by type.
pub(crate) async fn list_policies(conn: &mut Connection, params: &Params) -> Result<Vec<PolicyBlob>, DbError> {
    let filter = Filter::new(POLICIES).and_eq("type", params.get("type"));
    filter.page(&[SortKey::ascending("id")], None, None).fetch_all(conn).await?.iter().map(policy).collect()
}

/// Stores a new policy blob, or replaces it.
pub(crate) async fn put_policy(conn: &mut Connection, policy: &PolicyBlob) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO identity_policy (id, type, blob, extra, generation) VALUES ($1, $2, $3, $4, 1) \
         ON CONFLICT (id) DO UPDATE SET type = excluded.type, blob = excluded.blob, extra = excluded.extra, \
         generation = identity_policy.generation + 1",
    )
    .bind(&policy.id)
    .bind(&policy.kind)
    .bind(&policy.blob)
    .bind(json(&policy.extra))
    .execute(conn)
    .await?;
    Ok(())
}

/// Deletes a policy blob.
pub(crate) async fn delete_policy(conn: &mut Connection, id: &str) -> Result<(), DbError> {
    sqlx::query("DELETE FROM identity_policy WHERE id = $1").bind(id).execute(conn).await?;
    Ok(())
}
