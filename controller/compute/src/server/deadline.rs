//! Ends what no host answers: a start, stop or reboot that takes too long becomes ERROR with a reason, from which a later
//! observation brings the server back. Also removes rows of servers that were deleted long ago.

use super::model::{Server, TaskState};
use super::{change, store};
use crate::Compute;
use async_trait::async_trait;
use controller_work::Reconciler;
use std::time::Duration;

/// The reconciler.
pub(crate) struct Deadlines(pub(crate) Compute);

type Failed = Box<dyn std::error::Error + Send + Sync>;

#[async_trait]
impl Reconciler for Deadlines {
    fn name(&self) -> &'static str {
        "compute.deadlines"
    }

    fn period(&self) -> Duration {
        Duration::from_secs(15)
    }

    async fn run(&self) -> Result<(), Failed> {
        self.expire().await?;
        self.purge().await
    }
}

impl Deadlines {
    async fn expire(&self) -> Result<(), Failed> {
        let compute = &self.0;
        let now = compute.clock.now();
        let since = now.plus_seconds(-i64::from(compute.config.answer_timeout_seconds));
        let mut connection = compute.db.read().await?;
        let overdue = store::overdue(&mut connection, since).await?;
        drop(connection);
        for server in overdue.iter().filter(|server| is_power_task(server)) {
            let up = match &server.host {
                Some(host) => compute.fleet.host(host.id).await?.is_some_and(|host| host.up),
                None => false,
            };
            let reason =
                if up { "The host did not answer in time." } else { "The host of the server is not connected." };
            let fail = |server: &Server| {
                let still = is_power_task(server) && server.task_since.is_some_and(|at| at < since);
                still.then(|| change::fail(server, reason, "", now))
            };
            tracing::info!(server = %server.id, reason, "a change of power ran out of time");
            compute.advance(server.id, fail).await?;
        }
        Ok(())
    }

    async fn purge(&self) -> Result<(), Failed> {
        let compute = &self.0;
        let retention = i64::from(compute.config.deleted_retention_seconds);
        let mut tx = compute.db.begin().await?;
        store::purge(&mut tx, compute.clock.now().plus_seconds(-retention)).await?;
        tx.commit().await?;
        Ok(())
    }
}

/// Building and deleting have time limits of their own, in their operations.
fn is_power_task(server: &Server) -> bool {
    matches!(
        server.task,
        Some(TaskState::PoweringOn | TaskState::PoweringOff | TaskState::Rebooting | TaskState::RebootingHard)
    )
}
