//! SQL of projects and domains.

use super::Project;
use crate::IdentityError;
use controller_base::id::{DomainId, ProjectId};
use controller_db::{AnyRow, Connection, DbError, Filter, Row, SortKey, Value, flag, from_json, is_set, json};
use controller_web::Params;

const SELECT: &str = "SELECT id, domain_id, parent_id, name, description, enabled, is_domain, tags, options, extra, generation \
     FROM identity_project";

fn read(row: &AnyRow) -> Result<Project, DbError> {
    let id = |name: &str, text: String| text.parse().map_err(|error| DbError::corrupt(name, error));
    let domain: String = row.try_get("domain_id")?;
    let parent: Option<String> = row.try_get("parent_id")?;
    Ok(Project {
        id: id("id", row.try_get("id")?)?,
        domain_id: match domain.as_str() {
            "" => None,
            text => Some(text.parse().map_err(|error| DbError::corrupt("domain_id", error))?),
        },
        parent_id: parent.map(|text| id("parent_id", text)).transpose()?,
        name: row.try_get("name")?,
        description: row.try_get("description")?,
        enabled: is_set(row.try_get("enabled")?),
        is_domain: is_set(row.try_get("is_domain")?),
        tags: from_json("tags", row.try_get("tags")?)?,
        options: from_json("options", row.try_get("options")?)?,
        extra: from_json("extra", row.try_get("extra")?)?,
        generation: row.try_get("generation")?,
    })
}

async fn one(conn: &mut Connection, filter: Filter) -> Result<Option<Project>, DbError> {
    filter.fetch_optional(conn).await?.as_ref().map(read).transpose()
}

/// A project or domain by its id.
pub(crate) async fn get(conn: &mut Connection, id: &ProjectId) -> Result<Option<Project>, DbError> {
    let sql = "SELECT id, domain_id, parent_id, name, description, enabled, is_domain, tags, options, extra, generation \
               FROM identity_project WHERE id = $1";
    sqlx::query(sql).bind(id.as_str()).fetch_optional(conn).await?.as_ref().map(read).transpose()
}

/// A domain by its id.
pub(crate) async fn get_domain(conn: &mut Connection, id: &DomainId) -> Result<Option<Project>, DbError> {
    let filter = Filter::new(SELECT).and_eq("id", Some(Value::text(id))).and("is_domain = 1", []);
    one(conn, filter).await
}

/// A project by its name.
pub(crate) async fn find(conn: &mut Connection, domain: &DomainId, name: &str) -> Result<Option<Project>, DbError> {
    let filter = Filter::new(SELECT).and("domain_id = ? AND name = ?", [Value::text(domain), Value::from(name)]);
    one(conn, filter).await
}

/// A domain by its name.
pub(crate) async fn find_domain(conn: &mut Connection, name: &str) -> Result<Option<Project>, DbError> {
    one(conn, Filter::new(SELECT).and("domain_id = '' AND name = ?", [Value::from(name)])).await
}

/// Projects or domains by what a request asks for.
pub(crate) async fn list(
    conn: &mut Connection,
    domains: bool,
    domain: Option<&DomainId>,
    params: &Params,
) -> Result<Vec<Project>, DbError> {
    let mut filter = Filter::new(SELECT).and("is_domain = ?", [Value::from(domains)]);
    filter = filter.and_eq("domain_id", domain.map(Value::text));
    filter = filter.and_eq("parent_id", params.get("parent_id"));
    filter = crate::listing::by_text(filter, params, &[("name", "name"), ("description", "description")]);
    filter = crate::listing::by_enabled(filter, params, "enabled");
    let rows = filter.page(&[SortKey::ascending("name"), SortKey::ascending("id")], None, None).fetch_all(conn).await?;
    rows.iter().map(read).collect()
}

/// Those of these ids that exist.
pub(crate) async fn list_ids(conn: &mut Connection, ids: &[String]) -> Result<Vec<Project>, DbError> {
    let filter = Filter::new(SELECT).and_in("id", ids.iter().map(Value::from));
    let rows = filter.page(&[SortKey::ascending("name"), SortKey::ascending("id")], None, None).fetch_all(conn).await?;
    rows.iter().map(read).collect()
}

/// The children of a project; for a domain the projects that it owns.
pub(crate) async fn has_children(conn: &mut Connection, id: &ProjectId) -> Result<bool, DbError> {
    let query = sqlx::query("SELECT id FROM identity_project WHERE parent_id = $1 LIMIT 1");
    Ok(query.bind(id.as_str()).fetch_optional(conn).await?.is_some())
}

/// Everything below a project (not itself), parents before children.
pub(crate) async fn subtree(conn: &mut Connection, id: &ProjectId) -> Result<Vec<ProjectId>, DbError> {
    let sql = "WITH RECURSIVE below (id, depth) AS (\
               SELECT id, 1 FROM identity_project WHERE parent_id = $1 \
               UNION ALL SELECT p.id, below.depth + 1 FROM identity_project p JOIN below ON p.parent_id = below.id) \
               SELECT id FROM below ORDER BY depth, id";
    ids(sqlx::query(sql).bind(id.as_str()).fetch_all(conn).await?)
}

/// Everything above a project (not itself), nearest first, its domain included.
pub(crate) async fn parents(conn: &mut Connection, id: &ProjectId) -> Result<Vec<ProjectId>, DbError> {
    let sql = "WITH RECURSIVE above (id, depth) AS (\
               SELECT parent_id, 1 FROM identity_project WHERE id = $1 AND parent_id IS NOT NULL \
               UNION ALL SELECT p.parent_id, above.depth + 1 FROM identity_project p JOIN above ON p.id = above.id \
               WHERE p.parent_id IS NOT NULL) \
               SELECT id FROM above ORDER BY depth";
    ids(sqlx::query(sql).bind(id.as_str()).fetch_all(conn).await?)
}

fn ids(rows: Vec<AnyRow>) -> Result<Vec<ProjectId>, DbError> {
    let id = |row: &AnyRow| -> Result<ProjectId, DbError> {
        let text: String = row.try_get(0)?;
        text.parse().map_err(|error| DbError::corrupt("id", error))
    };
    rows.iter().map(id).collect()
}

/// Stores a new one.
pub(crate) async fn insert(conn: &mut Connection, project: &Project) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO identity_project (id, domain_id, parent_id, name, description, enabled, is_domain, tags, options, extra, \
         generation) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 1)",
    )
    .bind(project.id.as_str())
    .bind(project.domain_id.as_ref().map_or("", DomainId::as_str))
    .bind(project.parent_id.as_ref().map(ToString::to_string))
    .bind(&project.name)
    .bind(&project.description)
    .bind(flag(project.enabled))
    .bind(flag(project.is_domain))
    .bind(json(&project.tags))
    .bind(json(&project.options))
    .bind(json(&project.extra))
    .execute(conn)
    .await?;
    Ok(())
}

/// Stores a changed one, if nobody else changed it.
pub(crate) async fn update(conn: &mut Connection, project: &Project) -> Result<(), IdentityError> {
    let done = sqlx::query(
        "UPDATE identity_project SET name = $1, description = $2, enabled = $3, tags = $4, options = $5, extra = $6, \
         generation = generation + 1 WHERE id = $7 AND generation = $8",
    )
    .bind(&project.name)
    .bind(&project.description)
    .bind(flag(project.enabled))
    .bind(json(&project.tags))
    .bind(json(&project.options))
    .bind(json(&project.extra))
    .bind(project.id.as_str())
    .bind(project.generation)
    .execute(conn)
    .await?;
    changed(done.rows_affected(), "project", project.id.as_str())
}

/// Enables or disables everything below a project.
pub(crate) async fn enable_below(conn: &mut Connection, id: &ProjectId, enabled: bool) -> Result<(), DbError> {
    for below in subtree(conn, id).await? {
        sqlx::query("UPDATE identity_project SET enabled = $1, generation = generation + 1 WHERE id = $2")
            .bind(flag(enabled))
            .bind(below.as_str())
            .execute(&mut *conn)
            .await?;
    }
    Ok(())
}

/// Deletes one with the roles on it.
pub(crate) async fn delete(conn: &mut Connection, id: &ProjectId) -> Result<(), DbError> {
    crate::app_credential::store::delete_of_project(conn, id).await?;
    crate::trust::store::delete_of_project(conn, id).await?;
    for sql in [
        "DELETE FROM identity_assignment WHERE target_id = $1 AND target_type IN ('project', 'domain')",
        "DELETE FROM identity_credential WHERE project_id = $1",
        "DELETE FROM identity_limit WHERE project_id = $1 OR domain_id = $1",
        "UPDATE identity_user SET default_project_id = NULL WHERE default_project_id = $1",
        "DELETE FROM identity_project WHERE id = $1",
    ] {
        sqlx::query(sql).bind(id.as_str()).execute(&mut *conn).await?;
    }
    Ok(())
}

/// A changed row that was not there in the expected generation.
pub(crate) fn changed(rows: u64, kind: &'static str, id: &str) -> Result<(), IdentityError> {
    if rows == 1 {
        return Ok(());
    }
    Err(IdentityError::Conflict { kind, details: format!("{id} was changed by somebody else at the same time") })
}
