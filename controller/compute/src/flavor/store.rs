//! The SQL of flavors.

use super::model::Flavor;
use crate::row::Reader;
use controller_base::Timestamp;
use controller_base::id::{FlavorId, ProjectId};
use controller_db::{AnyRow, Connection, DbError, Filter, SortKey, Value, flag, json};

const SELECT: &str = "SELECT id, name, vcpus, memory_mib, root_gib, ephemeral_gib, swap_mib, rxtx_factor, is_public, \
    description, extra_specs, created_at FROM compute_flavor";

/// Whose flavors are wanted.
#[derive(Clone, Debug, Default)]
pub(crate) struct ListFilter {
    /// Only those that this project may use; `None`: all.
    pub(crate) usable_by: Option<ProjectId>,
    /// Only public ones, or only others.
    pub(crate) is_public: Option<bool>,
    /// At least so much memory.
    pub(crate) min_memory_mib: Option<i64>,
    /// At least so large a root disk.
    pub(crate) min_root_gib: Option<i64>,
}

/// The column behind one of Nova's sort keys.
pub(crate) fn sort_column(key: &str) -> Option<&'static str> {
    Some(match key {
        "flavorid" => "id",
        "name" => "name",
        "memory_mb" => "memory_mib",
        "vcpus" => "vcpus",
        "root_gb" => "root_gib",
        "ephemeral_gb" => "ephemeral_gib",
        "swap" => "swap_mib",
        "is_public" => "is_public",
        "created_at" | "updated_at" | "id" => "created_at",
        "rxtx_factor" => "rxtx_factor",
        "description" => "COALESCE(description, '')",
        _ => return None,
    })
}

pub(crate) async fn list(
    connection: &mut Connection,
    filter: &ListFilter,
    keys: &[SortKey],
    marker: Option<&FlavorId>,
    limit: Option<u32>,
) -> Result<Option<Vec<Flavor>>, DbError> {
    let after = match marker {
        None => None,
        Some(marker) => match sort_values(connection, keys, marker).await? {
            Some(values) => Some(values),
            None => return Ok(None),
        },
    };
    let mut select = Filter::new(SELECT).and_eq("is_public", filter.is_public).and("1 = 1", []);
    if let Some(project) = &filter.usable_by {
        let mine = "is_public = 1 OR id IN (SELECT flavor_id FROM compute_flavor_access WHERE project_id = ?)";
        select = select.and(mine, [Value::text(project)]);
    }
    if let Some(least) = filter.min_memory_mib {
        select = select.and("memory_mib >= ?", [Value::Int(least)]);
    }
    if let Some(least) = filter.min_root_gib {
        select = select.and("root_gib >= ?", [Value::Int(least)]);
    }
    let rows = select.page(keys, after.as_deref(), limit).fetch_all(connection).await?;
    rows.iter().map(read).collect::<Result<_, _>>().map(Some)
}

async fn sort_values(
    connection: &mut Connection,
    keys: &[SortKey],
    marker: &FlavorId,
) -> Result<Option<Vec<Value>>, DbError> {
    let Some(flavor) = get(connection, marker).await? else {
        return Ok(None);
    };
    let value = |key: &SortKey| match key.expression {
        "id" => Value::text(&flavor.id),
        "name" => Value::from(&flavor.name),
        "memory_mib" => Value::Int(stored(flavor.memory_mib)),
        "vcpus" => Value::Int(i64::from(flavor.vcpus)),
        "root_gib" => Value::Int(stored(flavor.root_gib)),
        "ephemeral_gib" => Value::Int(stored(flavor.ephemeral_gib)),
        "swap_mib" => Value::Int(stored(flavor.swap_mib)),
        "is_public" => Value::from(flavor.is_public),
        "created_at" => Value::Int(flavor.created_at.0),
        "rxtx_factor" => Value::text(flavor.rxtx_factor),
        _ => Value::from(flavor.description.clone().unwrap_or_default()),
    };
    Ok(Some(keys.iter().map(value).collect()))
}

pub(crate) async fn get(connection: &mut Connection, id: &FlavorId) -> Result<Option<Flavor>, DbError> {
    let row = Filter::new(SELECT).and_eq("id", Some(Value::text(id))).fetch_optional(connection).await?;
    row.as_ref().map(read).transpose()
}

/// Whether the project may use it though it is not public.
pub(crate) async fn has_access(
    connection: &mut Connection,
    flavor: &FlavorId,
    project: &ProjectId,
) -> Result<bool, DbError> {
    let select = "SELECT project_id FROM compute_flavor_access WHERE flavor_id = $1 AND project_id = $2";
    let row = sqlx::query(select).bind(flavor.to_string()).bind(project.to_string()).fetch_optional(connection).await?;
    Ok(row.is_some())
}

pub(crate) async fn insert(connection: &mut Connection, flavor: &Flavor) -> Result<(), DbError> {
    let insert = "INSERT INTO compute_flavor (id, name, vcpus, memory_mib, root_gib, ephemeral_gib, swap_mib, rxtx_factor, \
        is_public, description, extra_specs, created_at, generation) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 1)";
    sqlx::query(insert)
        .bind(flavor.id.to_string())
        .bind(flavor.name.clone())
        .bind(i64::from(flavor.vcpus))
        .bind(stored(flavor.memory_mib))
        .bind(stored(flavor.root_gib))
        .bind(stored(flavor.ephemeral_gib))
        .bind(stored(flavor.swap_mib))
        .bind(flavor.rxtx_factor.to_string())
        .bind(flag(flavor.is_public))
        .bind(flavor.description.clone())
        .bind(json(&flavor.extra_specs))
        .bind(flavor.created_at.0)
        .execute(connection)
        .await?;
    Ok(())
}

/// Writes description and extra specs.
pub(crate) async fn update(connection: &mut Connection, flavor: &Flavor) -> Result<(), DbError> {
    let update =
        "UPDATE compute_flavor SET description = $2, extra_specs = $3, generation = generation + 1 WHERE id = $1";
    sqlx::query(update)
        .bind(flavor.id.to_string())
        .bind(flavor.description.clone())
        .bind(json(&flavor.extra_specs))
        .execute(connection)
        .await?;
    Ok(())
}

/// False: there was none.
pub(crate) async fn delete(connection: &mut Connection, id: &FlavorId) -> Result<bool, DbError> {
    let done = sqlx::query("DELETE FROM compute_flavor WHERE id = $1").bind(id.to_string()).execute(connection).await?;
    Ok(done.rows_affected() == 1)
}

pub(crate) async fn access(connection: &mut Connection, id: &FlavorId) -> Result<Vec<String>, DbError> {
    let select = "SELECT project_id FROM compute_flavor_access WHERE flavor_id = $1 ORDER BY project_id";
    let rows = sqlx::query(select).bind(id.to_string()).fetch_all(connection).await?;
    rows.iter().map(|row| Reader::new(row).text()).collect()
}

pub(crate) async fn add_access(connection: &mut Connection, id: &FlavorId, project: &ProjectId) -> Result<(), DbError> {
    sqlx::query("INSERT INTO compute_flavor_access (flavor_id, project_id) VALUES ($1, $2)")
        .bind(id.to_string())
        .bind(project.to_string())
        .execute(connection)
        .await?;
    Ok(())
}

/// False: there was none.
pub(crate) async fn remove_access(
    connection: &mut Connection,
    id: &FlavorId,
    project: &ProjectId,
) -> Result<bool, DbError> {
    let done = sqlx::query("DELETE FROM compute_flavor_access WHERE flavor_id = $1 AND project_id = $2")
        .bind(id.to_string())
        .bind(project.to_string())
        .execute(connection)
        .await?;
    Ok(done.rows_affected() == 1)
}

fn read(row: &AnyRow) -> Result<Flavor, DbError> {
    let mut row = Reader::new(row);
    Ok(Flavor {
        id: row.parsed()?,
        name: row.text()?,
        vcpus: row.amount()?,
        memory_mib: row.amount()?,
        root_gib: row.amount()?,
        ephemeral_gib: row.amount()?,
        swap_mib: row.amount()?,
        rxtx_factor: row.parsed()?,
        is_public: row.flag()?,
        description: row.text_or_null()?,
        extra_specs: row.json()?,
        created_at: Timestamp(row.int()?),
    })
}

fn stored(amount: u64) -> i64 {
    i64::try_from(amount).unwrap_or(i64::MAX)
}
