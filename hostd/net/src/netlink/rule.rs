//! Routing rules of a namespace. Those of our two priorities are ours; all others are left alone.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use futures::TryStreamExt;
use rtnetlink::IpVersion;
use rtnetlink::packet_route::route::RouteHeader;
use rtnetlink::packet_route::rule::{RuleAction, RuleAttribute, RuleMessage};

use super::{Netlink, unless};
use crate::error::NetError;

/// The table with the ways out of guests that have a floating address.
pub(super) const FLOATING: u8 = 100;
/// The main table without its default routes goes first: what is inside stays inside.
const INSIDE: u32 = 999;
const SOURCES: u32 = 1000;

/// The source of a rule of ours; `Some(None)`: the first one, which has none.
fn parse(message: &RuleMessage) -> Option<Option<Ipv4Addr>> {
    let priority = message.attributes.iter().find_map(|attribute| match attribute {
        RuleAttribute::Priority(priority) => Some(*priority),
        _ => None,
    });
    let source = message.attributes.iter().find_map(|attribute| match attribute {
        RuleAttribute::Source(source) => source.to_string().parse().ok(),
        _ => None,
    });
    match priority? {
        INSIDE => Some(None),
        SOURCES => Some(source),
        _ => None,
    }
}

impl Netlink {
    /// Makes these the sources whose packets go out by the table of floating addresses.
    pub(crate) async fn set_rules(&self, sources: &BTreeSet<Ipv4Addr>) -> Result<(), NetError> {
        let mut missing: BTreeSet<Option<Ipv4Addr>> = sources.iter().copied().map(Some).collect();
        if !sources.is_empty() {
            missing.insert(None);
        }
        let present = self.handle.rule().get(IpVersion::V4).execute().try_collect::<Vec<_>>().await;
        for rule in present.map_err(NetError::netlink("list rules"))? {
            let Some(source) = parse(&rule) else { continue };
            if !missing.remove(&source) {
                let deleted = self.handle.rule().del(rule).execute().await;
                unless(deleted, &[libc::ENOENT]).map_err(NetError::netlink("remove a rule"))?;
            }
        }
        for source in missing {
            let rule = self.handle.rule().add().v4().action(RuleAction::ToTable);
            let rule = match source {
                Some(source) => rule.priority(SOURCES).table_id(FLOATING.into()).source_prefix(source, 32),
                None => {
                    let mut rule = rule.priority(INSIDE).table_id(RouteHeader::RT_TABLE_MAIN.into());
                    rule.message_mut().attributes.push(RuleAttribute::SuppressPrefixLen(0));
                    rule
                }
            };
            unless(rule.execute().await, &[libc::EEXIST]).map_err(NetError::netlink("add a rule"))?;
        }
        Ok(())
    }
}
