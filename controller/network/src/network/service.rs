//! Rules of networks.

use super::{
    model::{Network, Segment, WantedSegment},
    store, visible, wire,
};
use crate::{
    attributes::Attributes,
    error::{Error, Result},
    floating_ip,
    port::{
        self,
        model::{AUTO_DELETED, ROUTER_GATEWAY},
    },
    quota, security_group,
    service::{Caller, Change},
    sql::{self, Param},
    standard::{Standard, check_written},
    subnet,
};
use controller_base::id::NetworkId;

/// A new network.
pub async fn create(change: &mut Change, attributes: &Attributes) -> Result<Network> {
    let standard = Standard::from_attributes(attributes, change.now);
    quota::check(change, standard.project_id.as_ref(), "network", 1).await?;
    security_group::service::ensure_default(change, standard.project_id.as_ref()).await?;
    let segment = choose_segment(change, &wire::wanted_segment(attributes)).await?;
    let most = largest_mtu(change, &segment);
    let network = Network {
        id: NetworkId::random(),
        admin_up: attributes.flag("admin_state_up").unwrap_or(true),
        shared: attributes.flag("shared").unwrap_or(false),
        external: attributes.flag("router:external").unwrap_or(false),
        is_default: attributes.flag("is_default").unwrap_or(false),
        port_security: attributes.flag("port_security_enabled").unwrap_or(true),
        mtu: checked_mtu(attributes.integer("mtu"), most)?.unwrap_or(most),
        dns_domain: attributes.text("dns_domain").unwrap_or_default(),
        segment,
        subnets: Vec::new(),
        standard,
    };
    store::insert(change.conn(), &network).await?;
    Ok(network)
}

fn largest_mtu(change: &Change, segment: &Segment) -> u32 {
    let config = change.service.config();
    match segment {
        Segment::Overlay { .. } => config.physical_mtu.saturating_sub(config.overlay_overhead),
        Segment::Flat { .. } | Segment::Vlan { .. } => config.physical_mtu,
    }
}

/// 0 stands for the largest one.
fn checked_mtu(wanted: Option<i64>, most: u32) -> Result<Option<u32>> {
    match wanted.filter(|mtu| *mtu != 0).map(u32::try_from) {
        None => Ok(None),
        Some(Ok(mtu)) if mtu <= most => Ok(Some(mtu)),
        Some(_) => Err(Error::InvalidInput(format!("Requested MTU is too big, maximum is {most}"))),
    }
}

async fn choose_segment(change: &mut Change, wanted: &WantedSegment) -> Result<Segment> {
    let segment = match (wanted.kind.as_deref(), wanted.number) {
        (None | Some("vxlan"), None) => free_overlay(change).await?,
        (None, Some(_)) => return Err(Error::InvalidInput("network_type required".into())),
        (Some("vxlan"), Some(vni)) => overlay(wanted, vni)?,
        (Some(kind), number) => physical(change, wanted, kind, number)?,
    };
    if wanted.kind.is_none() && wanted.physical_network.is_some() {
        return Err(Error::InvalidInput("network_type required".into()));
    }
    if store::segment_taken(change.conn(), &segment).await? {
        return Err(match segment {
            Segment::Overlay { vni } => Error::TunnelIdInUse(vni.to_string()),
            Segment::Flat { physical_network } => Error::FlatNetworkInUse(physical_network),
            Segment::Vlan { physical_network, vlan_id } => Error::VlanIdInUse(vlan_id.to_string(), physical_network),
        });
    }
    Ok(segment)
}

async fn free_overlay(change: &mut Change) -> Result<Segment> {
    let (first, last) = (change.service.config().vni_first, change.service.config().vni_last);
    let vni = store::free_vni(change.conn(), first, last).await?.ok_or(Error::NoNetworkAvailable)?;
    Ok(Segment::Overlay { vni })
}

fn overlay(wanted: &WantedSegment, vni: u32) -> Result<Segment> {
    if wanted.physical_network.is_some() {
        return Err(Error::InvalidInput("provider:physical_network specified for vxlan network".into()));
    }
    if !(1..=0x00ff_ffff).contains(&vni) {
        return Err(Error::InvalidInput(format!("{vni} is no VNI: it must be 1 to 16777215")));
    }
    Ok(Segment::Overlay { vni })
}

fn physical(change: &Change, wanted: &WantedSegment, kind: &str, number: Option<u32>) -> Result<Segment> {
    if !matches!(kind, "flat" | "vlan") {
        return Err(Error::InvalidInput(format!("network_type value '{kind}' not supported")));
    }
    let Some(physical_network) = wanted.physical_network.clone() else {
        return Err(Error::InvalidInput(format!("physical_network required for {kind} provider network")));
    };
    let known = &change.service.config().physical_networks;
    if !known.is_empty() && !known.contains(&physical_network) {
        return Err(Error::InvalidInput(format!(
            "physical_network '{physical_network}' unknown for {kind} provider network"
        )));
    }
    match (kind, number.map(u16::try_from)) {
        ("flat", None) => Ok(Segment::Flat { physical_network }),
        ("flat", Some(_)) => Err(Error::InvalidInput("segmentation_id prohibited for flat provider network".into())),
        ("vlan", Some(Ok(vlan_id @ 1..=4094))) => Ok(Segment::Vlan { physical_network, vlan_id }),
        ("vlan", None) => Err(Error::InvalidInput("segmentation_id required for VLAN provider network".into())),
        _ => Err(Error::InvalidInput("segmentation_id out of range (1 through 4094)".into())),
    }
}

/// A changed network.
pub async fn update(change: &mut Change, id: NetworkId, attributes: &Attributes) -> Result<Network> {
    let mut network = store::require(change.conn(), id).await?;
    refuse_segment_change(&network, attributes)?;
    if network.shared && attributes.flag("shared") == Some(false) {
        refuse_while_others_use(change, &network).await?;
    }
    if network.external && attributes.flag("router:external") == Some(false) {
        refuse_while_gateway(change, id).await?;
    }
    network.standard.apply(attributes);
    attributes.copy_flag("admin_state_up", &mut network.admin_up);
    attributes.copy_flag("shared", &mut network.shared);
    attributes.copy_flag("router:external", &mut network.external);
    attributes.copy_flag("is_default", &mut network.is_default);
    attributes.copy_flag("port_security_enabled", &mut network.port_security);
    attributes.copy_text("dns_domain", &mut network.dns_domain);
    let most = largest_mtu(change, &network.segment);
    if attributes.was_given("mtu") {
        network.mtu = checked_mtu(attributes.integer("mtu"), most)?.unwrap_or(most);
    }
    let seen = network.standard.advance(change.now);
    check_written(store::update(change.conn(), &network, seen).await?)?;
    change.touch_network(id).await?;
    Ok(network)
}

fn refuse_segment_change(network: &Network, attributes: &Attributes) -> Result<()> {
    let wanted = wire::wanted_segment(attributes);
    let same = wanted.kind.is_none_or(|kind| kind == network.segment.kind())
        && wanted.physical_network.is_none_or(|name| Some(name.as_str()) == network.segment.physical_network())
        && wanted.number.is_none_or(|number| Some(number) == network.segment.number());
    if same { Ok(()) } else { Err(Error::InvalidInput("Plugin does not support updating provider attributes".into())) }
}

async fn refuse_while_others_use(change: &mut Change, network: &Network) -> Result<()> {
    let sql = "SELECT id FROM network_port WHERE network_id = $1 AND project_id <> $2 AND project_id <> '' \
               UNION SELECT id FROM network_subnet WHERE network_id = $1 AND project_id <> $2";
    let params = [Param::text(network.id), network.standard.project_text().into()];
    if !network.external && sql::exists(change.conn(), sql, params).await? {
        return Err(Error::InvalidSharedSetting(network.id.to_string()));
    }
    Ok(())
}

async fn refuse_while_gateway(change: &mut Change, id: NetworkId) -> Result<()> {
    let sql = "SELECT id FROM network_port WHERE network_id = $1 AND device_owner = $2";
    if sql::exists(change.conn(), sql, [Param::text(id), ROUTER_GATEWAY.into()]).await? {
        return Err(Error::ExternalNetworkInUse(id.to_string()));
    }
    Ok(())
}

/// Removes a network with its subnets, the ports that the service made there, and floating IPs that are lent to nobody.
pub async fn delete(change: &mut Change, id: NetworkId) -> Result<()> {
    store::lock(change.conn(), id).await?;
    floating_ip::service::delete_idle(change, id).await?;
    let ports = port::store::of_network(change.conn(), id).await?;
    if ports.iter().any(|port| !AUTO_DELETED.contains(&port.device_owner.as_str())) {
        return Err(Error::NetworkInUse(id.to_string(), "There are one or more ports still in use on the network"));
    }
    change.touch_network(id).await?;
    for port in ports {
        port::store::delete(change.conn(), port.id).await?;
    }
    for subnet in subnet::store::of_network(change.conn(), id).await? {
        subnet::store::delete(change.conn(), subnet.id).await?;
    }
    store::delete(change.conn(), id).await
}

/// The network, if the caller may use it.
pub async fn require_visible(change: &mut Change, caller: &Caller, id: NetworkId) -> Result<Network> {
    let network = store::require(change.conn(), id).await?;
    if visible(&network, caller) { Ok(network) } else { Err(Error::NetworkNotFound(id.to_string())) }
}
