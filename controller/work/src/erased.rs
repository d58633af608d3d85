//! An operation whose state type is forgotten, so that a runner can hold many kinds.

use crate::{
    Operation, Outcome, Run, Step, StepError,
    store::{Progress, Row},
};
use async_trait::async_trait;
use controller_base::Timestamp;
use futures::FutureExt;
use std::panic::AssertUnwindSafe;

/// What shall be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Run(usize),
    Undo(usize),
    Failed,
}

#[async_trait]
pub(crate) trait Erased: Send + Sync {
    fn names(&self) -> Vec<&'static str>;
    /// Calls a step. The row's state is what the step left there; the answer's flag tells whether the step has already made its
    /// completion durable.
    async fn call(
        &self,
        row: &mut Row,
        call: Call,
        next: Progress,
        now: Timestamp,
    ) -> Result<(Outcome, bool), StepError>;
}

pub(crate) struct Typed<O: Operation> {
    operation: O,
    steps: Vec<Step<O>>,
}

impl<O: Operation> Typed<O> {
    pub(crate) fn new(operation: O) -> Self {
        Self { operation, steps: O::steps() }
    }

    async fn dispatch(&self, run: &mut Run<O::State>, call: Call) -> Result<Outcome, StepError> {
        let step = |index: usize| self.steps.get(index).ok_or_else(|| StepError::fail("this program lacks the step"));
        match call {
            Call::Run(index) => (step(index)?.run)(&self.operation, run).await,
            Call::Undo(index) => (step(index)?.undo)(&self.operation, run).await,
            Call::Failed => {
                let reason = run.row.error.clone().unwrap_or_default();
                self.operation.failed(run, &reason).await.map(|()| Outcome::Done)
            }
        }
    }
}

#[async_trait]
impl<O: Operation> Erased for Typed<O> {
    fn names(&self) -> Vec<&'static str> {
        self.steps.iter().map(|step| step.name).collect()
    }

    async fn call(
        &self,
        row: &mut Row,
        call: Call,
        next: Progress,
        now: Timestamp,
    ) -> Result<(Outcome, bool), StepError> {
        let state = controller_db::from_json("state", &row.state)
            .map_err(|error| StepError::fail(format!("the operation's state cannot be read: {error}")))?;
        let mut run = Run {
            state,
            id: row.id,
            subject: row.subject.clone(),
            attempt: u32::try_from(row.attempts).unwrap_or(u32::MAX).saturating_add(1),
            created_at: row.created_at,
            step_since: row.step_since,
            now,
            row: row.clone(),
            next,
            recorded: false,
        };
        let caught = AssertUnwindSafe(self.dispatch(&mut run, call)).catch_unwind().await;
        let result = caught.unwrap_or_else(|_| Err(StepError::fail("a step panicked")));
        let state = controller_db::json(&run.state);
        // A step that recorded its completion and failed afterwards may or may not have committed: the next write finds out.
        if result.is_ok() && run.recorded {
            *row = run.row;
        }
        row.state = state;
        Ok((result?, run.recorded))
    }
}
