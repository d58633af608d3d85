//! What an earlier run of hostd left of a guest: its record, its process, or processes that it did not live to record.

use super::{Actor, Running};
use crate::{
    driver::EndedBy,
    process::{control::Control, live::Live},
    record::{ProcessId, Record},
};
use hostd_images::Digest;
use std::time::Duration;

/// How long an adopted process may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// So often a guest is started that did not come up before hostd ended.
const ATTEMPTS: u8 = 5;

impl Actor {
    /// Takes over what is there. Called once, before [`Actor::run`]; `found` are the guest's processes on this host.
    pub(crate) async fn adopt(&mut self, found: &[ProcessId]) {
        if let Some(record) = Record::load(&self.dir) {
            self.record = record;
        }
        if self.record.uid != 0 && !self.context.uids.keep(self.record.uid) {
            self.record.uid = 0;
        }
        let images = self.record.images.iter().filter_map(|digest| digest.parse::<Digest>().ok());
        self.leases = images.map(|digest| self.context.images.hold(digest)).collect();
        let same_boot = self.record.boot_id == self.context.boot_id;
        let recorded = self.record.process.filter(|_| same_boot);
        for stray in found.iter().filter(|process| Some(**process) != recorded) {
            self.end(*stray).await;
        }
        if !same_boot {
            self.record.failure = None;
            self.record.ends.clear();
        }
        match recorded.map(Live::open) {
            Some(Ok(live)) => self.take_over(live).await,
            Some(Err(_)) => self.ended_unseen(),
            None if self.record.process.take().is_some() => self.record.ended = Some(EndedBy::Host),
            None => {}
        }
        self.schedule();
    }

    /// Ends a process that hostd started and did not live to record: it was never reported.
    async fn end(&self, process: ProcessId) {
        tracing::warn!(guest = %self.id, pid = process.pid, "ending a process that is on no record");
        if let Ok(live) = Live::open(process) {
            live.kill();
            live.exited().await;
        }
    }

    async fn take_over(&mut self, live: Live) {
        tracing::info!(guest = %self.id, pid = live.id().pid, "adopted a running guest");
        let control = Control::connect(&self.dir.control()).await;
        let control = control.inspect_err(|error| tracing::warn!(guest = %self.id, %error, "it does not listen"));
        let patience = if self.record.up { PATIENCE } else { self.context.config.start_deadline };
        self.running = Some(Running::new(self.id.as_str(), live, control.ok(), self.record.up, patience));
    }

    /// It ended while hostd was away. Its log says whether that was by its own wish.
    fn ended_unseen(&mut self) {
        self.record.process = None;
        if crate::console::says_powered_off(&self.dir.log()) {
            self.ended_by_itself(EndedBy::Guest, String::new());
        } else if !self.record.up && self.record.ends.is_empty() {
            self.cut_short();
        } else {
            self.ended_by_itself(EndedBy::Crash, "the guest's process ended while hostd was away".into());
        }
        self.store();
    }

    /// It never ran: it is started as if for the first time, and says why if it cannot be. Unless that is what ends hostd.
    fn cut_short(&mut self) {
        self.record.cut_short += 1;
        if self.record.cut_short < ATTEMPTS {
            self.record.ended = None;
        } else {
            self.fail(format!("hostd ended {ATTEMPTS} times while the guest was started"));
        }
    }
}
