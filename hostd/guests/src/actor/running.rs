//! A running process as its actor sees it: what it says, when it ends, and how it is asked to.

use crate::{
    driver::Process,
    process::{
        control::Control,
        live::{Exit, Live},
    },
};
use std::time::{Duration, Instant};
use vmm_control::message::{Reply, Request, Status};

/// How long a process that was asked to quit may take before it is killed.
const QUIT_DEADLINE: Duration = Duration::from_secs(3);

/// A running process.
pub(super) struct Running {
    pub(super) live: Live,
    pub(super) phase: Process,
    /// Its vCPUs ran at some time.
    pub(super) was_up: bool,
    /// It did not answer in time.
    pub(super) silent: bool,
    /// The last state that it told.
    pub(super) last: Option<Status>,
    guest: String,
    control: Option<Control>,
    // When it must have answered, or ended.
    deadline: Option<Instant>,
}

/// What happened to a running process.
pub(super) enum Event {
    /// Time to decide anew.
    Nothing,
    /// Its vCPUs run.
    Up,
    /// It did not do in time what it should.
    Late,
    /// It has ended.
    Exited(Exit),
}

impl Running {
    pub(super) fn new(guest: &str, live: Live, control: Option<Control>, was_up: bool, patience: Duration) -> Self {
        Self {
            live,
            phase: Process::Running,
            was_up,
            silent: false,
            last: None,
            guest: guest.to_owned(),
            control,
            deadline: Some(Instant::now() + patience),
        }
    }

    /// The next thing that happens, at the latest at `until`. May be cancelled.
    pub(super) async fn event(&mut self, until: Option<Instant>) -> Event {
        let deadline = self.deadline;
        let reply = async {
            match &mut self.control {
                Some(control) => control.reply().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            // A power-off that is told is taken before the end that follows it.
            biased;
            reply = reply => self.replied(reply),
            exit = self.live.exited() => Event::Exited(exit),
            () = at(until) => Event::Nothing,
            () = at(deadline) => {
                self.deadline = None;
                Event::Late
            }
        }
    }

    fn replied(&mut self, reply: Option<Reply>) -> Event {
        match reply {
            // The process is ending, or its control thread is gone: the former is seen soon, the latter by the deadline.
            None => {
                self.control = None;
                Event::Nothing
            }
            Some(Reply::Hello { id, .. }) if id != self.guest => Event::Late,
            Some(Reply::Status(status)) => self.status(status),
            Some(Reply::Failed { reason }) => {
                tracing::warn!(guest = self.guest, reason, "a guest's process refused a request");
                Event::Nothing
            }
            Some(Reply::Hello { .. } | Reply::Done | Reply::Counters(_)) => Event::Nothing,
        }
    }

    fn status(&mut self, status: Status) -> Event {
        self.last = Some(status);
        if !matches!(status, Status::Running | Status::Paused) {
            return Event::Nothing;
        }
        if self.phase == Process::Running {
            self.deadline = None;
        }
        if std::mem::replace(&mut self.was_up, true) { Event::Nothing } else { Event::Up }
    }

    pub(super) fn set_control(&mut self, control: Control) {
        self.control = Some(control);
    }

    /// Asks the guest to power off.
    pub(super) async fn press_power_button(&mut self, grace: Duration) {
        self.phase = Process::Stopping { deadline: Instant::now() + grace };
        self.send(Request::PowerButton).await;
    }

    /// Ends the process, its disks flushed if it does so in time.
    pub(super) async fn quit(&mut self) {
        self.phase = Process::Killing;
        self.deadline = Some(Instant::now() + QUIT_DEADLINE);
        if !self.send(Request::Quit).await {
            self.live.kill();
        }
    }

    /// Ends the process at once.
    pub(super) fn kill(&mut self) {
        self.phase = Process::Killing;
        self.live.kill();
    }

    async fn send(&mut self, request: Request) -> bool {
        let Some(control) = &mut self.control else { return false };
        match control.send(&[request]).await {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(guest = self.guest, %error, "a guest's process cannot be asked");
                false
            }
        }
    }
}

/// Waits until then; without a moment for ever.
pub(super) async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment.into()).await,
        None => std::future::pending().await,
    }
}
