//! SQL of domains' configurations.

use super::Options;
use controller_base::id::DomainId;
use controller_db::{Connection, DbError, Row, from_json, json};
use serde_json::Value;

/// All options of a domain, the secret ones included.
pub(crate) async fn list(conn: &mut Connection, domain: &DomainId) -> Result<Options, DbError> {
    let rows = sqlx::query(
        "SELECT group_name, option_name, value FROM identity_domain_config WHERE domain_id = $1 \
         ORDER BY group_name, option_name",
    )
    .bind(domain.as_str())
    .fetch_all(conn)
    .await?;
    let mut options = Options::new();
    for row in rows {
        let group: String = row.try_get(0)?;
        options.entry(group).or_default().insert(row.try_get(1)?, from_json("value", row.try_get(2)?)?);
    }
    Ok(options)
}

/// Sets one option.
pub(crate) async fn put(
    conn: &mut Connection,
    domain: &DomainId,
    group: &str,
    option: &str,
    value: &Value,
) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO identity_domain_config (domain_id, group_name, option_name, value) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (domain_id, group_name, option_name) DO UPDATE SET value = excluded.value",
    )
    .bind(domain.as_str())
    .bind(group)
    .bind(option)
    .bind(json(value))
    .execute(conn)
    .await?;
    Ok(())
}

/// Forgets one option.
pub(crate) async fn delete(conn: &mut Connection, domain: &DomainId, group: &str, option: &str) -> Result<(), DbError> {
    sqlx::query("DELETE FROM identity_domain_config WHERE domain_id = $1 AND group_name = $2 AND option_name = $3")
        .bind(domain.as_str())
        .bind(group)
        .bind(option)
        .execute(conn)
        .await?;
    Ok(())
}

/// Forgets all of a domain.
pub(crate) async fn delete_of_domain(conn: &mut Connection, domain: &DomainId) -> Result<(), DbError> {
    sqlx::query("DELETE FROM identity_domain_config WHERE domain_id = $1").bind(domain.as_str()).execute(conn).await?;
    Ok(())
}

/// The domains that set this option.
pub(crate) async fn domains_with(conn: &mut Connection, group: &str, option: &str) -> Result<Vec<DomainId>, DbError> {
    let rows = sqlx::query(
        "SELECT domain_id FROM identity_domain_config WHERE group_name = $1 AND option_name = $2 ORDER BY domain_id",
    )
    .bind(group)
    .bind(option)
    .fetch_all(conn)
    .await?;
    let id = |row| -> Result<DomainId, DbError> {
        let text: String = controller_db::AnyRow::try_get(row, 0)?;
        text.parse().map_err(|error| DbError::corrupt("domain_id", error))
    };
    rows.iter().map(id).collect()
}
