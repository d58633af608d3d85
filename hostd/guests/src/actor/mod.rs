//! The actor of one guest: the only one who touches its directory and its process.

mod adopt;
mod running;
mod start;

use crate::{
    cgroup,
    context::{Context, now},
    driver::{Action, Actual, EndedBy, Process, decide, starts_again},
    handle::Registry,
    model::{Guest, Observed, Power, State},
    process::live::Exit,
    record::Record,
    restart,
};
use hostd_images::Lease;
use hostd_kit::{
    fault::{self, Point},
    ids::GuestId,
    paths::GuestDir,
};
use hostd_net::model::PortId;
use running::{Event, Running};
use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::watch;
use tracing::Instrument as _;
use vmm_control::message::{ExitStatus, Status};

/// Waits between attempts to remove a guest grow from the first to the second.
const REMOVAL_RETRY: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(5));

/// What shall become of a guest.
#[derive(Clone, Debug)]
pub(crate) enum Wish {
    /// It was found on this host and nobody has said yet what shall become of it.
    Unknown,
    /// It shall be.
    Desired(Arc<Guest>),
    /// It shall not be.
    Absent,
}

impl Wish {
    fn guest(&self) -> Option<&Arc<Guest>> {
        match self {
            Self::Desired(guest) => Some(guest),
            Self::Unknown | Self::Absent => None,
        }
    }
}

/// One guest.
pub(crate) struct Actor {
    context: Arc<Context>,
    registry: Registry,
    id: GuestId,
    dir: GuestDir,
    wishes: watch::Receiver<Wish>,
    record: Record,
    running: Option<Running>,
    // Held as long as disks refer to the images.
    leases: Vec<Lease>,
    preparing: bool,
    // When it may be started again if it ended by itself.
    again: Option<Instant>,
    told: Option<State>,
}

impl Actor {
    pub(crate) fn new(context: Arc<Context>, registry: Registry, id: GuestId, wishes: watch::Receiver<Wish>) -> Self {
        let dir = context.layout.guest(&id);
        Self {
            context,
            registry,
            id,
            dir,
            wishes,
            record: Record::default(),
            running: None,
            leases: Vec::new(),
            preparing: false,
            again: None,
            told: None,
        }
    }

    /// Lives until the guest is gone or hostd ends.
    pub(crate) async fn run(mut self) {
        loop {
            let wish = self.wishes.borrow_and_update().clone();
            self.report(&wish);
            let desired = match &wish {
                Wish::Unknown => {
                    if self.wait(None).await.is_break() {
                        return;
                    }
                    continue;
                }
                Wish::Desired(guest) => Some((guest.generation, guest.power)),
                Wish::Absent => None,
            };
            match decide(desired, &self.actual(), Instant::now()) {
                Action::Nothing => {
                    if self.wait(None).await.is_break() {
                        return;
                    }
                }
                Action::WaitUntil(deadline) => {
                    if self.wait(Some(deadline)).await.is_break() {
                        return;
                    }
                }
                Action::Start => {
                    if let Some(guest) = wish.guest() {
                        // One that starts again, or after its host did, starts on nobody's behalf.
                        let anew = guest.power.boot_count > self.record.boot_count;
                        let request_id = asked_by(guest).filter(|_| anew);
                        let span = tracing::info_span!("guest.start", guest = %self.id, guest.generation, request_id);
                        self.start(guest).instrument(span).await;
                    }
                }
                Action::PressPowerButton => {
                    let request_id = wish.guest().and_then(|guest| asked_by(guest));
                    let span = tracing::info_span!("guest.power_button", guest = %self.id, request_id);
                    self.press_power_button(desired.map(|(_, power)| power)).instrument(span).await;
                }
                Action::Kill => {
                    let request_id = wish.guest().and_then(|guest| asked_by(guest));
                    let span = tracing::info_span!("guest.kill", guest = %self.id, request_id);
                    self.kill(matches!(wish, Wish::Absent)).instrument(span).await;
                }
                Action::AcceptStop => {
                    self.record.ended = Some(EndedBy::Request);
                    self.store();
                }
                Action::Remove => {
                    self.remove().await;
                    if self.registry.forget(&self.id) {
                        return;
                    }
                }
            }
        }
    }

    fn actual(&self) -> Actual {
        Actual {
            process: self.running.as_ref().map_or(Process::None, |running| running.phase),
            ended: self.record.ended,
            boot_count: self.record.boot_count,
            failed: self.record.failure.as_ref().map(|_| self.record.generation),
            again: self.again,
        }
    }

    /// Waits until there is something to decide anew. Breaks when hostd ends.
    async fn wait(&mut self, deadline: Option<Instant>) -> std::ops::ControlFlow<()> {
        let event = match &mut self.running {
            None => tokio::select! {
                changed = self.wishes.changed() => match changed {
                    Ok(()) => Event::Nothing,
                    Err(_) => return std::ops::ControlFlow::Break(()),
                },
                () = running::at(deadline) => Event::Nothing,
            },
            Some(running) => tokio::select! {
                changed = self.wishes.changed() => match changed {
                    Ok(()) => Event::Nothing,
                    Err(_) => return std::ops::ControlFlow::Break(()),
                },
                event = running.event(deadline) => event,
            },
        };
        match event {
            Event::Nothing => {}
            Event::Up => {
                self.record.up = true;
                self.record.cut_short = 0;
                self.store();
                fault::reach(Point::GuestRunning);
            }
            Event::Late => self.late(),
            Event::Exited(exit) => self.ended(exit),
        }
        std::ops::ControlFlow::Continue(())
    }

    /// The process did not come up, or does not answer: it is ended, and its end is handled as any.
    fn late(&mut self) {
        if let Some(running) = &mut self.running {
            tracing::warn!(guest = %self.id, "a guest's process does not answer and is killed");
            running.silent = true;
            running.live.kill();
        }
    }

    fn ended(&mut self, exit: Exit) {
        let Some(running) = self.running.take() else { return };
        fault::reach(Point::GuestEnded);
        let asked = running.phase != Process::Running;
        let wish = self.wishes.borrow().clone();
        let request_id = wish.guest().filter(|_| asked).and_then(|guest| asked_by(guest));
        let _span = tracing::info_span!("guest.ended", guest = %self.id, request_id).entered();
        let (by, reason) = judge(&running, exit, crate::console::says_powered_off(&self.dir.log()));
        self.record.process = None;
        self.record.reason = String::new();
        // One that says how it went has run, however short.
        let ran = running.was_up || by == EndedBy::Guest || matches!(running.last, Some(Status::Crashed));
        let word = match (asked, ran) {
            (true, _) => {
                self.record.ended = Some(EndedBy::Request);
                EndedBy::Request.word()
            }
            (false, true) => {
                self.ended_by_itself(by, reason);
                by.word()
            }
            (false, false) => {
                let said = crate::console::last_line(&self.dir.log());
                self.not_started(said.unwrap_or(reason));
                EndedBy::START
            }
        };
        self.context.board.count_exit(word);
        tracing::info!(guest = %self.id, ended = ?self.record.ended, reason = self.record.reason, "a guest's process has ended");
        self.store();
    }

    /// Nobody asked for its end: what its policy says is done when the time has come.
    fn ended_by_itself(&mut self, by: EndedBy, reason: String) {
        self.record.ended = Some(by);
        self.record.reason = reason;
        self.record.ends.note(now());
        self.schedule();
        if self.again.is_none() && by == EndedBy::Crash {
            let times = restart::MOST;
            self.record.reason += &format!(", and it was started again {times} times within a short time");
        }
    }

    /// Sets when a guest that ended by itself may be started again.
    fn schedule(&mut self) {
        self.again = self.record.ends.wait(now()).map(|wait| Instant::now() + wait);
    }

    /// A guest that ran before is tried again later; another one is not before something else is desired.
    fn not_started(&mut self, reason: String) {
        if self.record.ends.is_empty() {
            self.fail(reason);
        } else {
            self.ended_by_itself(EndedBy::Crash, reason);
        }
    }

    /// Remembers that the generation that was tried cannot be started.
    fn fail(&mut self, reason: String) {
        tracing::warn!(guest = %self.id, reason, "a guest cannot be started");
        self.record.failure = Some(reason);
        self.record.ended = Some(EndedBy::Request);
    }

    async fn press_power_button(&mut self, power: Option<Power>) {
        let (Some(running), Some(power)) = (&mut self.running, power) else { return };
        running.press_power_button(power.grace).await;
        fault::reach(Point::GuestStopping);
    }

    async fn kill(&mut self, unwanted: bool) {
        let Some(running) = &mut self.running else { return };
        if unwanted { running.kill() } else { running.quit().await }
    }

    /// Removes everything that the guest has on this host. Repeated until it works: nothing may be left behind.
    async fn remove(&mut self) {
        fault::reach(Point::GuestRemoving);
        // A cgroup is busy for a moment after its last process has ended.
        let mut wait = REMOVAL_RETRY.0;
        while let Err(error) = self.try_remove().await {
            tracing::warn!(guest = %self.id, %error, "a guest cannot be removed yet");
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(REMOVAL_RETRY.1);
        }
        self.leases.clear();
        if self.record.uid != 0 {
            self.context.uids.give_back(self.record.uid);
        }
        self.record = Record::default();
        fault::reach(Point::GuestRemoved);
        tracing::info!(guest = %self.id, "a guest is gone");
        self.tell(State::Gone, 0, 0, String::new());
    }

    async fn try_remove(&mut self) -> io::Result<()> {
        for port in &self.record.ports {
            let released = self.context.ports.release(&PortId::new(port.clone())).await;
            released.map_err(io::Error::other)?;
        }
        fault::reach(Point::GuestPortsReleased);
        cgroup::remove(&self.context.config.cgroup_parent, &self.id)?;
        let dir = self.dir.path().to_owned();
        let removed = tokio::task::spawn_blocking(move || std::fs::remove_dir_all(dir)).await;
        match removed.map_err(io::Error::other)? {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn store(&mut self) {
        self.record.boot_id.clone_from(&self.context.boot_id);
        if let Err(error) = self.record.store(&self.dir)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::error!(guest = %self.id, %error, "a guest's record cannot be written");
        }
    }

    /// Puts the adopted state on the board before the actor runs, so that a complete report never lacks it.
    pub(crate) fn tell_adopted(&mut self) {
        let wish = self.wishes.borrow().clone();
        self.report(&wish);
    }

    fn report(&mut self, wish: &Wish) {
        let guest = wish.guest();
        let generation = guest.map_or(0, |guest| guest.generation);
        let state = self.state(guest.map(|guest| guest.power));
        let reason = match state {
            State::Failed => self.record.failure.clone().unwrap_or_default(),
            State::Crashed => self.record.reason.clone(),
            _ => String::new(),
        };
        self.tell(state, generation, self.record.boot_count, reason);
    }

    fn state(&self, power: Option<Power>) -> State {
        if let Some(running) = &self.running {
            return if running.was_up { State::Running } else { State::Preparing };
        }
        if self.record.failure.is_some() {
            return State::Failed;
        }
        let again = power.and_then(|power| starts_again(power, &self.actual()));
        match (self.record.ended, power) {
            _ if self.preparing || again.is_some() => State::Preparing,
            (Some(EndedBy::Crash), _) => State::Crashed,
            (None | Some(EndedBy::Host), Some(Power { running: true, .. })) => State::Preparing,
            _ => State::Stopped,
        }
    }

    fn tell(&mut self, state: State, generation: u64, boot_count: u64, reason: String) {
        if self.told.is_some_and(|told| told != state) || self.record.since == 0 {
            self.record.since = now();
        }
        self.told = Some(state);
        let (id, since) = (self.id.clone(), self.record.since);
        self.context.board.set(Observed { id, generation, state, reason, boot_count, since });
    }
}

/// Who ended a process that nobody asked to end, and a reason for people.
fn judge(running: &Running, exit: Exit, said: bool) -> (EndedBy, String) {
    let powered_off = said || running.last == Some(Status::PoweredOff);
    match exit {
        // Also one whose process then went wrong: it wished to be off.
        _ if powered_off => (EndedBy::Guest, String::new()),
        _ if running.silent => (EndedBy::Crash, "the guest's process did not answer".into()),
        Exit::Status(code) if code == ExitStatus::Clean as i32 => (EndedBy::Guest, String::new()),
        Exit::Unknown => (EndedBy::Crash, "the guest's process has ended".into()),
        Exit::Status(code) if code == ExitStatus::Crashed as i32 => (EndedBy::Crash, "the guest crashed".into()),
        Exit::Status(code) => (EndedBy::Crash, format!("the guest's process ended with status {code}")),
        Exit::Signal(signal) => (EndedBy::Crash, format!("the guest's process was ended by signal {signal}")),
    }
}

/// The request behind a guest's last change, if somebody asked for it.
fn asked_by(guest: &Guest) -> Option<&str> {
    Some(guest.request_id.as_str()).filter(|request| !request.is_empty())
}
