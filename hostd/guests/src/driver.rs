//! What to do next with a guest: decided from what shall be and what is, and from nothing else.
//!
//! ```text
//!              Start                 power off, crash
//!  no process ---------> running ---------------------> no process (by itself: until its policy or boot_count starts it again)
//!      ^                    | PressPowerButton
//!      |                    v
//!      +---------------- stopping --- deadline: Kill ---> killing ---> no process
//! ```

use crate::model::{Power, Restart};
use std::time::Instant;

/// What is, as far as decisions hang on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Actual {
    /// The guest's process.
    pub process: Process,
    /// How the last process ended; `None`: there was none.
    pub ended: Option<EndedBy>,
    /// The desired boot count that was carried out.
    pub boot_count: u64,
    /// The generation whose start failed.
    pub failed: Option<u64>,
    /// When one that ended by itself may be started again; `None`: it did so too often.
    pub again: Option<Instant>,
}

/// The guest's process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Process {
    /// There is none.
    None,
    /// It runs.
    Running,
    /// The guest was asked to power off.
    Stopping {
        /// When asking ends.
        deadline: Instant,
    },
    /// It was killed and has not ended yet.
    Killing,
}

/// Who ended a guest's process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum EndedBy {
    /// We, because it was desired.
    Request,
    /// The host went down under it.
    Host,
    /// The guest powered itself off.
    Guest,
    /// It crashed.
    Crash,
}

impl EndedBy {
    /// Every reason, and the end of a process that never came up.
    pub const WORDS: [&str; 5] = ["request", "host", "guest", "crash", Self::START];
    /// The end of a process that never came up, for metrics.
    pub(crate) const START: &str = "start";

    /// A word for metrics.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Host => "host",
            Self::Guest => "guest",
            Self::Crash => "crash",
        }
    }
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// All is as it shall be, or something is under way.
    Nothing,
    /// Nothing until then.
    WaitUntil(Instant),
    /// Make what is missing and start the process.
    Start,
    /// Ask the guest to power off.
    PressPowerButton,
    /// End the process.
    Kill,
    /// Remember that being stopped is what is desired.
    AcceptStop,
    /// Remove everything.
    Remove,
}

/// What to do next. `desired` is the guest's generation and power, `None` when the guest shall not be.
#[must_use]
pub fn decide(desired: Option<(u64, Power)>, actual: &Actual, now: Instant) -> Action {
    let Some((generation, power)) = desired else {
        return match actual.process {
            Process::None => Action::Remove,
            Process::Killing => Action::Nothing,
            Process::Running | Process::Stopping { .. } => Action::Kill,
        };
    };
    match actual.process {
        Process::Killing => Action::Nothing,
        Process::Stopping { deadline } if power.hard || now >= deadline => Action::Kill,
        Process::Stopping { deadline } => Action::WaitUntil(deadline),
        Process::Running if power.running && power.boot_count <= actual.boot_count => Action::Nothing,
        Process::Running if power.hard || power.grace.is_zero() => Action::Kill,
        Process::Running => Action::PressPowerButton,
        Process::None if actual.failed == Some(generation) => Action::Nothing,
        Process::None if power.running => start(power, actual, now),
        Process::None if actual.ended == Some(EndedBy::Request) => Action::Nothing,
        Process::None => Action::AcceptStop,
    }
}

/// A guest that ended by itself stays down until it is asked for again, or its policy says so.
fn start(power: Power, actual: &Actual, now: Instant) -> Action {
    let by_itself = matches!(actual.ended, Some(EndedBy::Guest | EndedBy::Crash));
    if !by_itself || power.boot_count > actual.boot_count {
        return Action::Start;
    }
    match starts_again(power, actual) {
        Some(due) if now >= due => Action::Start,
        Some(due) => Action::WaitUntil(due),
        None => Action::Nothing,
    }
}

/// When a guest that ended by itself is started again by its policy; `None`: it is not.
#[must_use]
pub fn starts_again(power: Power, actual: &Actual) -> Option<Instant> {
    let wanted = match (actual.ended, power.restart) {
        (Some(EndedBy::Guest), Restart::Always) => true,
        (Some(EndedBy::Crash), Restart::OnFailure | Restart::Always) => true,
        (None | Some(EndedBy::Request | EndedBy::Host), _) => false,
        (Some(EndedBy::Guest), Restart::OnFailure | Restart::Never) => false,
        (Some(EndedBy::Crash), Restart::Never) => false,
    };
    actual.again.filter(|_| wanted && power.running)
}

#[cfg(test)]
mod tests;
