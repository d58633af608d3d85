//! Taps.

use std::os::fd::OwnedFd;

use super::links::disable_ipv6;
use super::{Kernel, note};
use crate::error::NetError;
use crate::handle::Convergence;
use crate::netlink::{LinkChange, difference};
use crate::plan::{Plan, TapPlan};
use crate::sys;

impl Kernel {
    /// Keeps taps right that are there; makes none.
    pub(super) async fn converge_taps(&mut self, plan: &Plan, outcome: &mut Convergence) {
        for (name, tap) in &plan.taps {
            if self.taps.get(name) == Some(tap) {
                continue;
            }
            match self.ensure_tap(name, tap).await {
                Ok(true) => drop(self.taps.insert(name.clone(), tap.clone())),
                Ok(false) => drop(self.taps.remove(name)),
                Err(error) => drop(note(outcome, Some(tap.owner.clone()), Err(error))),
            }
        }
    }

    /// True if the tap is there.
    async fn ensure_tap(&self, name: &str, plan: &TapPlan) -> Result<bool, NetError> {
        let Some(link) = self.netlink.link(name).await? else { return Ok(false) };
        let master = self.bridge_index(&plan.bridge).await?;
        let wanted = LinkChange { mac: Some(plan.mac), mtu: Some(plan.mtu), master: Some(master), up: Some(plan.up) };
        self.netlink.change_link(&link, &difference(&link, &wanted)).await?;
        Ok(true)
    }

    /// Makes the tap and puts it in its bridge. Its filter is there since the port was planned.
    pub(crate) async fn make_tap(&mut self, name: &str, plan: &TapPlan) -> Result<OwnedFd, NetError> {
        let fd = sys::open_tap(name).map_err(NetError::io(format!("make tap {name}")))?;
        disable_ipv6(name)?;
        self.ensure_tap(name, plan).await?;
        self.taps.insert(name.to_owned(), plan.clone());
        Ok(fd)
    }

    /// Removes the tap, held or not.
    pub(crate) async fn remove_tap(&mut self, name: &str) -> Result<(), NetError> {
        self.netlink.delete_link(name).await?;
        self.taps.remove(name);
        Ok(())
    }
}
