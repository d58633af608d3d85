//! Starting a guest.

use super::{Actor, Running, Wish};
use crate::{
    cgroup,
    driver::EndedBy,
    launch::launch,
    model::{Guest, Power},
    prepare::{PrepareError, Prepared, prepare},
    process::control::Control,
    record::ProcessId,
};
use hostd_kit::fault::{self, Point};
use std::sync::Arc;
use tokio::sync::watch;

impl Actor {
    /// Prepares the guest and starts its process, unless something else is desired before it is prepared.
    pub(super) async fn start(&mut self, guest: &Arc<Guest>) {
        self.preparing = true;
        self.record.failure = None;
        if self.is_again(guest.power) {
            self.context.board.count_restart();
        } else {
            self.record.ended = None;
            self.record.ends.clear();
        }
        self.record.generation = guest.generation;
        self.record.boot_count = guest.power.boot_count;
        // Also what is only half prepared when it fails is released with the guest.
        self.record.ports = guest.ports.iter().map(ToString::to_string).collect();
        self.report(&Wish::Desired(guest.clone()));
        let context = self.context.clone();
        let mut wishes = self.wishes.clone();
        let started = tokio::select! {
            prepared = prepare(&context, &self.dir, guest) => match prepared {
                Ok(prepared) => self.spawn(guest, prepared),
                Err(error) => Err(error),
            },
            () = superseded(&mut wishes, guest) => {
                self.preparing = false;
                return;
            }
        };
        self.preparing = false;
        match started {
            Ok(running) => self.follow(running).await,
            Err(error) => {
                self.not_started(error.to_string());
                self.store();
            }
        }
    }

    /// Whether it is started because it ended by itself, and not because it is asked for.
    fn is_again(&self, power: Power) -> bool {
        let by_itself = matches!(self.record.ended, Some(EndedBy::Guest | EndedBy::Crash));
        by_itself && power.boot_count <= self.record.boot_count
    }

    /// Nothing here waits: the process and its record come to be as a whole, unless hostd is killed in between.
    fn spawn(&mut self, guest: &Guest, mut prepared: Prepared) -> Result<Running, PrepareError> {
        let _span = tracing::debug_span!("guest.spawn").entered();
        if self.record.uid == 0 {
            self.record.uid = self.context.uids.take()?;
        }
        self.leases = std::mem::take(&mut prepared.leases);
        let group = cgroup::create(&self.context.config.cgroup_parent, guest);
        fault::reach(Point::GuestCgroup);
        let live = launch(&self.context, &self.dir, guest, prepared, self.record.uid)?;
        cgroup::enter(group, live.id());
        fault::reach(Point::GuestSpawned);
        self.remember(live.id());
        fault::reach(Point::GuestRecorded);
        let patience = self.context.config.start_deadline;
        Ok(Running::new(guest.id.as_str(), live, None, false, patience))
    }

    fn remember(&mut self, process: ProcessId) {
        self.record.process = Some(process);
        self.record.up = false;
        self.record.ended = None;
        self.record.reason = String::new();
        self.record.images = self.leases.iter().map(|lease| lease.digest().to_string()).collect();
        self.store();
    }

    async fn follow(&mut self, mut running: Running) {
        match Control::connect(&self.dir.control()).await {
            Ok(control) => running.set_control(control),
            // It has ended already: that is seen next.
            Err(error) => tracing::warn!(guest = %self.id, %error, "a guest's process does not listen"),
        }
        self.running = Some(running);
        let dir = self.dir.path().to_owned();
        // The guest need not wait for it; a host that loses power within a second starts such a guest from its image again.
        drop(tokio::task::spawn_blocking(move || {
            if let Err(error) = hostd_block::sync(&dir) {
                tracing::warn!(path = %dir.display(), %error, "a root disk cannot be synced");
            }
        }));
    }
}

/// Waits until another start, or none, is desired.
async fn superseded(wishes: &mut watch::Receiver<Wish>, guest: &Guest) {
    loop {
        match &*wishes.borrow_and_update() {
            Wish::Desired(desired) if same_start(desired, guest) => {}
            _ => return,
        }
        if wishes.changed().await.is_err() {
            return;
        }
    }
}

/// Whether both start the same machine: what changed is told to it while it runs.
fn same_start(desired: &Guest, guest: &Guest) -> bool {
    desired.power.running
        && (
            desired.vcpus,
            desired.memory_mib,
            desired.numa_node,
            &desired.boot,
            &desired.disks,
            &desired.ports,
            desired.config_drive,
        ) == (
            guest.vcpus,
            guest.memory_mib,
            guest.numa_node,
            &guest.boot,
            &guest.disks,
            &guest.ports,
            guest.config_drive,
        )
}
