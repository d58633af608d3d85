//! The kills: daemons that end at the step for which they are armed, and SIGKILL at any moment. Who was killed is started again
//! at once, armed for its next step.

use super::plan::{Plan, Strike, Target};
use anyhow::{Result, bail};
use humilis_harness::{
    cloud::{Cloud, Daemon},
    guest::GuestProcess,
};
use nix::sys::signal::Signal;
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fmt::Write as _,
    time::{Duration, Instant},
};

/// Longer without any kill means that a step is never reached.
const PATIENCE: Duration = Duration::from_secs(90);
const TICK: Duration = Duration::from_millis(5);
const ANY: &str = "any moment";

/// Kills by the plan.
pub struct Striker<'a> {
    cloud: &'a mut Cloud,
    plan: Plan,
    /// Servers whose processes are left alone.
    spared: BTreeSet<String>,
    armed: BTreeMap<&'static str, String>,
    done: BTreeMap<(Target, String), usize>,
    last: Instant,
}

impl<'a> Striker<'a> {
    pub fn new(cloud: &'a mut Cloud, plan: Plan, spared: BTreeSet<String>) -> Self {
        let done = BTreeMap::from([((Target::Hostd, super::plan::ENROLMENT.to_owned()), 1)]);
        Self { cloud, plan, spared, armed: BTreeMap::new(), done, last: Instant::now() }
    }

    /// Carries the whole plan out.
    pub async fn run(&mut self) -> Result<()> {
        loop {
            self.fallen(Daemon::Controller)?;
            self.fallen(Daemon::Hostd)?;
            self.due()?;
            if self.plan.strikes.is_empty() {
                // Nothing arms a daemon any more but a kill of its own.
                self.arm(Daemon::Controller)?;
                self.arm(Daemon::Hostd)?;
                if self.armed.is_empty() {
                    return Ok(());
                }
            }
            if self.last.elapsed() > PATIENCE {
                bail!("never reached: {:?}", self.armed.values().collect::<Vec<_>>());
            }
            tokio::time::sleep(TICK).await;
        }
    }

    fn queue(&mut self, daemon: Daemon) -> &mut VecDeque<String> {
        match daemon {
            Daemon::Controller => &mut self.plan.controller,
            Daemon::Hostd => &mut self.plan.hostd,
        }
    }

    /// Starts a daemon again that ended at its step. One that ended by itself is a failure.
    fn fallen(&mut self, daemon: Daemon) -> Result<()> {
        if self.cloud.runs(daemon) {
            return Ok(());
        }
        let log = self.cloud.log_end(daemon);
        let Some(step) = self.armed.remove(daemon.name()) else { bail!("{} ended by itself: {log}", daemon.name()) };
        if !log.contains("ending at a fault point") && !log.contains("ending the process, as CONTROLLER_FAULT") {
            bail!("{}, armed for {step}, ended by itself: {log}", daemon.name());
        }
        self.count(target(daemon), step);
        self.launch(daemon)
    }

    /// Starts a daemon, armed for its next step.
    fn launch(&mut self, daemon: Daemon) -> Result<()> {
        let Some(step) = self.queue(daemon).pop_front() else { return self.cloud.launch(daemon, &[]) };
        let variable = match daemon {
            Daemon::Controller => "CONTROLLER_FAULT",
            Daemon::Hostd => "HOSTD_FAULT",
        };
        self.cloud.launch(daemon, &[(variable, &step)])?;
        self.armed.insert(daemon.name(), step);
        Ok(())
    }

    /// Kills a daemon that has steps before it and is not armed.
    fn arm(&mut self, daemon: Daemon) -> Result<()> {
        if self.armed.contains_key(daemon.name()) || self.queue(daemon).is_empty() {
            return Ok(());
        }
        self.kill(daemon)
    }

    fn kill(&mut self, daemon: Daemon) -> Result<()> {
        self.cloud.end(daemon, Signal::SIGKILL);
        self.count(target(daemon), ANY.to_owned());
        if let Some(step) = self.armed.remove(daemon.name()) {
            self.queue(daemon).push_front(step);
        }
        self.launch(daemon)
    }

    /// The next kill at any moment, if its time has come.
    fn due(&mut self) -> Result<()> {
        let Some(Strike { pause, target, pick }) = self.plan.strikes.front().copied() else { return Ok(()) };
        if self.last.elapsed() < pause {
            return Ok(());
        }
        match target {
            Target::Controller => self.kill(Daemon::Controller)?,
            Target::Hostd => self.kill(Daemon::Hostd)?,
            Target::Guest => {
                let mut guests = GuestProcess::all(&self.cloud.plan.folder);
                guests.retain(|guest| !self.spared.contains(&guest.server));
                if guests.is_empty() {
                    return Ok(());
                }
                guests[pick % guests.len()].kill();
                self.count(Target::Guest, ANY.to_owned());
            }
        }
        self.plan.strikes.pop_front();
        Ok(())
    }

    fn count(&mut self, target: Target, step: String) {
        self.last = Instant::now();
        *self.done.entry((target, step)).or_default() += 1;
    }

    /// Sees to it that both daemons run and nothing ends them any more; gives the table of what was done.
    pub fn finish(mut self) -> String {
        self.plan.controller.clear();
        self.plan.hostd.clear();
        for daemon in [Daemon::Controller, Daemon::Hostd] {
            if self.armed.remove(daemon.name()).is_some() || !self.cloud.runs(daemon) {
                self.cloud.end(daemon, Signal::SIGKILL);
                // If it does not start, whoever asks it next says so.
                drop(self.launch(daemon));
            }
        }
        let mut table = format!("{:<12} {:<30} kills\n", "target", "step");
        for ((target, step), kills) in &self.done {
            // Writing to a text cannot fail.
            let _ = writeln!(table, "{:<12} {step:<30} {kills:>5}", target.to_string());
        }
        let _ = write!(table, "{:<12} {:<30} {:>5}", "all", "", self.done.values().sum::<usize>());
        table
    }
}

fn target(daemon: Daemon) -> Target {
    match daemon {
        Daemon::Controller => Target::Controller,
        Daemon::Hostd => Target::Hostd,
    }
}
