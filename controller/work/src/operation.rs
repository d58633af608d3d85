//! What a service writes: an operation, its steps and what they answer.

use crate::store::{Progress, Row};
use async_trait::async_trait;
use controller_base::{Timestamp, id::OperationId};
use controller_db::{DbError, Tx};
use futures::future::BoxFuture;
use serde::{Serialize, de::DeserializeOwned};
use std::{fmt, time::Duration};

/// A kind of durable operation. The implementing struct holds the services that its steps need; what belongs to one run is
/// [`Operation::State`].
#[async_trait]
pub trait Operation: Send + Sync + Sized + 'static {
    /// Its name in the database and in `CONTROLLER_FAULT`; never changed once released.
    const KIND: &'static str;
    /// What one run remembers between its steps; stored as JSON.
    type State: Serialize + DeserializeOwned + Send + Sync + 'static;

    /// The steps in their order. Between releases steps may be appended, never moved: rows remember numbers.
    fn steps() -> Vec<Step<Self>>;

    /// Called after everything was undone, until it succeeds: the place where the subject learns that it failed.
    async fn failed(&self, _run: &mut Run<Self::State>, _reason: &str) -> Result<(), StepError> {
        Ok(())
    }
}

/// A step or its undo: made by [`step!`](crate::step!).
pub type StepFn<O> =
    for<'a> fn(&'a O, &'a mut Run<<O as Operation>::State>) -> BoxFuture<'a, Result<Outcome, StepError>>;

/// One line of the table of steps.
pub struct Step<O: Operation> {
    /// Its name, for logs and faults.
    pub name: &'static str,
    /// Does it.
    pub run: StepFn<O>,
    /// Undoes it, as far as it happened.
    pub undo: StepFn<O>,
}

impl<O: Operation> fmt::Debug for Step<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Step").field(&self.name).finish()
    }
}

/// A line of the table of steps: `step!("reserve", Self::reserve, Self::unreserve)`, or without an undo
/// `step!("finish", Self::finish)`. Both are `async fn(&self, run: &mut Run<State>) -> Result<Outcome, StepError>`.
#[macro_export]
macro_rules! step {
    ($name:literal, $run:expr) => {
        $crate::Step {
            name: $name,
            run: |op, run| Box::pin($run(op, run)),
            undo: |_, _| Box::pin(async { Ok($crate::Outcome::Done) }),
        }
    };
    ($name:literal, $run:expr, $undo:expr) => {
        $crate::Step { name: $name, run: |op, run| Box::pin($run(op, run)), undo: |op, run| Box::pin($undo(op, run)) }
    };
}

/// How a step ended that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is done.
    Done,
    /// It is done, and the next has nothing to do before the subject is woken, or this time has passed.
    DoneThenWait(Duration),
    /// It waits for something: run it again when the subject is woken, or after this time at the latest.
    Wait(Duration),
}

/// How a step failed.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// Not now: run it again.
    #[error("{reason}")]
    Retry {
        /// When; `None`: after a pause that grows with the attempts, from 0.2 s to 30 s.
        after: Option<Duration>,
        /// Why, for the log and the audit.
        reason: String,
    },
    /// Never: undo everything. An undo that says this is nevertheless tried again.
    #[error("{reason}")]
    Fail {
        /// Why, as [`Operation::failed`] will be told.
        reason: String,
    },
}

impl StepError {
    /// Undo everything.
    #[must_use]
    pub fn fail(reason: impl ToString) -> Self {
        Self::Fail { reason: reason.to_string() }
    }

    /// Run it again after a while.
    #[must_use]
    pub fn retry(reason: impl ToString) -> Self {
        Self::Retry { after: None, reason: reason.to_string() }
    }
}

/// The database is away or busy: a matter of time.
impl From<DbError> for StepError {
    fn from(error: DbError) -> Self {
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        Self::retry(format!("{error}{cause}"))
    }
}

/// One run of an operation, as its steps see it.
#[derive(Debug)]
pub struct Run<S> {
    /// What the run remembers; what a step changes here is durable with the step's completion.
    pub state: S,
    /// The operation.
    pub id: OperationId,
    /// On what it works.
    pub subject: String,
    /// How often this step was started, from 1. Not counted across a crash.
    pub attempt: u32,
    /// When the operation was enqueued.
    pub created_at: Timestamp,
    /// When this step was first due: for its time limits. Survives a crash.
    pub step_since: Timestamp,
    /// Now.
    pub now: Timestamp,
    pub(crate) row: Row,
    pub(crate) next: Progress,
    pub(crate) recorded: bool,
}

impl<S: Serialize> Run<S> {
    /// Makes this step's completion (and the state as it is now) durable in the caller's own transaction: one write less. The
    /// step must then commit and return [`Outcome::Done`] or [`Outcome::DoneThenWait`].
    ///
    /// # Errors
    /// The database's; [`DbError::Busy`] cannot be told from another controller having taken over, so the step just fails.
    pub async fn record(&mut self, tx: &mut Tx) -> Result<(), DbError> {
        self.row.state = controller_db::json(&self.state);
        self.row.write(tx, self.next, self.now).await?;
        self.recorded = true;
        Ok(())
    }

    /// How long this step has been due.
    #[must_use]
    pub fn waited(&self) -> Duration {
        let micros = self.now.0.saturating_sub(self.step_since.0);
        Duration::from_micros(u64::try_from(micros).unwrap_or(0))
    }
}
