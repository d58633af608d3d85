//! Where services and streams meet: who is connected, what was touched, which questions are open.

use crate::{session::SessionHandle, store};
use async_trait::async_trait;
use controller_base::Clock;
use controller_base::id::{HostId, ServerId};
use controller_db::{Db, DbError};
use controller_ports::Unavailable;
use controller_ports::fleet::{AskError, DesiredState, Fleet, GuestObserver, Host, HostObserver, ObjectKey};
use controller_ports::image::Images;
use humilis_proto::federation::{self as wire, call::Question};
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::sync::oneshot;

/// How long a host may take to answer a question.
const ANSWER: Duration = Duration::from_secs(15);

/// The services that want something of hosts or hear of them.
pub struct Sources {
    /// Each owns some kinds of objects.
    pub desired: Vec<Arc<dyn DesiredState>>,
    /// Takes in what guests do.
    pub guests: Arc<dyn GuestObserver>,
    /// Hear of hosts that come and go.
    pub hosts: Vec<Arc<dyn HostObserver>>,
    /// Serves hosts with image bytes.
    pub images: Arc<dyn Images>,
}

/// The fleet's heart; services hold it as `Arc<dyn Fleet>`.
pub struct Hub {
    pub(crate) db: Db,
    pub(crate) clock: Clock,
    sources: OnceLock<Sources>,
    sessions: Mutex<HashMap<HostId, SessionHandle>>,
    next: AtomicU64,
}

impl Hub {
    /// Makes the fleet's tables; for the command line, which needs no hub.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn migrate(db: &Db) -> Result<(), DbError> {
        db.migrate("fleet", store::MIGRATIONS).await
    }

    /// A hub without streams. At the start of a controller no host is connected.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn open(db: Db, clock: Clock) -> Result<Arc<Self>, DbError> {
        Self::migrate(&db).await?;
        store::disconnect_all(&db).await?;
        let (sources, sessions, next) = (OnceLock::new(), Mutex::default(), AtomicU64::new(1));
        Ok(Arc::new(Self { db, clock, sources, sessions, next }))
    }

    /// Names the services, once, before the listener starts.
    pub fn wire(&self, sources: Sources) {
        if self.sources.set(sources).is_err() {
            tracing::error!("the fleet was wired twice; the first wiring stays");
        }
    }

    /// A number for a session or a call.
    pub(crate) fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn sources(&self) -> Option<&Sources> {
        self.sources.get()
    }

    /// Registers a stream; an older one of the same host ends.
    pub(crate) fn enter(&self, host: HostId, session: SessionHandle) {
        if let Some(older) = self.sessions().insert(host, session) {
            older.end();
        }
    }

    /// Removes a stream unless a newer one took its place; true if it was removed.
    pub(crate) fn leave(&self, host: HostId, number: u64) -> bool {
        let mut sessions = self.sessions();
        let own = sessions.get(&host).is_some_and(|s| s.number == number);
        if own {
            sessions.remove(&host);
        }
        own
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<HostId, SessionHandle>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask(&self, host: HostId, question: Question) -> Result<Vec<u8>, AskError> {
        let session = self.sessions().get(&host).cloned().ok_or(AskError::NotConnected(host))?;
        let (answer, answered) = oneshot::channel();
        let call = wire::Call { call: self.number(), question: Some(question) };
        session.ask(call, answer).await.map_err(|()| AskError::NotConnected(host))?;
        match tokio::time::timeout(ANSWER, answered).await {
            Ok(Ok(Ok(data))) => Ok(data),
            Ok(Ok(Err(reason))) => Err(AskError::Refused { host, reason }),
            Ok(Err(_)) => Err(AskError::NotConnected(host)),
            Err(_) => Err(AskError::TimedOut(host)),
        }
    }
}

pub(crate) fn unavailable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Unavailable {
    Unavailable { service: "fleet", source: error.into() }
}

#[async_trait]
impl Fleet for Hub {
    fn touch(&self, host: HostId, key: ObjectKey) {
        if let Some(session) = self.sessions().get(&host) {
            session.touch(key);
        }
    }

    async fn hosts(&self) -> Result<Vec<Host>, Unavailable> {
        let mut conn = self.db.read().await.map_err(unavailable)?;
        store::list_hosts(&mut conn).await.map_err(unavailable)
    }

    async fn host(&self, id: HostId) -> Result<Option<Host>, Unavailable> {
        let mut conn = self.db.read().await.map_err(unavailable)?;
        store::get_host(&mut conn, id).await.map_err(unavailable)
    }

    async fn console_output(&self, host: HostId, server: ServerId, max_bytes: u64) -> Result<Vec<u8>, AskError> {
        let question = wire::ConsoleOutput { guest_id: server.to_string(), max_bytes };
        self.ask(host, Question::ConsoleOutput(question)).await
    }

    async fn audit(&self, host: HostId) -> Result<String, AskError> {
        let lines = self.ask(host, Question::Audit(wire::Audit {})).await?;
        Ok(String::from_utf8_lossy(&lines).into_owned())
    }
}
