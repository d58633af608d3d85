//! Small stand-ins for fleet, network, image and placement.

use async_trait::async_trait;
use bytes::Bytes;
use controller_base::Timestamp;
use controller_base::id::{HostId, ImageId, NetworkId, PortId, ProjectId, SecurityGroupId, ServerId};
use controller_db::Tx;
use controller_ports::Unavailable;
use controller_ports::fleet::{
    Admission, AskError, Fleet, Host, HostChange, HostChangeError, HostResources, Membership, ObjectKey,
};
use controller_ports::image::{Content, Image, Images};
use controller_ports::network::{AttachError, AttachRequest, AttachedPort, Networks, RequestedNic};
use controller_ports::placement::{ClaimError, Claimed, Constraints, Consumer, HostUsage, Placement, Resources};
use futures::stream::BoxStream;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Mutex;

/// What the host says of its uptime.
pub const UPTIME: &str = " 08:32:11 up 93 days, 18:25,  12 users,  load average: 0.20, 0.12, 0.14";
pub const IMAGE: &str = "11111111-2222-4333-8444-555555555555";
pub const KERNEL_IMAGE: &str = "21111111-2222-4333-8444-555555555555";
pub const QUEUED_IMAGE: &str = "31111111-2222-4333-8444-555555555555";
pub const NETWORK: &str = "41111111-2222-4333-8444-555555555555";
/// A flat network, on the physical network `public`.
pub const FLAT_NETWORK: &str = "61111111-2222-4333-8444-555555555555";
pub const FULL_NETWORK: &str = "51111111-2222-4333-8444-555555555555";
pub const HOST: &str = "00000000-0000-4000-8000-000000000001";

pub fn host() -> HostId {
    HOST.parse().unwrap()
}

/// One host that can be taken down.
#[derive(Default)]
pub struct FakeFleet {
    pub down: Mutex<bool>,
    pub touched: Mutex<Vec<ObjectKey>>,
    pub membership: Mutex<Membership>,
    pub physical_networks: Mutex<Vec<String>>,
}

#[async_trait]
impl Fleet for FakeFleet {
    fn touch(&self, _: HostId, key: ObjectKey) {
        self.touched.lock().unwrap().push(key);
    }
    async fn hosts(&self) -> Result<Vec<Host>, Unavailable> {
        Ok(self.host(host()).await?.into_iter().collect())
    }
    async fn host(&self, id: HostId) -> Result<Option<Host>, Unavailable> {
        Ok((id == host()).then(|| Host {
            id,
            hostname: "host-1".to_owned(),
            up: !*self.down.lock().unwrap(),
            last_seen: Timestamp(1_790_000_000_000_000),
            resources: HostResources { vcpus: 2, memory_mib: 4096, disk_gib: 100 },
            underlay_address: "192.0.2.1".to_owned(),
            physical_networks: self.physical_networks.lock().unwrap().clone(),
            version: "0.1.0".to_owned(),
            membership: self.membership.lock().unwrap().clone(),
        }))
    }
    async fn change_host(&self, id: HostId, change: HostChange) -> Result<(), HostChangeError> {
        let mut own = self.membership.lock().unwrap();
        match change {
            _ if id != host() => return Err(HostChangeError::NoSuchHost(id)),
            HostChange::Drain(reason) => (own.drained, own.reason) = (true, reason),
            HostChange::Undrain => (own.drained, own.reason) = (false, String::new()),
            HostChange::Fence(_) => own.admission = Admission::Fenced,
            HostChange::Approve | HostChange::Unfence => own.admission = Admission::Admitted,
            HostChange::Remove => {
                return Err(HostChangeError::InUse {
                    host: "host-1".to_owned(),
                    reason: "1 server is there".to_owned(),
                });
            }
        }
        Ok(())
    }
    async fn console_output(&self, _: HostId, _: ServerId, _: u64) -> Result<Vec<u8>, AskError> {
        Ok(b"one\ntwo\nthree\n".to_vec())
    }
    async fn uptime(&self, host: HostId) -> Result<String, AskError> {
        if *self.down.lock().unwrap() {
            return Err(AskError::NotConnected(host));
        }
        Ok(UPTIME.to_owned())
    }
    async fn audit(&self, _: HostId) -> Result<String, AskError> {
        Ok(String::new())
    }
}

/// Ports by server. `FULL_NETWORK` has no address left.
#[derive(Default)]
pub struct FakeNetworks {
    pub ports: Mutex<HashMap<ServerId, Vec<AttachedPort>>>,
    pub active: Mutex<Vec<ServerId>>,
}

#[async_trait]
impl Networks for FakeNetworks {
    async fn default_nics(&self, _: &ProjectId) -> Result<Vec<RequestedNic>, AttachError> {
        let id = NETWORK.parse().unwrap();
        Ok(vec![RequestedNic::Network { id, fixed_ip: None }])
    }
    async fn check(&self, _: &ProjectId, _: bool, nics: &[RequestedNic]) -> Result<BTreeSet<String>, AttachError> {
        let known = [NETWORK, FULL_NETWORK, FLAT_NETWORK];
        for nic in nics {
            match nic {
                RequestedNic::Network { id, .. } if known.contains(&id.to_string().as_str()) => {}
                RequestedNic::Network { id, .. } => return Err(AttachError::NetworkNotFound(*id)),
                RequestedNic::Port { id } => return Err(AttachError::PortInUse(*id)),
            }
        }
        let flat =
            |nic: &RequestedNic| matches!(nic, RequestedNic::Network { id, .. } if id.to_string() == FLAT_NETWORK);
        Ok(nics.iter().filter(|nic| flat(nic)).map(|_| "public".to_owned()).collect())
    }
    async fn security_groups(&self, _: &ProjectId, wanted: &[String]) -> Result<Vec<SecurityGroupId>, AttachError> {
        match wanted.iter().find(|name| *name != "web") {
            Some(name) => Err(AttachError::SecurityGroupNotFound(name.clone())),
            None => Ok(vec![SecurityGroupId::random()]),
        }
    }
    async fn attach(&self, tx: Tx, request: &AttachRequest) -> Result<Tx, AttachError> {
        let full: NetworkId = FULL_NETWORK.parse().unwrap();
        if request.nics.iter().any(|nic| matches!(nic, RequestedNic::Network { id, .. } if *id == full)) {
            return Err(AttachError::Exhausted(full));
        }
        self.ports.lock().unwrap().entry(request.server_id).or_insert_with(|| vec![port()]);
        Ok(tx)
    }
    async fn detach(&self, server: ServerId) -> Result<(), Unavailable> {
        self.ports.lock().unwrap().remove(&server);
        Ok(())
    }
    async fn detach_port(&self, server: ServerId, _: PortId) -> Result<(), AttachError> {
        Ok(self.detach(server).await?)
    }
    async fn ports_of(&self, servers: &[ServerId]) -> Result<HashMap<ServerId, Vec<AttachedPort>>, Unavailable> {
        let all = self.ports.lock().unwrap();
        Ok(servers.iter().filter_map(|id| Some((*id, all.get(id)?.clone()))).collect())
    }
    async fn set_active(&self, _: &mut Tx, server: ServerId) -> Result<(), Unavailable> {
        let mut list = self.active.lock().unwrap();
        list.retain(|id| *id != server);
        list.push(server);
        Ok(())
    }
    async fn change_security_group(&self, _: &ProjectId, _: ServerId, group: &str, _: bool) -> Result<(), AttachError> {
        if group == "web" { Ok(()) } else { Err(AttachError::SecurityGroupNotFound(group.to_owned())) }
    }
    async fn servers_with_address(&self, pattern: &str, _: bool) -> Result<Vec<ServerId>, Unavailable> {
        let all = self.ports.lock().unwrap();
        let has = |ports: &Vec<AttachedPort>| {
            ports.iter().any(|port| port.fixed_ips.iter().any(|address| address.to_string().starts_with(pattern)))
        };
        Ok(all.iter().filter(|(_, ports)| has(ports)).map(|(id, _)| *id).collect())
    }
}

fn port() -> AttachedPort {
    AttachedPort {
        id: PortId::random(),
        network_id: NETWORK.parse().unwrap(),
        network_name: "private".to_owned(),
        mac: "fa:16:3e:00:00:01".to_owned(),
        fixed_ips: vec!["10.0.0.5".parse().unwrap()],
        floating_ips: vec![("192.0.2.9".parse().unwrap(), "10.0.0.5".parse().unwrap())],
        status: "ACTIVE".to_owned(),
        security_groups: vec![("61111111-2222-4333-8444-555555555555".parse().unwrap(), "default".to_owned())],
        subnet_ids: vec!["71111111-2222-4333-8444-555555555555".parse().unwrap()],
    }
}

/// Three images: a disk, a kernel, and one without data.
pub struct FakeImages;

#[async_trait]
impl Images for FakeImages {
    async fn get(&self, id: ImageId, _: Option<&ProjectId>) -> Result<Option<Image>, Unavailable> {
        let text = id.to_string();
        if ![IMAGE, KERNEL_IMAGE, QUEUED_IMAGE].contains(&text.as_str()) {
            return Ok(None);
        }
        let active = text != QUEUED_IMAGE;
        Ok(Some(Image {
            id,
            name: "demo".to_owned(),
            owner: None,
            active,
            status: if active { "active" } else { "queued" }.to_owned(),
            disk_format: if text == KERNEL_IMAGE { "aki" } else { "qcow2" }.to_owned(),
            size_bytes: 1000,
            virtual_size_bytes: 2 << 30,
            min_disk_gib: 1,
            min_ram_mib: 256,
            content: active.then(|| Content { sha256: "ab".repeat(32), size_bytes: 1000 }),
            properties: BTreeMap::from([("os_command_line".to_owned(), "console=ttyS0".to_owned())]),
        }))
    }
    async fn open(
        &self,
        _: ImageId,
        _: std::ops::Range<u64>,
    ) -> Result<Option<BoxStream<'static, std::io::Result<Bytes>>>, Unavailable> {
        Ok(None)
    }
}

/// One host with room for so many servers.
pub struct FakePlacement {
    pub room: usize,
    pub claims: Mutex<Vec<ServerId>>,
}

#[async_trait]
impl Placement for FakePlacement {
    async fn claim(
        &self,
        _: &mut Tx,
        consumer: &Consumer,
        _: Resources,
        constraints: &Constraints,
    ) -> Result<Claimed, ClaimError> {
        let mut claims = self.claims.lock().unwrap();
        let among = constraints.only.as_ref().is_none_or(|only| only.contains(&host()));
        if claims.len() >= self.room || constraints.avoid.contains(&host()) || !among {
            return Err(ClaimError::NoValidHost);
        }
        claims.push(consumer.server);
        Ok(Claimed { host: host(), hostname: "host-1".to_owned(), node: constraints.one_node.then_some(1) })
    }
    async fn release(&self, _: &mut Tx, server: ServerId) -> Result<(), Unavailable> {
        self.claims.lock().unwrap().retain(|id| *id != server);
        Ok(())
    }
    fn reserved(&self) -> Resources {
        Resources { memory_mib: 512, ..Resources::default() }
    }
    async fn usages(&self) -> Result<Vec<HostUsage>, Unavailable> {
        let servers = u64::try_from(self.claims.lock().unwrap().len()).unwrap();
        Ok(vec![HostUsage {
            host_id: host(),
            hostname: "host-1".to_owned(),
            total: Resources { vcpus: 2, memory_mib: 4096, disk_gib: 100 },
            used: Resources { vcpus: servers, memory_mib: 512 * servers, disk_gib: servers },
            servers,
        }])
    }
    async fn claims(&self) -> Result<Vec<(ServerId, HostId)>, Unavailable> {
        Ok(self.claims.lock().unwrap().iter().map(|id| (*id, host())).collect())
    }
}
