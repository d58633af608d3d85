//! Deleting a server that was withdrawn from its host: wait for the host, free the ports, forget it for its tenant, and keep its
//! room until the host confirms that nothing is left. A host that is down makes no tenant wait.

use super::model::{Server, VmState};
use super::{change, store};
use crate::Compute;
use async_trait::async_trait;
use controller_base::id::ServerId;
use controller_db::{DbError, Tx};
use controller_work::{Operation, Outcome, Run, Step, StepError, step};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long a waiting step sleeps when nobody wakes it.
const POLL: Duration = Duration::from_secs(5);
/// Likewise while its host is down.
const SLOW_POLL: Duration = Duration::from_secs(60);

/// The operation.
pub(crate) struct Delete(pub(crate) Compute);

/// What a run remembers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) server: ServerId,
}

/// Enqueues it in the transaction that withdraws the server.
pub(crate) async fn start(compute: &Compute, tx: &mut Tx, server: ServerId) -> Result<(), DbError> {
    let state = State { server };
    compute.runner.enqueue::<Delete>(tx, &server.to_string(), &state).await?;
    Ok(())
}

#[async_trait]
impl Operation for Delete {
    const KIND: &'static str = "server.delete";
    type State = State;

    fn steps() -> Vec<Step<Self>> {
        vec![
            step!("vanish", Self::vanish),
            step!("detach", Self::detach),
            step!("forget", Self::forget),
            step!("confirm", Self::confirm),
        ]
    }
}

impl Delete {
    async fn vanish(&self, run: &mut Run<State>) -> Result<Outcome, StepError> {
        match self.server(run).await? {
            Some(server) if !server.gone && self.0.may_answer(&server, run.waited()).await? => Ok(Outcome::Wait(POLL)),
            _ => Ok(Outcome::Done),
        }
    }

    async fn detach(&self, run: &mut Run<State>) -> Result<Outcome, StepError> {
        self.0.networks.detach(run.state.server).await.map_err(StepError::retry)?;
        Ok(Outcome::Done)
    }

    async fn forget(&self, run: &mut Run<State>) -> Result<Outcome, StepError> {
        let now = run.now;
        let forget = |server: &Server| (server.state != VmState::Deleted).then(|| change::deleted(server, now));
        self.0.advance(run.state.server, forget).await.map_err(StepError::retry)?;
        Ok(Outcome::Done)
    }

    async fn confirm(&self, run: &mut Run<State>) -> Result<Outcome, StepError> {
        let Some(server) = self.server(run).await? else {
            return Ok(Outcome::Done);
        };
        if !server.gone && self.0.host_exists(&server).await? {
            return Ok(Outcome::Wait(SLOW_POLL));
        }
        let mut tx = self.0.db.begin().await?;
        self.0.placement.release(&mut tx, server.id).await.map_err(StepError::retry)?;
        if !server.gone {
            let next = Server { gone: true, ..server };
            if !store::update(&mut tx, &next).await? {
                return Err(StepError::retry("the server changed meanwhile"));
            }
        }
        run.record(&mut tx).await?;
        tx.commit().await?;
        Ok(Outcome::Done)
    }

    async fn server(&self, run: &Run<State>) -> Result<Option<Server>, StepError> {
        let mut connection = self.0.db.read().await?;
        Ok(store::get(&mut connection, run.state.server).await?)
    }
}

impl Compute {
    /// Whether the server's host can be expected to say something soon, this long after it was told.
    pub(crate) async fn may_answer(&self, server: &Server, waited: Duration) -> Result<bool, StepError> {
        let Some(host) = &server.host else {
            return Ok(false);
        };
        let host = self.fleet.host(host.id).await.map_err(StepError::retry)?;
        Ok(host.is_some_and(|host| host.up) && waited < self.config.answer_timeout())
    }

    /// Whether the server's host still is a member.
    pub(crate) async fn host_exists(&self, server: &Server) -> Result<bool, StepError> {
        match &server.host {
            None => Ok(false),
            Some(host) => Ok(self.fleet.host(host.id).await.map_err(StepError::retry)?.is_some()),
        }
    }

    /// Gives a server's room back.
    pub(crate) async fn release(&self, server: ServerId) -> Result<(), StepError> {
        let mut tx = self.db.begin().await?;
        self.placement.release(&mut tx, server).await.map_err(StepError::retry)?;
        tx.commit().await?;
        Ok(())
    }
}
