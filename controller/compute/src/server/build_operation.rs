//! Building an accepted server: ports, then the host, then waiting for the guest to run. What fails is undone, so that a server
//! in ERROR has no ports, no room and no guest.

use super::model::{Placed, Server, TaskState, VmState};
use super::{change, store};
use crate::{Compute, failure::sentence};
use async_trait::async_trait;
use controller_base::Timestamp;
use controller_base::id::ServerId;
use controller_db::{DbError, Tx};
use controller_ports::network::{AttachError, AttachRequest};
use controller_work::{Operation, Outcome, Run, Step, StepError, step};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long a waiting step sleeps when nobody wakes it.
const POLL: Duration = Duration::from_secs(5);

/// The operation.
pub(crate) struct Build(pub(crate) Compute);

/// What a run remembers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) server: ServerId,
}

/// Enqueues it in the transaction that makes the server.
pub(crate) async fn start(compute: &Compute, tx: &mut Tx, server: ServerId) -> Result<(), DbError> {
    let state = State { server };
    compute.runner.enqueue::<Build>(tx, &server.to_string(), &state).await?;
    Ok(())
}

#[async_trait]
impl Operation for Build {
    const KIND: &'static str = "server.build";
    type State = State;

    fn steps() -> Vec<Step<Self>> {
        vec![step!("place", Self::place, Self::withdraw), step!("wait", Self::wait)]
    }

    async fn failed(&self, run: &mut Run<State>, reason: &str) -> Result<(), StepError> {
        let now = run.now;
        let failed = |server: &Server| {
            let known = server.state == VmState::Error && server.task.is_none() && server.fault.is_some();
            let over = known || server.state == VmState::Deleted;
            (!over).then(|| change::fail(server, reason, reason, now))
        };
        let server = self.0.advance(run.state.server, failed).await.map_err(StepError::retry)?;
        if server.is_some_and(|server| server.gone) {
            self.0.release(run.state.server).await?;
        }
        Ok(())
    }
}

impl Build {
    /// Plugs it in, which may be repeated, and gives it to its host.
    async fn place(&self, run: &mut Run<State>) -> Result<Outcome, StepError> {
        let server = self.wanted(run).await?;
        let Some(host) = &server.host else {
            return Err(StepError::fail("No valid host was found."));
        };
        match self.attach(self.0.db.begin().await?, &server, host).await {
            Ok(tx) => self.publish(run, tx, &server).await,
            Err(error @ AttachError::Collided) if run.waited() < self.0.config.answer_timeout() => {
                Err(StepError::Retry { after: None, reason: error.to_string() })
            }
            Err(AttachError::Unavailable(error)) => self.later(run, &error.to_string()),
            Err(error) => Err(StepError::fail(format!("Failed to allocate the network(s): {}", sentence(&error)))),
        }
    }

    async fn attach(&self, tx: Tx, server: &Server, host: &Placed) -> Result<Tx, AttachError> {
        let spec = &server.spec;
        if spec.nics.is_empty() {
            return Ok(tx);
        }
        let request = AttachRequest {
            server_id: server.id,
            project_id: server.project_id.clone(),
            is_admin: spec.by_admin,
            host_id: host.id,
            hostname: host.name.clone(),
            guest_hostname: server.hostname.clone(),
            availability_zone: spec.availability_zone.clone(),
            nics: spec.nics.clone(),
            security_groups: spec.security_groups.clone(),
        };
        self.0.networks.attach(tx, &request).await
    }

    async fn publish(&self, run: &mut Run<State>, mut tx: Tx, server: &Server) -> Result<Outcome, StepError> {
        if !server.desired.published {
            let next = change::publish(server, run.now);
            if !store::update(&mut tx, &next).await? {
                return Err(StepError::Retry {
                    after: Some(Duration::ZERO),
                    reason: "the server changed meanwhile".to_owned(),
                });
            }
            self.0.touch_on_commit(&mut tx, &next);
        }
        run.record(&mut tx).await?;
        tx.commit().await?;
        // Nothing is to be seen before the host has answered.
        Ok(Outcome::DoneThenWait(POLL))
    }

    /// Takes it from its host, and gives the host some time to confirm before the ports go.
    async fn withdraw(&self, run: &mut Run<State>) -> Result<Outcome, StepError> {
        let take = |server: &Server| server.desired.published.then(|| change::withdraw(server));
        let server = self.0.advance(run.state.server, take).await.map_err(StepError::retry)?;
        if let Some(server) = server
            && !server.gone
            && self.0.may_answer(&server, run.waited()).await?
        {
            return Ok(Outcome::Wait(POLL));
        }
        self.0.networks.detach(run.state.server).await.map_err(StepError::retry)?;
        Ok(Outcome::Done)
    }

    async fn wait(&self, run: &mut Run<State>) -> Result<Outcome, StepError> {
        let mut tx = self.0.db.begin().await?;
        let server = check(store::get(&mut tx, run.state.server).await?)?;
        match server.state {
            VmState::Building => self.still_building(&server, run.now),
            VmState::Error => Err(StepError::fail(server.fault.map_or_else(String::new, |fault| fault.message))),
            VmState::Active | VmState::Stopped | VmState::Deleted => {
                self.0.networks.set_active(&mut tx, server.id).await.map_err(StepError::retry)?;
                run.record(&mut tx).await?;
                // This step looks, and would see the same again.
                tx.commit_soon().await?;
                Ok(Outcome::Done)
            }
        }
    }

    /// The time limit starts anew whenever the host says that it is at work.
    fn still_building(&self, server: &Server, now: Timestamp) -> Result<Outcome, StepError> {
        let limit = i64::from(self.0.config.answer_timeout_seconds);
        if server.task_since.is_some_and(|since| since.plus_seconds(limit) < now) {
            return Err(StepError::fail("The host did not start the server in time."));
        }
        Ok(Outcome::Wait(POLL))
    }

    async fn wanted(&self, run: &Run<State>) -> Result<Server, StepError> {
        let mut connection = self.0.db.read().await?;
        check(store::get(&mut connection, run.state.server).await?)
    }

    fn later(&self, run: &Run<State>, reason: &str) -> Result<Outcome, StepError> {
        if run.waited() >= self.0.config.answer_timeout() {
            return Err(StepError::fail(reason));
        }
        Ok(Outcome::Wait(POLL.min(self.0.config.answer_timeout())))
    }
}

/// The server, unless its tenant does not want it any longer.
fn check(server: Option<Server>) -> Result<Server, StepError> {
    let server = server.ok_or_else(|| StepError::fail("the server does not exist"))?;
    if server.task == Some(TaskState::Deleting) || server.state == VmState::Deleted {
        return Err(StepError::fail("The server was deleted while it was built."));
    }
    Ok(server)
}
