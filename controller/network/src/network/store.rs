//! The networks' rows.

use super::model::{Network, Segment, Surroundings};
use crate::{
    error::{Error, Result},
    sql::{self, Cells, Columns, Param},
    standard::Standard,
};
use controller_base::id::NetworkId;
use controller_db::{Connection, DbError, Filter};
use sqlx::any::AnyRow;

/// The start of a list.
pub const SELECT: &str = "SELECT own.*, (SELECT string_agg(s.id, ',' ORDER BY s.created_at, s.id) FROM network_subnet s \
    WHERE s.network_id = own.id) AS subnets FROM network_network own";

/// Of a row that was joined with its network's.
pub fn surroundings(row: &AnyRow) -> Result<Surroundings> {
    Ok(Surroundings {
        owner: row.text("network_project_id")?.parse().ok(),
        shared: row.flag("network_shared")?,
        external: row.flag("network_external")?,
        dns_domain: row.text("network_dns_domain")?,
    })
}

fn from_row(row: &AnyRow) -> Result<Network> {
    let physical_network = row.text("physical_network")?;
    let number = row.int("segmentation_id")?;
    let out_of_range = |error| Error::from(DbError::corrupt("segmentation_id", error));
    let segment = match row.text("segment_kind")?.as_str() {
        "flat" => Segment::Flat { physical_network },
        "vlan" => Segment::Vlan { physical_network, vlan_id: u16::try_from(number).map_err(out_of_range)? },
        _ => Segment::Overlay { vni: u32::try_from(number).map_err(out_of_range)? },
    };
    Ok(Network {
        id: row.parsed("id")?,
        standard: Standard::from_row(row)?,
        admin_up: row.flag("admin_up")?,
        shared: row.flag("shared")?,
        external: row.flag("external")?,
        is_default: row.flag("is_default")?,
        port_security: row.flag("port_security")?,
        mtu: u32::try_from(row.int("mtu")?).map_err(|error| DbError::corrupt("mtu", error))?,
        dns_domain: row.text("dns_domain")?,
        segment,
        subnets: row.parsed_members("subnets")?,
    })
}

fn columns(network: &Network) -> Columns {
    let mut columns = network.standard.columns();
    columns.extend([
        ("admin_up", network.admin_up.into()),
        ("shared", network.shared.into()),
        ("external", network.external.into()),
        ("is_default", network.is_default.into()),
        ("port_security", network.port_security.into()),
        ("mtu", i64::from(network.mtu).into()),
        ("dns_domain", (&network.dns_domain).into()),
        ("segment_kind", network.segment.kind().into()),
        ("physical_network", network.segment.physical_network().unwrap_or_default().into()),
        ("segmentation_id", i64::from(network.segment.number().unwrap_or(0)).into()),
    ]);
    columns
}

/// All that the filter lets through, with their subnets.
pub async fn list(conn: &mut Connection, filter: Filter) -> Result<Vec<Network>> {
    filter.fetch_all(conn).await?.iter().map(from_row).collect()
}

/// One network.
pub async fn get(conn: &mut Connection, id: NetworkId) -> Result<Option<Network>> {
    let filter = Filter::new(SELECT).and_eq("id", Some(id.to_string()));
    Ok(list(conn, filter).await?.pop())
}

/// One that must be there.
pub async fn require(conn: &mut Connection, id: NetworkId) -> Result<Network> {
    get(conn, id).await?.ok_or_else(|| Error::NetworkNotFound(id.to_string()))
}

/// A new network.
pub async fn insert(conn: &mut Connection, network: &Network) -> Result<()> {
    let mut columns = columns(network);
    columns.extend([("id", Param::text(network.id)), ("allocations", Param::Int(0))]);
    sql::insert(conn, "network_network", columns).await
}

/// Writes it back; false when another request changed it since generation `seen`.
pub async fn update(conn: &mut Connection, network: &Network, seen: i64) -> Result<bool> {
    sql::update(conn, "network_network", Param::text(network.id), seen, columns(network)).await
}

/// Removes it.
pub async fn delete(conn: &mut Connection, id: NetworkId) -> Result<()> {
    sql::run(conn, "DELETE FROM network_network WHERE id = $1", [Param::text(id)]).await.map(drop)
}

/// Makes others who would hand out addresses on this network wait until this transaction ends. What is told of it is as it is now; but
/// of its subnets, whoever waited must ask again.
pub async fn lock(conn: &mut Connection, id: NetworkId) -> Result<Network> {
    let sql = "UPDATE network_network SET allocations = allocations + 1 WHERE id = $1 RETURNING *, \
               (SELECT string_agg(s.id, ',' ORDER BY s.created_at, s.id) FROM network_subnet s \
               WHERE s.network_id = network_network.id) AS subnets";
    let row = sql::first(conn, sql, [Param::text(id)]).await?;
    row.as_ref().map(from_row).transpose()?.ok_or_else(|| Error::NetworkNotFound(id.to_string()))
}

/// Whether a segment is taken.
pub async fn segment_taken(conn: &mut Connection, segment: &Segment) -> Result<bool> {
    let sql = "SELECT id FROM network_network \
               WHERE segment_kind = $1 AND physical_network = $2 AND segmentation_id = $3";
    let params = [
        Param::from(segment.kind()),
        segment.physical_network().unwrap_or_default().into(),
        i64::from(segment.number().unwrap_or(0)).into(),
    ];
    sql::exists(conn, sql, params).await
}

/// The lowest overlay number within the range that follows a taken one and is free.
pub async fn free_vni(conn: &mut Connection, first: u32, last: u32) -> Result<Option<u32>> {
    let start = Segment::Overlay { vni: first };
    if first <= last && !segment_taken(conn, &start).await? {
        return Ok(Some(first));
    }
    let sql = "SELECT MIN(n.segmentation_id + 1) FROM network_network n \
               WHERE n.segment_kind = 'vxlan' AND n.segmentation_id >= $1 AND n.segmentation_id < $2 AND NOT EXISTS \
               (SELECT 1 FROM network_network m WHERE m.segment_kind = 'vxlan' AND m.segmentation_id = n.segmentation_id + 1)";
    let row = sql::first(conn, sql, [Param::Int(i64::from(first)), Param::Int(i64::from(last))]).await?;
    let free: Option<i64> = match row {
        Some(row) => controller_db::Row::try_get(&row, 0).map_err(DbError::from)?,
        None => None,
    };
    Ok(free.and_then(|free| u32::try_from(free).ok()))
}
