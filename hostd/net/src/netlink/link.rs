//! Links.

use std::collections::BTreeMap;
use std::os::fd::{AsRawFd, BorrowedFd};

use futures::TryStreamExt;
use rtnetlink::packet_route::link::{InfoData, InfoKind, InfoVeth, LinkAttribute, LinkFlags, LinkInfo, LinkMessage};
use rtnetlink::{LinkBridge, LinkBridgePort, LinkMessageBuilder, LinkUnspec, LinkVeth, LinkVlan, LinkVxlan};

use super::{Netlink, errno, unless};
use crate::error::NetError;
use crate::mac::MacAddr;
use crate::plan::{LinkKind, LinkPlan};

/// A link as the kernel has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) index: u32,
    pub(crate) name: String,
    pub(crate) up: bool,
    pub(crate) mtu: u32,
    pub(crate) mac: Option<MacAddr>,
    pub(crate) master: Option<u32>,
    pub(crate) bridge: bool,
}

impl Link {
    fn parse(message: &LinkMessage) -> Self {
        let mut link = Self {
            index: message.header.index,
            name: String::new(),
            up: message.header.flags.contains(LinkFlags::Up),
            mtu: 0,
            mac: None,
            master: None,
            bridge: false,
        };
        for attribute in &message.attributes {
            match attribute {
                LinkAttribute::IfName(name) => link.name.clone_from(name),
                LinkAttribute::Mtu(mtu) => link.mtu = *mtu,
                LinkAttribute::Address(bytes) => link.mac = bytes.as_slice().try_into().ok().map(MacAddr),
                LinkAttribute::Controller(index) => link.master = Some(*index),
                LinkAttribute::LinkInfo(infos) => {
                    link.bridge = infos.iter().any(|info| matches!(info, LinkInfo::Kind(InfoKind::Bridge)));
                }
                _ => {}
            }
        }
        link
    }
}

/// What of a link shall be set; `None` leaves it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LinkChange {
    pub(crate) mac: Option<MacAddr>,
    pub(crate) mtu: Option<u32>,
    pub(crate) master: Option<u32>,
    pub(crate) up: Option<bool>,
}

impl LinkChange {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What must change so that the link is as wanted.
pub(crate) fn difference(link: &Link, wanted: &LinkChange) -> LinkChange {
    LinkChange {
        mac: wanted.mac.filter(|mac| link.mac != Some(*mac)),
        mtu: wanted.mtu.filter(|mtu| link.mtu != *mtu),
        master: wanted.master.filter(|master| link.master != Some(*master)),
        up: wanted.up.filter(|up| link.up != *up),
    }
}

impl Netlink {
    /// All links by name.
    pub(crate) async fn links(&self) -> Result<BTreeMap<String, Link>, NetError> {
        let messages: Vec<LinkMessage> =
            self.handle.link().get().execute().try_collect().await.map_err(NetError::netlink("list links"))?;
        Ok(messages.iter().map(Link::parse).map(|link| (link.name.clone(), link)).collect())
    }

    /// The link of this name.
    pub(crate) async fn link(&self, name: &str) -> Result<Option<Link>, NetError> {
        let mut found = self.handle.link().get().match_name(name.to_owned()).execute();
        match found.try_next().await {
            Ok(message) => Ok(message.as_ref().map(Link::parse)),
            Err(e) if errno(&e) == Some(libc::ENODEV) => Ok(None),
            Err(e) => Err(NetError::netlink(format!("look up link {name}"))(e)),
        }
    }

    /// Makes a link that is not there, down. `parent` is the index of a VLAN's lower device; `namespace` holds a veth's peer.
    pub(crate) async fn add_link(
        &self,
        name: &str,
        plan: &LinkPlan,
        parent: Option<u32>,
        namespace: Option<BorrowedFd<'_>>,
    ) -> Result<(), NetError> {
        let mut message = match &plan.kind {
            LinkKind::Bridge => LinkBridge::new(name).mcast_snooping(false).build(),
            LinkKind::Vxlan(vxlan) => {
                let builder = LinkVxlan::new(name, vxlan.vni).port(vxlan.port).learning(false).proxy(true);
                match vxlan.local {
                    std::net::IpAddr::V4(local) => builder.local(local).build(),
                    std::net::IpAddr::V6(local) => builder.local6(local).build(),
                }
            }
            LinkKind::Vlan { vlan_id, .. } => LinkVlan::new(name, parent.unwrap_or_default(), *vlan_id).build(),
            LinkKind::Veth(peer) => {
                let mut other = LinkMessageBuilder::<LinkUnspec>::new().name(peer.link.clone()).mtu(plan.mtu);
                other = other.address(peer.mac.0.to_vec());
                if let Some(namespace) = namespace {
                    other = other.setns_by_fd(namespace.as_raw_fd());
                }
                let veth = LinkMessageBuilder::<LinkVeth>::new_with_info_kind(InfoKind::Veth).name(name.to_owned());
                veth.set_info_data(InfoData::Veth(InfoVeth::Peer(other.build()))).build()
            }
        };
        message.attributes.push(LinkAttribute::Mtu(plan.mtu));
        if let Some(mac) = plan.mac {
            message.attributes.push(LinkAttribute::Address(mac.0.to_vec()));
        }
        let added = self.handle.link().add(message).execute().await;
        added.map_err(NetError::netlink(format!("make link {name}")))
    }

    /// Carries out a change of a link; one message.
    pub(crate) async fn change_link(&self, link: &Link, change: &LinkChange) -> Result<(), NetError> {
        if change.is_empty() {
            return Ok(());
        }
        let mut message = LinkUnspec::new_with_index(link.index);
        if let Some(mac) = change.mac {
            message = message.address(mac.0.to_vec());
        }
        if let Some(mtu) = change.mtu {
            message = message.mtu(mtu);
        }
        if let Some(master) = change.master {
            message = message.controller(master);
        }
        message = match change.up {
            Some(true) => message.up(),
            Some(false) => message.down(),
            None => message,
        };
        let set = self.handle.link().set(message.build()).execute().await;
        set.map_err(NetError::netlink(format!("change link {}", link.name)))
    }

    /// A bridge port whose addresses are told, not learned, and to which nothing unknown is sent.
    pub(crate) async fn quiet_bridge_port(&self, link: &Link) -> Result<(), NetError> {
        let message = LinkBridgePort::new(link.index).learning(false).flood(false).mcast_flood(true).bcast_flood(true);
        let set = self.handle.link().set_port(message.build()).execute().await;
        set.map_err(NetError::netlink(format!("set bridge port {}", link.name)))
    }

    /// Removes a link; it may be gone already.
    pub(crate) async fn delete_link(&self, name: &str) -> Result<(), NetError> {
        let Some(link) = self.link(name).await? else { return Ok(()) };
        let deleted = self.handle.link().del(link.index).execute().await;
        unless(deleted, &[libc::ENODEV]).map_err(NetError::netlink(format!("remove link {name}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link() -> Link {
        Link {
            index: 3,
            name: "ht-1".into(),
            up: true,
            mtu: 1450,
            mac: Some(MacAddr([2, 0, 0, 0, 0, 1])),
            master: Some(2),
            bridge: false,
        }
    }

    #[test]
    fn a_link_as_wanted_needs_no_change() {
        let wanted = LinkChange { mac: None, mtu: Some(1450), master: Some(2), up: Some(true) };
        assert!(difference(&link(), &wanted).is_empty());
    }

    #[test]
    fn only_what_differs_is_changed() {
        let wanted = LinkChange { mac: link().mac, mtu: Some(1400), master: Some(2), up: Some(false) };
        let change = difference(&link(), &wanted);
        assert_eq!(change, LinkChange { mac: None, mtu: Some(1400), master: None, up: Some(false) });
    }
}
