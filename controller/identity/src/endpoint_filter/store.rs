//! SQL of what projects see of the catalog.

use super::EndpointGroup;
use crate::{IdentityError, project::store::changed};
use controller_base::id::{EndpointId, ProjectId};
use controller_db::{AnyRow, Connection, DbError, Filter, Row, SortKey, Value, from_json, json};
use controller_web::Params;
use sqlx::AssertSqlSafe;

const GROUPS: &str = "SELECT id, name, description, filters, generation FROM identity_endpoint_group";

/// The two things that can be given to projects: an endpoint or a group.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Given {
    Endpoint,
    Group,
}

impl Given {
    /// Table and column.
    fn place(self) -> (&'static str, &'static str) {
        match self {
            Self::Endpoint => ("identity_project_endpoint", "endpoint_id"),
            Self::Group => ("identity_project_endpoint_group", "endpoint_group_id"),
        }
    }
}

fn read(row: &AnyRow) -> Result<EndpointGroup, DbError> {
    Ok(EndpointGroup {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        description: row.try_get("description")?,
        filters: from_json("filters", row.try_get("filters")?)?,
        generation: row.try_get("generation")?,
    })
}

/// A group by id.
pub(crate) async fn get(conn: &mut Connection, id: &str) -> Result<Option<EndpointGroup>, DbError> {
    Filter::new(GROUPS).and("id = ?", [Value::from(id)]).fetch_optional(conn).await?.as_ref().map(read).transpose()
}

/// Groups, all or by name.
pub(crate) async fn list(conn: &mut Connection, params: &Params) -> Result<Vec<EndpointGroup>, DbError> {
    let filter = crate::listing::by_text(Filter::new(GROUPS), params, &[("name", "name")]);
    filter.page(&[SortKey::ascending("id")], None, None).fetch_all(conn).await?.iter().map(read).collect()
}

/// The groups that a project was given.
pub(crate) async fn list_of_project(conn: &mut Connection, project: &ProjectId) -> Result<Vec<EndpointGroup>, DbError> {
    let given = "id IN (SELECT endpoint_group_id FROM identity_project_endpoint_group WHERE project_id = ?)";
    let filter = Filter::new(GROUPS).and(given, [Value::text(project)]);
    filter.page(&[SortKey::ascending("id")], None, None).fetch_all(conn).await?.iter().map(read).collect()
}

/// Stores a new group.
pub(crate) async fn insert(conn: &mut Connection, group: &EndpointGroup) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO identity_endpoint_group (id, name, description, filters, generation) VALUES ($1, $2, $3, $4, 1)",
    )
    .bind(&group.id)
    .bind(&group.name)
    .bind(group.description.clone())
    .bind(json(&group.filters))
    .execute(conn)
    .await?;
    Ok(())
}

/// Stores a changed group, if nobody else changed it.
pub(crate) async fn update(conn: &mut Connection, group: &EndpointGroup) -> Result<(), IdentityError> {
    let done = sqlx::query(
        "UPDATE identity_endpoint_group SET name = $1, description = $2, filters = $3, generation = generation + 1 \
         WHERE id = $4 AND generation = $5",
    )
    .bind(&group.name)
    .bind(group.description.clone())
    .bind(json(&group.filters))
    .bind(&group.id)
    .bind(group.generation)
    .execute(conn)
    .await?;
    changed(done.rows_affected(), "endpoint_group", &group.id)
}

/// Deletes a group; projects lose it.
pub(crate) async fn delete(conn: &mut Connection, id: &str) -> Result<(), DbError> {
    sqlx::query("DELETE FROM identity_endpoint_group WHERE id = $1").bind(id).execute(conn).await?;
    Ok(())
}

/// Gives something to a project; harmless when it has it.
pub(crate) async fn give(conn: &mut Connection, what: Given, id: &str, project: &ProjectId) -> Result<(), DbError> {
    let (table, column) = what.place();
    let sql = format!("INSERT INTO {table} (project_id, {column}) VALUES ($1, $2) ON CONFLICT DO NOTHING");
    sqlx::query(AssertSqlSafe(sql)).bind(project.as_str()).bind(id).execute(conn).await?;
    Ok(())
}

/// Takes it back; false when the project did not have it.
pub(crate) async fn take(conn: &mut Connection, what: Given, id: &str, project: &ProjectId) -> Result<bool, DbError> {
    let (table, column) = what.place();
    let sql = format!("DELETE FROM {table} WHERE project_id = $1 AND {column} = $2");
    let done = sqlx::query(AssertSqlSafe(sql)).bind(project.as_str()).bind(id).execute(conn).await?;
    Ok(done.rows_affected() == 1)
}

/// The projects that something was given to.
pub(crate) async fn projects_with(conn: &mut Connection, what: Given, id: &str) -> Result<Vec<String>, DbError> {
    let (table, column) = what.place();
    let sql = format!("SELECT project_id FROM {table} WHERE {column} = $1 ORDER BY project_id");
    let rows = sqlx::query(AssertSqlSafe(sql)).bind(id).fetch_all(conn).await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// The single endpoints that a project was given.
pub(crate) async fn endpoints_of(conn: &mut Connection, project: &ProjectId) -> Result<Vec<EndpointId>, DbError> {
    let query = sqlx::query("SELECT endpoint_id FROM identity_project_endpoint WHERE project_id = $1");
    let id = |row: &AnyRow| -> Result<EndpointId, DbError> {
        let text: String = row.try_get(0)?;
        text.parse().map_err(|error| DbError::corrupt("endpoint_id", error))
    };
    query.bind(project.as_str()).fetch_all(conn).await?.iter().map(id).collect()
}
