//! The test that every operation wants: each step twice, each step failing once, each undo twice.

use crate::{
    Operation, Outcome, StepError,
    erased::{Call, Erased, Typed},
    store::{Progress, Row},
};
use controller_base::{Timestamp, id::OperationId};
use std::time::Duration;

const MOST_CALLS: u32 = 1000;

/// Drives one run of an operation by hand, without a database.
pub struct Script {
    operation: Box<dyn Erased>,
    row: Row,
    now: Timestamp,
}

impl std::fmt::Debug for Script {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Script").field("row", &self.row).finish_non_exhaustive()
    }
}

impl Script {
    /// A run that stands before its first step.
    pub fn new<O: Operation>(operation: O, subject: &str, state: &O::State, now: Timestamp) -> Self {
        let row = Row {
            id: OperationId::random(),
            kind: O::KIND.to_owned(),
            subject: subject.to_owned(),
            step: 0,
            undoing: false,
            state: controller_db::json(state),
            attempts: 0,
            error: None,
            created_at: now,
            step_since: now,
            generation: 1,
            request: None,
            first: true,
            detached: true,
        };
        Self { operation: Box::new(Typed::new(operation)), row, now }
    }

    /// The names of the steps.
    #[must_use]
    pub fn steps(&self) -> Vec<&'static str> {
        self.operation.names()
    }

    /// Runs every step twice in a row, the second time with what was remembered before the first: as after a crash.
    /// Waiting and retrying steps are called again after a millisecond, with the operation's own time moved on.
    ///
    /// # Errors
    /// The step that failed for good, with its reason.
    pub async fn run_all_twice(&mut self) -> Result<(), StepError> {
        for index in 0..self.steps().len() {
            let before = self.row.state.clone();
            self.settle(Call::Run(index)).await?;
            self.row.state = before;
            self.settle(Call::Run(index)).await?;
        }
        Ok(())
    }

    /// Runs the steps before `failing`, then (if `partly`) that one too, and then undoes all of them, each twice, and calls the
    /// failed hook twice.
    ///
    /// # Errors
    /// The step that failed by itself, or an undo that gave up.
    pub async fn fail_at(&mut self, failing: usize, partly: bool) -> Result<(), StepError> {
        for index in 0..failing + usize::from(partly) {
            self.settle(Call::Run(index)).await?;
        }
        self.row.error = Some("failed by the test".to_owned());
        self.row.undoing = true;
        for call in (0..=failing).rev().map(Call::Undo).chain([Call::Failed]) {
            self.settle(call).await?;
            self.settle(call).await?;
        }
        Ok(())
    }

    async fn settle(&mut self, call: Call) -> Result<(), StepError> {
        let since = self.now;
        self.row.attempts = 0;
        for _ in 0..MOST_CALLS {
            self.row.step_since = since;
            let pause = match self.operation.call(&mut self.row, call, Progress::Stay, self.now).await {
                Ok((Outcome::Done | Outcome::DoneThenWait(_), _)) => return Ok(()),
                Ok((Outcome::Wait(pause), _)) => pause,
                Err(StepError::Retry { after, .. }) => after.unwrap_or(Duration::from_secs(1)),
                Err(fail) => return Err(fail),
            };
            self.row.attempts += 1;
            self.now = self.now.plus_seconds(1 + i64::try_from(pause.as_secs()).unwrap_or(0));
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Err(StepError::fail(format!("{call:?} came to no end")))
    }
}
