//! The packet filter of the host's namespace.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Kernel;
use crate::error::NetError;
use crate::inventory::Item;
use crate::nft::Nft;
use crate::plan::FilterPlan;
use crate::plan::filter::{self, Tracking};

/// Finds out where bridged packets are tracked, and turns br_netfilter on if it is the way.
pub(super) async fn detect(nft: &Nft) -> Result<Tracking, NetError> {
    if nft.accepts(filter::tracking_probe()).await? {
        return Ok(Tracking::Bridge);
    }
    for family in ["iptables", "ip6tables"] {
        let path = format!("/proc/sys/net/bridge/bridge-nf-call-{family}");
        std::fs::write(&path, "1").map_err(NetError::io(format!("set {path} (is br_netfilter loaded?)")))?;
    }
    Ok(Tracking::BrNetfilter)
}

impl Kernel {
    /// One transaction: the whole filter after a start or when somebody else tore at it, else the difference.
    pub(crate) async fn converge_filter(&mut self, plan: &FilterPlan) -> Result<(), NetError> {
        let script = match &self.filter {
            Some(done) => filter::delta(done, plan, self.tracking),
            None => Some(filter::full(plan, self.tracking)),
        };
        let Some(script) = script else { return Ok(()) };
        if let Err(error) = self.nft.apply(script).await {
            tracing::debug!(%error, "the filter is written anew");
            self.filter = None;
            self.nft.apply(filter::full(plan, self.tracking)).await?;
        }
        self.filter = Some(plan.clone());
        Ok(())
    }

    /// Forgets the filter if chains of it are missing in the kernel, or are there that no plan explains.
    pub(crate) async fn doubt_filter(&mut self) -> Result<(), NetError> {
        let Some(done) = &self.filter else { return Ok(()) };
        let present: BTreeSet<String> = chains(&self.nft.list(&["-j", "list", "chains", "bridge"]).await?).collect();
        let hooked = HOOKED.iter().all(|chain| present.contains(*chain));
        let whole = hooked && done.chains.keys().all(|chain| present.contains(chain));
        if !whole || present.iter().any(|chain| !done.explains(chain)) {
            self.filter = None;
        }
        Ok(())
    }

    pub(super) async fn filter_items(&self) -> Result<Vec<Item>, NetError> {
        let listing = self.nft.list(&["-j", "list", "table", "bridge", "humilis"]).await?;
        let sets = items(&listing, "set").filter_map(|set| Some(set.get("name")?.as_str()?.to_owned()));
        let entries = items(&listing, "map").filter_map(|map| map.get("elem")?.as_array()).flatten();
        let taps = entries.filter_map(|entry| Some(entry.get(0)?.as_str()?.to_owned()));
        let mut names: BTreeSet<String> = chains(&listing).collect();
        names.extend(sets.chain(taps));
        names.retain(|name| !HOOKED.contains(&name.as_str()));
        Ok(names.into_iter().map(Item::Filter).collect())
    }
}

/// Chains that are there as long as the table is.
const HOOKED: [&str; 4] = ["from-spoof", "from-port", "to-port", "to-port-local"];
/// Chains that are there with nf_conntrack_bridge only.
const TRACKING: [&str; 2] = ["state", "zones"];

fn items<'a>(listing: &'a Value, kind: &'static str) -> impl Iterator<Item = &'a Value> {
    listing.get("nftables").and_then(Value::as_array).into_iter().flatten().filter_map(move |item| item.get(kind))
}

fn chains(listing: &Value) -> impl Iterator<Item = String> {
    let ours = items(listing, "chain").filter(|chain| chain.get("table").and_then(Value::as_str) == Some("humilis"));
    ours.filter_map(|chain| Some(chain.get("name")?.as_str()?.to_owned()))
}

impl FilterPlan {
    /// Whether a chain, a set or a map's entry is planned.
    pub(super) fn explains(&self, name: &str) -> bool {
        HOOKED.contains(&name)
            || TRACKING.contains(&name)
            || self.chains.contains_key(name)
            || self.sets.contains_key(name)
            || self.maps.values().any(|entries| entries.contains_key(name))
    }
}
