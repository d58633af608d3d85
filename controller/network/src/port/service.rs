//! Rules of ports.

use super::{
    allocate::{self, Asker, Wanted},
    model::{AddressPair, DhcpOption, FLOATING_IP, Port, ROUTER_GATEWAY, ROUTER_INTERFACE, SERVICE, Status},
    store, wire,
};
use crate::{
    address::mac,
    attributes::Attributes,
    error::{Error, Result},
    floating_ip,
    network::{self, model::Network},
    quota, security_group,
    service::{Caller, Change},
    standard::{Standard, check_written},
    subnet::{self, model::Subnet},
};
use controller_base::id::{HostId, NetworkId, PortId, SecurityGroupId};
use controller_ports::fleet::net::FixedIp;
use serde_json::{Map, Value};

/// How many random hardware addresses are tried.
const MAC_TRIES: u32 = 16;

/// A port to be made.
#[derive(Clone, Debug)]
pub struct NewPort {
    /// Owner, name, times.
    pub standard: Standard,
    /// Its network.
    pub network_id: NetworkId,
    /// Hardware address; `None`: a random one.
    pub mac: Option<String>,
    /// Whether its link is up.
    pub admin_up: bool,
    /// Its state to begin with.
    pub status: Status,
    /// What is plugged in.
    pub device_id: String,
    /// What kind of thing that is.
    pub device_owner: String,
    /// Name of its host.
    pub hostname: String,
    /// Its host.
    pub host_id: Option<HostId>,
    /// `normal` unless the client says otherwise.
    pub vnic_type: String,
    /// What administrators note down.
    pub profile: Map<String, Value>,
    /// `None`: as the network has it.
    pub port_security: Option<bool>,
    /// Further sources.
    pub address_pairs: Vec<AddressPair>,
    /// DHCP options.
    pub dhcp_options: Vec<DhcpOption>,
    /// Name in the DNS.
    pub dns_name: String,
    /// Place among its server's interfaces.
    pub position: i64,
    /// Goes when its server goes.
    pub made_for_server: bool,
    /// Addresses; `None`: one of each family.
    pub fixed_ips: Option<Vec<Wanted>>,
    /// Groups; `None`: the project's default group.
    pub groups: Option<Vec<SecurityGroupId>>,
}

impl NewPort {
    /// With nothing asked for.
    #[must_use]
    pub fn new(standard: Standard, network_id: NetworkId) -> Self {
        Self {
            standard,
            network_id,
            mac: None,
            admin_up: true,
            status: Status::Down,
            device_id: String::new(),
            device_owner: String::new(),
            hostname: String::new(),
            host_id: None,
            vnic_type: "normal".to_owned(),
            profile: Map::new(),
            port_security: None,
            address_pairs: Vec::new(),
            dhcp_options: Vec::new(),
            dns_name: String::new(),
            position: 0,
            made_for_server: false,
            fixed_ips: None,
            groups: None,
        }
    }
}

/// Owners that only the service itself gives to ports: whoever could name a router as device would plug into it.
const RESERVED: [&str; 4] = [ROUTER_INTERFACE, ROUTER_GATEWAY, FLOATING_IP, SERVICE];

/// A new port on behalf of a tenant.
pub async fn create_for_tenant(change: &mut Change, caller: &Caller, new: NewPort) -> Result<Port> {
    if RESERVED.contains(&new.device_owner.as_str()) {
        return Err(Error::UnsupportedPortDeviceOwner("create port", new.device_owner, new.network_id.to_string()));
    }
    create(change, caller, new).await
}

/// What is plugged in by a server, a router or the service is unplugged by these alone.
fn refuse_device_change(port: &Port, attributes: &Attributes) -> Result<()> {
    let device = attributes.text("device_id").is_some_and(|id| id != port.device_id);
    let owner = attributes.text("device_owner").filter(|owner| *owner != port.device_owner);
    if owner.as_ref().is_some_and(|owner| RESERVED.contains(&owner.as_str())) {
        let owner = owner.unwrap_or_default();
        return Err(Error::UnsupportedPortDeviceOwner("update port", owner, port.id.to_string()));
    }
    let held = port.host_id.is_some() || RESERVED.contains(&port.device_owner.as_str());
    if held && (device || owner.is_some()) {
        let (id, network) = (port.id.to_string(), port.network_id.to_string());
        return Err(Error::PortInUse(id, network, port.device_id.clone()));
    }
    Ok(())
}

/// A new port.
pub async fn create(change: &mut Change, caller: &Caller, new: NewPort) -> Result<Port> {
    network::service::require_visible(change, caller, new.network_id).await?;
    let network = network::store::lock(change.conn(), new.network_id).await?;
    let subnets = subnet::store::of_network(change.conn(), network.id).await?;
    create_in(change, caller, &network, &subnets, new).await
}

/// The same in a network that the caller sees and that is locked, with its subnets.
pub async fn create_in(
    change: &mut Change,
    caller: &Caller,
    network: &Network,
    subnets: &[Subnet],
    new: NewPort,
) -> Result<Port> {
    if new.device_owner != SERVICE {
        quota::check(change, new.standard.project_id.as_ref(), "port", 1).await?;
    }
    let mac = choose_mac(change, &new).await?;
    let asker = Asker { network, subnets, mac: &mac, device_owner: &new.device_owner, current: &[] };
    let fixed_ips = allocate::choose(change.conn(), &asker, new.fixed_ips.as_deref()).await?;
    let port_security = new.port_security.unwrap_or(network.port_security);
    let groups = choose_groups(change, caller, &new, port_security, !fixed_ips.is_empty()).await?;
    let port = Port {
        id: PortId::random(),
        standard: new.standard,
        network_id: network.id,
        network: network.into(),
        mac,
        admin_up: new.admin_up,
        status: new.status,
        device_id: new.device_id,
        device_owner: new.device_owner,
        hostname: new.hostname,
        host_id: new.host_id,
        vnic_type: new.vnic_type,
        profile: new.profile,
        port_security,
        address_pairs: new.address_pairs,
        dhcp_options: new.dhcp_options,
        dns_name: new.dns_name,
        position: new.position,
        made_for_server: new.made_for_server,
        fixed_ips,
        groups,
    };
    check_pairs(change, &port)?;
    store::insert(change.conn(), &port).await?;
    change.touch_new_port(&port).await?;
    Ok(port)
}

async fn choose_mac(change: &mut Change, new: &NewPort) -> Result<String> {
    if let Some(mac) = &new.mac {
        return Ok(mac.clone());
    }
    for _ in 0..MAC_TRIES {
        let mac = mac::random(&mut rand::rng());
        if !store::mac_taken(change.conn(), new.network_id, &mac).await? {
            return Ok(mac);
        }
    }
    Err(Error::NetworkMacAddressGenerationFailure(new.network_id.to_string()))
}

async fn choose_groups(
    change: &mut Change,
    caller: &Caller,
    new: &NewPort,
    port_security: bool,
    has_address: bool,
) -> Result<Vec<SecurityGroupId>> {
    match &new.groups {
        Some(groups) if groups.is_empty() => Ok(Vec::new()),
        Some(_) if !port_security => Err(Error::PortSecurityAndIPRequiredForSecurityGroups),
        Some(groups) => {
            security_group::service::require_all(change, caller, new.standard.project_id.as_ref(), groups).await?;
            Ok(groups.clone())
        }
        None if !port_security || new.device_owner.starts_with("network:") => Ok(Vec::new()),
        None => {
            let default = security_group::service::ensure_default(change, new.standard.project_id.as_ref()).await?;
            Ok(default.into_iter().filter(|_| has_address).collect())
        }
    }
}

fn check_pairs(change: &Change, port: &Port) -> Result<()> {
    let most = change.service.config().max_allowed_address_pairs;
    if port.address_pairs.len() > most {
        return Err(Error::AllowedAddressPairExhausted(most));
    }
    if !port.address_pairs.is_empty() && !port.port_security {
        return Err(Error::AddressPairAndPortSecurityRequired);
    }
    for (index, pair) in port.address_pairs.iter().enumerate() {
        if port.address_pairs[..index].contains(pair) {
            let mac = pair.mac_address.as_deref().unwrap_or(&port.mac);
            return Err(Error::DuplicateAddressPairInRequest(mac.to_owned(), pair.ip_address.clone()));
        }
    }
    Ok(())
}

/// A changed port.
pub async fn update(change: &mut Change, caller: &Caller, id: PortId, attributes: &Attributes) -> Result<Port> {
    let mut port = store::require(change.conn(), id).await?;
    network::store::lock(change.conn(), port.network_id).await?;
    refuse_device_change(&port, attributes)?;
    change.touch_port(&port).await?;
    port.standard.apply(attributes);
    if let Some(mac) = attributes.text("mac_address") {
        change_mac(&mut port, mac)?;
    }
    wire::apply(attributes, &mut port);
    if attributes.was_given("fixed_ips") {
        let wanted = wire::wanted_addresses(attributes).unwrap_or_default();
        change_addresses(change, &mut port, &wanted).await?;
    }
    change_security(change, caller, &mut port, attributes).await?;
    check_pairs(change, &port)?;
    let seen = port.standard.advance(change.now);
    check_written(store::update(change.conn(), &port, seen).await?)?;
    store::write_groups(change.conn(), &port).await?;
    change.touch_port(&port).await?;
    Ok(port)
}

fn change_mac(port: &mut Port, mac: String) -> Result<()> {
    if mac != port.mac && port.host_id.is_some() {
        return Err(Error::PortBound(port.id.to_string(), port.mac.clone(), mac));
    }
    port.mac = mac;
    Ok(())
}

/// Gives the port these addresses; those that it keeps stay the same. Floating IPs of lost addresses are freed.
pub async fn change_addresses(change: &mut Change, port: &mut Port, wanted: &[Wanted]) -> Result<()> {
    let network = network::store::require(change.conn(), port.network_id).await?;
    let subnets = subnet::store::of_network(change.conn(), port.network_id).await?;
    subnet::store::release_port(change.conn(), port.id).await?;
    let before = std::mem::take(&mut port.fixed_ips);
    let asker = Asker {
        network: &network,
        subnets: &subnets,
        mac: &port.mac,
        device_owner: &port.device_owner,
        current: &before,
    };
    let chosen = allocate::choose(change.conn(), &asker, Some(wanted)).await?;
    port.fixed_ips = chosen;
    store::write_addresses(change.conn(), port).await?;
    for lost in before.iter().filter(|fixed| !port.fixed_ips.contains(fixed)) {
        floating_ip::service::free_address(change, port.id, lost.address).await?;
    }
    Ok(())
}

async fn change_security(change: &mut Change, caller: &Caller, port: &mut Port, attributes: &Attributes) -> Result<()> {
    attributes.copy_flag("port_security_enabled", &mut port.port_security);
    if attributes.was_given("security_groups") {
        let groups: Vec<SecurityGroupId> = attributes.list("security_groups").unwrap_or_default();
        let added: Vec<_> = groups.iter().filter(|group| !port.groups.contains(group)).copied().collect();
        security_group::service::require_all(change, caller, port.standard.project_id.as_ref(), &added).await?;
        if !groups.is_empty() && !port.port_security {
            return Err(Error::PortSecurityAndIPRequiredForSecurityGroups);
        }
        port.groups = groups;
    }
    if !port.port_security && !port.groups.is_empty() {
        return Err(Error::PortSecurityPortHasSecurityGroup);
    }
    Ok(())
}

/// Removes a port on behalf of a tenant: those of routers and floating IPs are refused.
pub async fn delete(change: &mut Change, id: PortId) -> Result<()> {
    let port = store::require(change.conn(), id).await?;
    if port.is_l3_port() {
        return Err(Error::ServicePortInUse(id.to_string(), format!("has device owner {}", port.device_owner)));
    }
    remove(change, &port).await
}

/// Removes a port, whatever it is; its floating IPs are freed.
pub async fn remove(change: &mut Change, port: &Port) -> Result<()> {
    network::store::lock(change.conn(), port.network_id).await?;
    change.touch_port(port).await?;
    floating_ip::service::free_port(change, port.id).await?;
    store::delete(change.conn(), port.id).await
}

/// On a new subnet where ports form addresses by themselves, those that are there already get theirs.
pub async fn add_auto_addresses(change: &mut Change, subnet: &Subnet) -> Result<()> {
    if !subnet.is_auto_address() {
        return Ok(());
    }
    for mut port in store::of_network(change.conn(), subnet.network_id).await? {
        if port.device_owner.starts_with("network:") || !subnet.serves(&port.device_owner) {
            continue;
        }
        let Some(address) = allocate::auto_address(subnet, &port.mac) else { continue };
        port.fixed_ips.push(FixedIp { subnet_id: subnet.id, address });
        store::write_addresses(change.conn(), &port).await?;
        let seen = port.standard.advance(change.now);
        check_written(store::update(change.conn(), &port, seen).await?)?;
        change.touch_port(&port).await?;
    }
    Ok(())
}
