//! The SQL of quotas.

use super::model::{Limits, Usage};
use crate::row::Reader;
use controller_base::id::ProjectId;
use controller_db::{Connection, DbError};

/// The project's limits: its own where it has some, else the defaults.
pub(crate) async fn limits(
    connection: &mut Connection,
    project: &ProjectId,
    defaults: &Limits,
) -> Result<Limits, DbError> {
    let rows = sqlx::query("SELECT resource, amount FROM compute_quota WHERE project_id = $1")
        .bind(project.to_string())
        .fetch_all(connection)
        .await?;
    let mut limits = defaults.clone();
    for row in &rows {
        let mut row = Reader::new(row);
        let (name, amount) = (row.text()?, row.int()?);
        limits.set(&name, amount);
    }
    Ok(limits)
}

pub(crate) async fn set(
    connection: &mut Connection,
    project: &ProjectId,
    resource: &str,
    amount: i64,
) -> Result<(), DbError> {
    let upsert = "INSERT INTO compute_quota (project_id, resource, amount) VALUES ($1, $2, $3) \
        ON CONFLICT (project_id, resource) DO UPDATE SET amount = excluded.amount";
    sqlx::query(upsert).bind(project.to_string()).bind(resource.to_owned()).bind(amount).execute(connection).await?;
    Ok(())
}

/// Back to the defaults.
pub(crate) async fn reset(connection: &mut Connection, project: &ProjectId) -> Result<(), DbError> {
    sqlx::query("DELETE FROM compute_quota WHERE project_id = $1")
        .bind(project.to_string())
        .execute(connection)
        .await?;
    Ok(())
}

/// The project's limits, and what it has now.
pub(crate) async fn limits_and_usage(
    connection: &mut Connection,
    project: &ProjectId,
    defaults: &Limits,
) -> Result<(Limits, Usage), DbError> {
    let select = "SELECT COUNT(*), CAST(COALESCE(SUM(vcpus), 0) AS BIGINT), CAST(COALESCE(SUM(memory_mib), 0) AS BIGINT), \
        (SELECT COUNT(*) FROM compute_server_group WHERE project_id = $1), \
        (SELECT string_agg(resource || ' ' || amount, ',') FROM compute_quota WHERE project_id = $1) \
        FROM compute_server WHERE project_id = $1 AND deleted_at IS NULL";
    let row = sqlx::query(select).bind(project.to_string()).fetch_one(connection).await?;
    let mut row = Reader::new(&row);
    let usage = Usage { instances: row.int()?, cores: row.int()?, ram: row.int()?, server_groups: row.int()? };
    let mut limits = defaults.clone();
    for own in row.text_or_null()?.iter().flat_map(|all| all.split(',')) {
        if let Some((name, amount)) = own.split_once(' ') {
            limits.set(name, amount.parse().map_err(|error| DbError::corrupt("amount", error))?);
        }
    }
    Ok((limits, usage))
}
