//! The groups' and rules' rows.

use super::model::{Rule, SecurityGroup};
use crate::{
    error::{Error, Result},
    sql::{self, Cells, Columns, Param},
    standard::Standard,
};
use controller_base::id::{SecurityGroupId, SecurityGroupRuleId};
use controller_db::{Connection, DbError, Filter, Value};
use sqlx::any::AnyRow;
use std::{collections::HashMap, net::IpAddr};

/// The start of a list of groups.
pub const SELECT: &str = "SELECT * FROM network_security_group";
/// The start of a list of rules.
pub const SELECT_RULES: &str = "SELECT * FROM network_security_group_rule";

fn from_row(row: &AnyRow) -> Result<SecurityGroup> {
    Ok(SecurityGroup {
        id: row.parsed("id")?,
        standard: Standard::from_row(row)?,
        stateful: row.flag("stateful")?,
        rules: Vec::new(),
    })
}

fn columns(group: &SecurityGroup) -> Columns {
    let mut columns = group.standard.columns();
    columns.push(("stateful", group.stateful.into()));
    columns
}

fn port_number(row: &AnyRow, column: &str) -> Result<Option<u16>> {
    let number = row.maybe_int(column)?;
    Ok(number.map(u16::try_from).transpose().map_err(|error| DbError::corrupt(column, error))?)
}

fn rule_from_row(row: &AnyRow) -> Result<Rule> {
    Ok(Rule {
        id: row.parsed("id")?,
        standard: Standard::from_row(row)?,
        group_id: row.parsed("group_id")?,
        ingress: row.text("direction")? == "ingress",
        ipv6: row.text("ethertype")? == "IPv6",
        protocol: row.maybe_text("protocol")?,
        port_min: port_number(row, "port_min")?,
        port_max: port_number(row, "port_max")?,
        remote_prefix: row.maybe_parsed("remote_prefix")?,
        remote_group_id: row.maybe_parsed("remote_group_id")?,
    })
}

/// All groups that the filter lets through, with their rules.
pub async fn list(conn: &mut Connection, filter: Filter) -> Result<Vec<SecurityGroup>> {
    let rows = filter.fetch_all(conn).await?;
    let mut groups = rows.iter().map(from_row).collect::<Result<Vec<_>>>()?;
    for chunk in groups.chunks_mut(500) {
        let ids: Vec<Value> = chunk.iter().map(|group| Value::text(group.id)).collect();
        let filter = Filter::new(SELECT_RULES).and_in("group_id", ids).then("ORDER BY created_at, id");
        let mut rules: HashMap<SecurityGroupId, Vec<Rule>> = HashMap::new();
        for rule in list_rules(conn, filter).await? {
            rules.entry(rule.group_id).or_default().push(rule);
        }
        for group in chunk {
            group.rules = rules.remove(&group.id).unwrap_or_default();
        }
    }
    Ok(groups)
}

/// All rules that the filter lets through.
pub async fn list_rules(conn: &mut Connection, filter: Filter) -> Result<Vec<Rule>> {
    filter.fetch_all(conn).await?.iter().map(rule_from_row).collect()
}

/// One group.
pub async fn get(conn: &mut Connection, id: SecurityGroupId) -> Result<Option<SecurityGroup>> {
    Ok(list(conn, Filter::new(SELECT).and_eq("id", Some(id.to_string()))).await?.pop())
}

/// One rule.
pub async fn get_rule(conn: &mut Connection, id: SecurityGroupRuleId) -> Result<Option<Rule>> {
    Ok(list_rules(conn, Filter::new(SELECT_RULES).and_eq("id", Some(id.to_string()))).await?.pop())
}

/// One group that must be there.
pub async fn require(conn: &mut Connection, id: SecurityGroupId) -> Result<SecurityGroup> {
    get(conn, id).await?.ok_or_else(|| Error::SecurityGroupNotFound(id.to_string()))
}

/// A new group with its rules.
pub async fn insert(conn: &mut Connection, group: &SecurityGroup) -> Result<()> {
    let mut columns = columns(group);
    columns.push(("id", Param::text(group.id)));
    sql::insert(conn, "network_security_group", columns).await?;
    for rule in &group.rules {
        insert_rule(conn, rule).await?;
    }
    Ok(())
}

/// Writes it back without its rules; false when another request changed it since generation `seen`.
pub async fn update(conn: &mut Connection, group: &SecurityGroup, seen: i64) -> Result<bool> {
    sql::update(conn, "network_security_group", Param::text(group.id), seen, columns(group)).await
}

/// Notes that its rules changed.
pub async fn advance(conn: &mut Connection, id: SecurityGroupId, now: i64) -> Result<()> {
    let sql = "UPDATE network_security_group SET generation = generation + 1, updated_at = $1 WHERE id = $2";
    sql::run(conn, sql, [Param::Int(now), Param::text(id)]).await.map(drop)
}

/// Removes a group with its rules, and those that name it.
pub async fn delete(conn: &mut Connection, id: SecurityGroupId) -> Result<()> {
    let rules = "DELETE FROM network_security_group_rule WHERE group_id = $1 OR remote_group_id = $1";
    sql::run(conn, rules, [Param::text(id)]).await?;
    sql::run(conn, "DELETE FROM network_security_group WHERE id = $1", [Param::text(id)]).await.map(drop)
}

/// A new rule.
pub async fn insert_rule(conn: &mut Connection, rule: &Rule) -> Result<()> {
    let mut columns = rule.standard.columns();
    columns.extend([
        ("id", Param::text(rule.id)),
        ("group_id", Param::text(rule.group_id)),
        ("direction", rule.direction().into()),
        ("ethertype", rule.ethertype().into()),
        ("protocol", Param::maybe_text(rule.protocol.as_ref())),
        ("port_min", Param::maybe_int(rule.port_min)),
        ("port_max", Param::maybe_int(rule.port_max)),
        ("remote_prefix", Param::maybe_text(rule.remote_prefix)),
        ("remote_group_id", Param::maybe_text(rule.remote_group_id)),
    ]);
    sql::insert(conn, "network_security_group_rule", columns).await
}

/// Removes a rule.
pub async fn delete_rule(conn: &mut Connection, id: SecurityGroupRuleId) -> Result<()> {
    sql::run(conn, "DELETE FROM network_security_group_rule WHERE id = $1", [Param::text(id)]).await.map(drop)
}

/// Whether a port has the group.
pub async fn in_use(conn: &mut Connection, id: SecurityGroupId) -> Result<bool> {
    sql::exists(conn, "SELECT group_id FROM network_port_group WHERE group_id = $1", [Param::text(id)]).await
}

/// Other groups with rules that name this one.
pub async fn named_by(conn: &mut Connection, id: SecurityGroupId) -> Result<Vec<SecurityGroupId>> {
    let sql = "SELECT DISTINCT group_id FROM network_security_group_rule WHERE remote_group_id = $1 AND group_id <> $1";
    sql::ids(conn, sql, [Param::text(id)]).await
}

/// Addresses of all ports in the group.
pub async fn member_addresses(conn: &mut Connection, id: SecurityGroupId) -> Result<Vec<IpAddr>> {
    let sql = "SELECT DISTINCT a.address FROM network_address a JOIN network_port_group g ON g.port_id = a.port_id \
               WHERE g.group_id = $1 ORDER BY a.address";
    let rows = sql::all(conn, sql, [Param::text(id)]).await?;
    rows.iter().map(|row| row.parsed("address")).collect()
}

/// A project's default group.
pub async fn default_group(conn: &mut Connection, project: &str) -> Result<Option<SecurityGroupId>> {
    let sql = "SELECT default_group_id FROM network_project WHERE id = $1";
    match sql::first(conn, sql, [Param::from(project)]).await? {
        Some(row) => row.maybe_parsed("default_group_id"),
        None => Ok(None),
    }
}

/// Notes a project's default group.
pub async fn set_default_group(conn: &mut Connection, project: &str, id: SecurityGroupId) -> Result<()> {
    let sql = "UPDATE network_project SET default_group_id = $1 WHERE id = $2";
    sql::run(conn, sql, [Param::text(id), Param::from(project)]).await.map(drop)
}
