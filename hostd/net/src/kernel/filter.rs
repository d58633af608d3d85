//! The packet filter of the host's namespace.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::Kernel;
use crate::conntrack;
use crate::elements;
use crate::error::NetError;
use crate::inventory::Item;
use crate::nft::Nft;
use crate::plan::FilterPlan;
use crate::plan::filter::{self, Change, Delta, Doomed, Tracking};

/// Finds out where bridged packets are tracked: by br_netfilter, which is turned on, or else by nf_conntrack_bridge.
pub(super) async fn detect(nft: &Nft) -> Result<Tracking, NetError> {
    const SYSCTLS: &str = "/proc/sys/net/bridge";
    if !Path::new(SYSCTLS).exists() {
        // Where it is built in or cannot be loaded the next step tells.
        let _unknown = Command::new("modprobe").arg("br_netfilter").status();
    }
    if !Path::new(SYSCTLS).exists() && nft.accepts(filter::tracking_probe()).await? {
        return Ok(Tracking::Bridge);
    }
    for family in ["iptables", "ip6tables"] {
        let path = format!("{SYSCTLS}/bridge-nf-call-{family}");
        std::fs::write(&path, "1").map_err(NetError::io(format!("set {path} (is br_netfilter loaded?)")))?;
    }
    Ok(Tracking::BrNetfilter)
}

impl Kernel {
    /// One transaction: the whole filter after a start or when somebody else tore at it, else the difference.
    pub(crate) async fn converge_filter(&mut self, plan: &FilterPlan) -> Result<(), NetError> {
        let delta = match &self.filter {
            Some(done) => filter::delta(done, plan, self.tracking),
            None => Delta::Script(filter::full(plan, self.tracking)),
        };
        // What could not be ended before is not forgotten.
        self.doomed.extend(self.filter.iter().flat_map(|done| filter::narrowed(done, plan)));
        let changed = match delta {
            Delta::Nothing => Ok(()),
            Delta::Elements(changes) => change(changes).await,
            Delta::Script(script) => self.nft.apply(script).await,
        };
        if let Err(error) = changed {
            tracing::debug!(%error, "the filter is written anew");
            self.filter = None;
            self.nft.apply(filter::full(plan, self.tracking)).await?;
        }
        self.filter = Some(plan.clone());
        cut(&self.doomed).await?;
        self.doomed.clear();
        Ok(())
    }

    /// Forgets the filter if the kernel has less or more than what was carried out. Of rules and of remote groups' members is not compared
    /// what they are.
    pub(crate) async fn doubt_filter(&mut self) -> Result<(), NetError> {
        let Some(done) = &self.filter else { return Ok(()) };
        let listing = self.listing().await?;
        let chains: BTreeSet<String> = chains(&listing).collect();
        let present = names(&listing);
        let whole =
            FIXED.iter().all(|chain| chains.contains(*chain)) && done.names().all(|name| present.contains(&name));
        if !whole || present.iter().any(|name| !done.explains(name)) {
            self.filter = None;
        }
        Ok(())
    }

    async fn listing(&self) -> Result<Value, NetError> {
        self.nft.list(&["-j", "list", "table", "bridge", "humilis"]).await
    }

    pub(super) async fn filter_items(&self) -> Result<Vec<Item>, NetError> {
        Ok(names(&self.listing().await?).into_iter().map(Item::Filter).collect())
    }
}

async fn change(changes: Vec<Change>) -> Result<(), NetError> {
    let changed = tokio::task::spawn_blocking(move || elements::change(&changes)).await;
    let changed = changed.map_err(std::io::Error::other).and_then(|changed| changed);
    changed.map_err(NetError::io("change the filter's elements"))
}

/// Ends the connections that are allowed no more.
async fn cut(doomed: &BTreeSet<Doomed>) -> Result<(), NetError> {
    if doomed.is_empty() {
        return Ok(());
    }
    let doomed = doomed.clone();
    let ended = tokio::task::spawn_blocking(move || {
        conntrack::cut(|connection| {
            doomed.iter().any(|doomed| doomed.zone == connection.zone && connection.touches(doomed.address))
        })
    });
    let ended = ended.await.map_err(std::io::Error::other).and_then(|ended| ended);
    ended.map(drop).map_err(NetError::io("end connections"))
}

/// Chains, sets, interfaces in maps, and what ports may claim to be; what is always there excepted.
fn names(listing: &Value) -> BTreeSet<String> {
    let sets = items(listing, "set").filter_map(|set| Some(set.get("name")?.as_str()?.to_owned()));
    let own = items(listing, "set").filter_map(|set| Some((set.get("name")?.as_str()?, set.get("elem")?.as_array()?)));
    let own = own.flat_map(|(set, elements)| elements.iter().filter_map(move |element| filter::own_name(set, element)));
    let entries = items(listing, "map").filter_map(|map| map.get("elem")?.as_array()).flatten();
    let taps = entries.filter_map(|entry| Some(entry.get(0)?.as_str()?.to_owned()));
    let mut names: BTreeSet<String> = chains(listing).collect();
    names.extend(sets.chain(taps).chain(own));
    let known = [FIXED.as_slice(), &SETS, &TRACKING].concat();
    names.retain(|name| !known.contains(&name.as_str()));
    names
}

/// Chains that are there as long as the table is.
const FIXED: [&str; 10] = [
    "spoof-own",
    "from-spoof",
    "from-port",
    "to-port",
    "to-port-local",
    "spoof-any",
    "egress-any",
    "egress-any-stateless",
    "ingress-any",
    "ingress-any-stateless",
];
/// Sets that are there as long as the table is.
const SETS: [&str; 4] = ["own-mac", "own-v4", "own-v6", "own-target"];
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
    fn names(&self) -> impl Iterator<Item = String> {
        let whole = self.chains.keys().chain(self.sets.keys()).chain(self.taps.keys());
        whole.cloned().chain(self.own_names())
    }

    /// Whether a chain, a set, a map's entry or what a port may claim to be is planned.
    pub(super) fn explains(&self, name: &str) -> bool {
        let whole = self.chains.contains_key(name) || self.sets.contains_key(name) || self.taps.contains_key(name);
        whole || self.own_names().any(|own| own == name)
    }
}
