//! Takes one operation from where it stands to its end.

use crate::{
    Outcome, StepError,
    erased::{Call, Erased},
    fault::{self, Moment},
    runner::Inner,
    store::{Progress, Row},
};
use controller_base::request;
use controller_db::DbError;
use std::{sync::Arc, time::Duration};
use tokio::sync::Notify;
use tracing::Instrument as _;

/// Why driving stopped.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Finished or undone: the row is gone.
    Over,
    /// Another controller has it, or this one stops: the row stays.
    Left,
}

pub(crate) async fn drive(inner: &Arc<Inner>, mut row: Row, wake: &Notify) -> Ended {
    let Some(operation) = inner.kind(&row.kind) else {
        tracing::error!(kind = row.kind, operation = %row.id, "this program does not know the operation; it stays");
        return Ended::Left;
    };
    let names = operation.names();
    loop {
        if inner.stopping() {
            return Ended::Left;
        }
        let (call, next) = plan(&row, names.len());
        let step = name(&names, call);
        let span = tracing::info_span!(
            "operation.step",
            operation = row.kind,
            subject = row.subject,
            step,
            undo = matches!(call, Call::Undo(_)).then_some(true),
            request_id = row.request.as_ref().map(tracing::field::display),
        );
        let asked_by = row.request.clone();
        let attempt = attempt(inner, operation.as_ref(), &mut row, call, next, step).instrument(span);
        let pause = match request::on_behalf(asked_by, attempt).await {
            Ok(After::Over) => return Ended::Over,
            Ok(After::Next) => continue,
            Ok(After::Pause(pause)) => pause,
            Err(error) => {
                let Some(stored) = reread(inner, &row, &error).await else { return Ended::Left };
                match stored {
                    Some(stored) => row = stored,
                    None => return Ended::Over,
                }
                Duration::from_millis(500)
            }
        };
        tokio::select! {
            () = wake.notified() => {}
            () = tokio::time::sleep(pause) => {}
            () = inner.stop.cancelled() => return Ended::Left,
        }
    }
}

enum After {
    Over,
    Next,
    Pause(Duration),
}

/// What is to be called and where a success leads.
fn plan(row: &Row, steps: usize) -> (Call, Progress) {
    let Ok(index) = usize::try_from(row.step) else { return (Call::Failed, Progress::Over) };
    if row.undoing {
        return (Call::Undo(index), Progress::Undo(row.step - 1));
    }
    let next = if index + 1 >= steps { Progress::Over } else { Progress::Forward(row.step + 1) };
    (Call::Run(index), next)
}

fn name(names: &[&'static str], call: Call) -> &'static str {
    match call {
        Call::Run(index) | Call::Undo(index) => names.get(index).copied().unwrap_or("unknown"),
        Call::Failed => "failed",
    }
}

async fn attempt(
    inner: &Inner,
    operation: &dyn Erased,
    row: &mut Row,
    call: Call,
    next: Progress,
    step: &str,
) -> Result<After, DbError> {
    let before = if matches!(call, Call::Run(_)) { Moment::Before } else { Moment::Undo };
    fault::here(&row.kind, step, before);
    let permit = inner.running.acquire().await;
    let result = operation.call(row, call, next, inner.clock.now()).await;
    drop(permit);
    if matches!(call, Call::Run(_)) {
        fault::here(&row.kind, step, Moment::After);
    }
    tracing::debug!(?call, ?result, "step");
    match result {
        Ok((Outcome::Wait(longest), false)) => {
            row.attempts += 1;
            Ok(After::Pause(longest))
        }
        Ok((outcome, recorded)) => {
            if !recorded {
                inner.write(row, next).await?;
            }
            Ok(match outcome {
                _ if next == Progress::Over => After::Over,
                Outcome::DoneThenWait(longest) => After::Pause(longest),
                Outcome::Done | Outcome::Wait(_) => After::Next,
            })
        }
        Err(StepError::Fail { reason }) if matches!(call, Call::Run(_)) => {
            tracing::warn!(reason, "operation fails; undoing it");
            row.error = Some(reason);
            inner.write(row, Progress::Undo(row.step)).await?;
            Ok(After::Next)
        }
        Err(StepError::Fail { reason }) => again(inner, row, None, reason).await,
        Err(StepError::Retry { after, reason }) => again(inner, row, after, reason).await,
    }
}

async fn again(inner: &Inner, row: &mut Row, after: Option<Duration>, reason: String) -> Result<After, DbError> {
    let pause = after.unwrap_or_else(|| backoff(row.attempts));
    tracing::info!(attempts = row.attempts, reason, "step will be tried again");
    row.attempts += 1;
    // The reason of a failing operation is kept for its failed hook.
    if !row.undoing {
        row.error = Some(reason);
    }
    inner.write(row, Progress::Stay).await?;
    Ok(After::Pause(pause))
}

fn backoff(attempts: i64) -> Duration {
    let doublings = u32::try_from(attempts.clamp(0, 8)).unwrap_or(0);
    Duration::from_millis(200).saturating_mul(1 << doublings).min(Duration::from_secs(30))
}

/// After a failed write: what the database now says. Outer `None`: this controller does not drive it any more.
async fn reread(inner: &Inner, row: &Row, error: &DbError) -> Option<Option<Row>> {
    tracing::warn!(kind = row.kind, operation = %row.id, %error, "operation's progress was not stored");
    let mut tries = 0_u32;
    while !inner.stopping() {
        match inner.find_own(row).await {
            Ok(found) => return found,
            Err(error) => tracing::warn!(%error, "the database is away"),
        }
        tries = tries.saturating_add(1);
        tokio::time::sleep(backoff(i64::from(tries))).await;
    }
    None
}
