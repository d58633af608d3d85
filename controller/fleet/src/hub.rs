//! Where services and streams meet: who is connected, what was touched, which questions are open.

use crate::{
    Authority,
    clock::Measured,
    host::{Member, Refused},
    session::SessionHandle,
    store,
    update::Depot,
};
use async_trait::async_trait;
use controller_base::Clock;
use controller_base::id::{HostId, ServerId};
use controller_db::{Db, DbError};
use controller_ports::Unavailable;
use controller_ports::fleet::{
    AskError, DesiredState, Fleet, GuestObserver, Host, HostChange, HostChangeError, HostObserver, ObjectKey,
};
use controller_ports::image::Images;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use humilis_proto::federation::{self as wire, call::Question};
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::sync::{broadcast, oneshot};

/// Before the same refusal is logged again.
const REPEAT: Duration = Duration::from_secs(60);
/// So many hosts' announcements are under way at a time: those who write them down do so together.
const TOLD_AT_ONCE: usize = 64;
/// So many hosts are asked for in one statement.
const AT_ONCE: usize = 500;
/// How long a host may take to say that it is there.
const ALIVE: Duration = Duration::from_secs(3);
/// The longest line about uptime.
const UPTIME_CHARS: usize = 255;
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
    /// Updates for hosts.
    pub updates: Arc<Depot>,
}

/// The fleet's heart; services hold it as `Arc<dyn Fleet>`.
pub struct Hub {
    pub(crate) db: Db,
    pub(crate) clock: Clock,
    /// How long a host's certificate holds.
    pub(crate) certificate_seconds: i64,
    sources: OnceLock<Sources>,
    sessions: Mutex<HashMap<HostId, SessionHandle>>,
    next: AtomicU64,
    expelled: broadcast::Sender<HostId>,
    refusals: Mutex<HashMap<HostId, (Refused, Instant)>>,
    pub(crate) measured: Measured,
}

impl Hub {
    /// Makes the fleet's tables; for the command line, which needs no hub.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn migrate(db: &Db) -> Result<(), DbError> {
        db.migrate("fleet", store::MIGRATIONS).await
    }

    /// A hub without streams, which gives hosts certificates for so many seconds. At the start of a controller no host is
    /// connected.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn open(db: Db, clock: Clock, certificate_seconds: i64) -> Result<Arc<Self>, DbError> {
        Self::migrate(&db).await?;
        store::disconnect_all(&db).await?;
        let (sources, sessions, next) = (OnceLock::new(), Mutex::default(), AtomicU64::new(1));
        let expelled = broadcast::Sender::new(16);
        Ok(Arc::new(Self {
            db,
            clock,
            certificate_seconds,
            sources,
            sessions,
            next,
            expelled,
            refusals: Mutex::default(),
            measured: Measured::default(),
        }))
    }

    /// Names the services, once, before the listener starts.
    pub fn wire(&self, sources: Sources) {
        if self.sources.set(sources).is_err() {
            tracing::error!("the fleet was wired twice; the first wiring stays");
        }
    }

    /// Tells the services of hosts as they are: at the controller's start of all, none of which is connected yet.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn announce(&self) -> Result<(), Unavailable> {
        let hosts = self.hosts().await?;
        stream::iter(&hosts).map(|host| self.tell(host)).buffer_unordered(TOLD_AT_ONCE).try_collect().await
    }

    /// Tells all who care of a host that changed.
    pub(crate) async fn tell(&self, host: &Host) -> Result<(), Unavailable> {
        for observer in self.sources().into_iter().flat_map(|sources| &sources.hosts) {
            observer.host_changed(host).await?;
        }
        Ok(())
    }

    /// Names of members that have not yet renewed since the authority changed, and would be lost by the end of the old one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn behind(&self, authority: &Authority) -> Result<Vec<String>, DbError> {
        let trust = authority.trust();
        let members = store::list_members(&mut self.db.read().await?).await?;
        let behind = |member: &Member| member.trust != trust || !member.former_certificate.is_empty();
        Ok(members.into_iter().filter(behind).map(|member| member.host.hostname).collect())
    }

    /// How many hosts' streams are open.
    #[must_use]
    pub fn streams(&self) -> usize {
        self.sessions().len()
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

    /// Ends a host's stream for good, and what else it gets.
    pub(crate) fn expel(&self, host: HostId, why: &Refused) {
        // Nobody may be listening.
        let _ = self.expelled.send(host);
        if let Some(session) = self.session(host) {
            session.dismiss(why);
        }
    }

    /// Ends when the host is expelled.
    pub(crate) fn until_expelled(&self, host: HostId) -> impl Future<Output = ()> + Send + 'static {
        let mut expelled = self.expelled.subscribe();
        async move {
            // Who missed some messages may have missed its own.
            while expelled.recv().await.is_ok_and(|other| other != host) {}
        }
    }

    pub(crate) fn session(&self, host: HostId) -> Option<SessionHandle> {
        self.sessions().get(&host).cloned()
    }

    /// The host's update may have changed.
    pub(crate) fn poke(&self, host: HostId) {
        if let Some(session) = self.session(host) {
            session.poke();
        }
    }

    /// Whether a refusal is worth a line in the log: hosts try again every few seconds.
    pub(crate) fn is_news(&self, host: HostId, why: &Refused) -> bool {
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        refusals.retain(|_, (_, at)| at.elapsed() < REPEAT);
        if refusals.get(&host).is_some_and(|(last, _)| last == why) {
            return false;
        }
        refusals.insert(host, (why.clone(), Instant::now()));
        true
    }

    /// Whether a stream's host answers.
    pub(crate) async fn is_alive(&self, session: &SessionHandle) -> bool {
        self.ping(session).await.is_some()
    }

    /// What a stream's host answers to a ping, if it does in time.
    pub(crate) async fn ping(&self, session: &SessionHandle) -> Option<Vec<u8>> {
        let (answer, answered) = oneshot::channel();
        let call = wire::Call { call: self.number(), question: Some(Question::Ping(wire::Ping {})) };
        session.ask(call, answer).await.ok()?;
        let answer = tokio::time::timeout(ALIVE, answered).await.ok()?.ok()?;
        // An older hostd does not know the question, and says so: it is there.
        Some(answer.unwrap_or_default())
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<HostId, SessionHandle>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What there is to say of open streams.
    pub(crate) fn streams_where<T>(&self, say: impl Fn(HostId, &SessionHandle) -> Option<T>) -> Vec<T> {
        self.sessions().iter().filter_map(|(host, session)| say(*host, session)).collect()
    }

    pub(crate) async fn ask(&self, host: HostId, question: Question) -> Result<Vec<u8>, AskError> {
        let session = self.session(host).ok_or(AskError::NotConnected(host))?;
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
        let members = store::list_members(&mut conn).await.map_err(unavailable)?;
        Ok(members.into_iter().map(|member| member.host).collect())
    }

    async fn hosts_among(&self, ids: &[HostId]) -> Result<Vec<Host>, Unavailable> {
        let mut conn = self.db.read().await.map_err(unavailable)?;
        let mut hosts = Vec::with_capacity(ids.len());
        for some in ids.chunks(AT_ONCE) {
            let members = store::members_among(&mut conn, some).await.map_err(unavailable)?;
            hosts.extend(members.into_iter().map(|member| member.host));
        }
        Ok(hosts)
    }

    async fn tunnel_ends(&self, ids: &[HostId]) -> Result<HashMap<HostId, String>, Unavailable> {
        let mut conn = self.db.read().await.map_err(unavailable)?;
        let mut ends = HashMap::with_capacity(ids.len());
        for some in ids.chunks(AT_ONCE) {
            ends.extend(store::tunnel_ends(&mut conn, some).await.map_err(unavailable)?);
        }
        Ok(ends)
    }

    async fn host(&self, id: HostId) -> Result<Option<Host>, Unavailable> {
        let mut conn = self.db.read().await.map_err(unavailable)?;
        let member = store::get_member(&mut conn, id).await.map_err(unavailable)?;
        Ok(member.map(|member| member.host))
    }

    async fn change_host(&self, id: HostId, change: HostChange) -> Result<(), HostChangeError> {
        crate::change::change(self, id, change).await
    }

    async fn console_output(&self, host: HostId, server: ServerId, max_bytes: u64) -> Result<Vec<u8>, AskError> {
        let question = wire::ConsoleOutput { guest_id: server.to_string(), max_bytes };
        self.ask(host, Question::ConsoleOutput(question)).await
    }

    async fn uptime(&self, host: HostId) -> Result<String, AskError> {
        let asked = tokio::time::timeout(ALIVE, self.ask(host, Question::Uptime(wire::Uptime {}))).await;
        let line = asked.unwrap_or(Err(AskError::TimedOut(host)))?;
        Ok(String::from_utf8_lossy(&line).chars().take(UPTIME_CHARS).collect())
    }

    async fn audit(&self, host: HostId) -> Result<String, AskError> {
        let lines = self.ask(host, Question::Audit(wire::Audit {})).await?;
        Ok(String::from_utf8_lossy(&lines).into_owned())
    }
}
