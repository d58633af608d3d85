//! The service's handle, and the transaction in which every change of it happens.
//!
//! A [`Change`] gathers which hosts shall look again and tells the fleet after the commit. It may be run twice when two requests
//! crossed, so its work reads all that it needs through the change itself.

use crate::{
    config::NetworkConfig,
    desired::shared::Shared,
    error::{Error, Result},
    migrations::MIGRATIONS,
};
use controller_base::{
    Clock, Timestamp,
    id::{HostId, ProjectId},
};
use controller_db::Connection;
use controller_db::{Conn, Db, DbError, Tx};
use controller_ports::fleet::{Fleet, ObjectKey};
use futures::future::BoxFuture;
use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex},
};

/// How often a change is tried when it collides with another one.
const ATTEMPTS: u32 = 5;

/// The network service. Cheap to clone.
#[derive(Clone)]
pub struct NetworkService(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub db: Db,
    pub clock: Clock,
    pub config: NetworkConfig,
    pub fleet: Arc<dyn Fleet>,
    pub shared: Shared,
    /// Where hosts' tunnels end, as the fleet said last.
    pub underlays: Mutex<HashMap<HostId, String>>,
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The token's project.
    pub project_id: Option<ProjectId>,
    /// Sees and may use everything.
    pub is_admin: bool,
}

impl Caller {
    /// The service itself.
    #[must_use]
    pub fn service() -> Self {
        Self { project_id: None, is_admin: true }
    }

    /// A project's member.
    #[must_use]
    pub fn project(project_id: ProjectId) -> Self {
        Self { project_id: Some(project_id), is_admin: false }
    }

    /// Whether a thing of this owner is the caller's, or the caller may use anybody's.
    #[must_use]
    pub fn owns(&self, owner: Option<&ProjectId>) -> bool {
        self.is_admin || (owner.is_some() && owner == self.project_id.as_ref())
    }
}

impl NetworkService {
    /// Brings the tables up to date and starts the service.
    ///
    /// # Errors
    /// The database's.
    pub async fn start(db: Db, clock: Clock, config: NetworkConfig, fleet: Arc<dyn Fleet>) -> Result<Self> {
        db.migrate("network", MIGRATIONS).await?;
        let (shared, underlays) = (Shared::default(), Mutex::default());
        Ok(Self(Arc::new(Inner { db, clock, config, fleet, shared, underlays })))
    }

    pub(crate) fn config(&self) -> &NetworkConfig {
        &self.0.config
    }

    pub(crate) async fn read(&self) -> Result<Conn> {
        Ok(self.0.db.read().await?)
    }

    /// Runs the work in a transaction; again when it collided with another one.
    pub(crate) async fn write<T: Send>(
        &self,
        work: impl for<'a> Fn(&'a mut Change) -> BoxFuture<'a, Result<T>> + Send + Sync,
    ) -> Result<T> {
        let mut attempt = 1;
        loop {
            match self.write_once(&work).await {
                Err(error) if attempt < ATTEMPTS && is_collision(&error) => {
                    tracing::debug!(attempt, error = %error, "a change collided with another one");
                    attempt += 1;
                }
                other => return other,
            }
        }
    }

    async fn write_once<T: Send>(
        &self,
        work: &(impl for<'a> Fn(&'a mut Change) -> BoxFuture<'a, Result<T>> + Send + Sync),
    ) -> Result<T> {
        let (tx, done) = self.within(self.0.db.begin().await?, work).await?;
        tx.commit().await?;
        Ok(done)
    }

    /// Runs the work in somebody's transaction and gives it back; when it fails, all that was done in it is undone.
    pub(crate) async fn within<T: Send>(
        &self,
        tx: Tx,
        work: impl for<'a> FnOnce(&'a mut Change) -> BoxFuture<'a, Result<T>> + Send,
    ) -> Result<(Tx, T)> {
        let mut change = Change {
            tx,
            now: self.0.clock.now(),
            service: self.clone(),
            touched: BTreeSet::new(),
            changed: BTreeSet::new(),
        };
        let done = work(&mut change).await?;
        Ok((change.tell(), done))
    }
}

/// Whether the same may succeed when it is tried again at once.
pub(crate) fn is_collision(error: &Error) -> bool {
    match error {
        Error::ConcurrentUpdate | Error::Database(DbError::UniqueViolation { .. }) => true,
        Error::Database(error) => error.is_crossing(),
        _ => false,
    }
}

/// A transaction, and what it means for the hosts.
pub struct Change {
    tx: Tx,
    /// The moment of the change.
    pub now: Timestamp,
    /// The service.
    pub service: NetworkService,
    pub(crate) touched: BTreeSet<(HostId, ObjectKey)>,
    /// All that was touched, on however many hosts it is.
    pub(crate) changed: BTreeSet<ObjectKey>,
}

impl Change {
    /// For the stores.
    pub fn conn(&mut self) -> &mut Connection {
        &mut self.tx
    }

    /// After the transaction's commit hosts shall look again.
    fn tell(self) -> Tx {
        let Self { mut tx, service, touched, changed, .. } = self;
        tx.on_commit(move || {
            changed.iter().for_each(|key| service.0.shared.drop_key(key));
            touched.into_iter().for_each(|(host, key)| service.0.fleet.touch(host, key));
        });
        tx
    }
}
