//! From the host: its greeting, what it observes, answers to questions.

use super::SessionPeer;
use super::{
    SessionHandle,
    down::{Outbox, Writer},
};
use crate::{
    Authority, Hub, clock, convert,
    enrolment::{self, EnrolError},
    holders::Held,
    host::{Member, Refused, Shown},
    hub::unavailable,
    store,
};
use controller_base::id::HostId;
use controller_ports::Unavailable;
use controller_ports::fleet::{Admission, Fleet as _};
use humilis_proto::federation::{self as wire, host_message::Message};
use std::{sync::Arc, time::Duration};
use tokio::{sync::mpsc, time};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

/// How long a host may take to come back before anybody hears that it went.
const GRACE: Duration = Duration::from_secs(1);
/// How long a host may take to say who it is.
const GREETING: Duration = Duration::from_secs(10);

/// Why a stream ends.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("host sent something malformed")]
    Malformed(#[from] convert::Malformed),
    #[error("what the host said could not be taken in")]
    Unavailable(#[from] Unavailable),
    #[error("stream broke")]
    Broken(#[from] Status),
}

/// Why a host gets no stream.
#[derive(Debug, thiserror::Error)]
enum NotGreeted {
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Opens a stream for whoever showed a certificate of ours.
pub(crate) async fn open(
    hub: Arc<Hub>,
    authority: Arc<Authority>,
    shown: Shown,
    mut inbox: Streaming<wire::HostMessage>,
) -> Result<ReceiverStream<Result<wire::ControllerMessage, Status>>, Status> {
    let (outbox, stream) = mpsc::channel(16);
    tokio::spawn(async move {
        let greeting = time::timeout(GREETING, inbox.message()).await;
        let Ok(Ok(Some(wire::HostMessage { message: Some(Message::Hello(hello)) }))) = greeting else {
            return refuse(&outbox, Status::invalid_argument("the first message has to be Hello")).await;
        };
        let peer = SessionPeer { instance: hello.instance.clone(), address: shown.address.to_string() };
        match greet(&hub, &shown, hello).await {
            Ok(member) => run(hub, authority, member, (shown, peer), inbox, outbox).await,
            Err(NotGreeted::Refused(why)) => {
                let (host, address) = (shown.host, shown.address);
                if hub.is_news(host, &why) {
                    tracing::warn!(%host, %address, reason = %why, "a host was refused");
                }
                refuse(&outbox, refusal(&why)).await;
            }
            Err(NotGreeted::Unavailable(error)) => {
                let (host, error) = (shown.host, &error as &dyn std::error::Error);
                tracing::error!(%host, error, "a host could not be let in");
                drop(outbox.try_send(Err(Status::unavailable("try again"))));
            }
        }
    });
    Ok(ReceiverStream::new(stream))
}

/// What a host is told that may not.
pub(crate) fn refusal(why: &Refused) -> Status {
    Status::permission_denied(why.to_string())
}

async fn refuse(outbox: &Outbox, status: Status) {
    // The host may be gone already.
    drop(outbox.send(Err(status)).await);
}

/// Writes down what the host says of itself and tells who cares.
async fn greet(hub: &Hub, shown: &Shown, hello: wire::Hello) -> Result<Member, NotGreeted> {
    refuse_twin(hub, shown, &hello).await?;
    let mut tx = hub.db.begin().await.map_err(unavailable)?;
    let member = store::get_member(&mut tx, shown.host).await.map_err(unavailable)?;
    let mut member = member.ok_or(Refused::NoMember)?;
    member.greeted(shown, &hello.hostname, &hello.machine)?;
    let host = &mut member.host;
    host.up = true;
    host.last_seen = hub.clock.now();
    host.resources = hello.resources.map(convert::resources).unwrap_or_default();
    host.underlay_address = hello.underlay_address;
    host.physical_networks = hello.physical_networks;
    host.version = hello.version;
    host.membership.numa = convert::numa(hello.numa_nodes);
    host.membership.cpu = hello.cpu.map(convert::cpu).unwrap_or_default();
    host.membership.appliance = hello.appliance_version.chars().take(64).collect();
    store::update_host(&mut tx, &member.host).await.map_err(unavailable)?;
    store::update_member(&mut tx, &member).await.map_err(unavailable)?;
    tx.commit().await.map_err(unavailable)?;
    hub.tell(&member.host).await?;
    Ok(member)
}

/// Two processes that are both there are two machines: a host's hostd is one process, which drops a stream before it opens
/// another.
async fn refuse_twin(hub: &Hub, shown: &Shown, hello: &wire::Hello) -> Result<(), Refused> {
    let Some(older) = hub.session(shown.host) else { return Ok(()) };
    let known = !older.peer.instance.is_empty() && !hello.instance.is_empty();
    if known && older.peer.instance != hello.instance && hub.is_alive(&older).await {
        let hostname = hello.hostname.chars().take(64).collect();
        return Err(Refused::Twin { hostname, address: older.peer.address });
    }
    Ok(())
}

async fn run(
    hub: Arc<Hub>,
    authority: Arc<Authority>,
    member: Member,
    (shown, peer): (Shown, SessionPeer),
    inbox: Streaming<wire::HostMessage>,
    outbox: Outbox,
) {
    let (id, hostname, trust) = (member.host.id, member.host.hostname, member.trust);
    let address = peer.address.clone();
    let (session, asked) = SessionHandle::new(hub.number(), peer);
    hub.enter(id, session.clone());
    settle(&hub, id).await;
    if let Err(EnrolError::Refused(why)) = enrolment::check(&hub, &shown).await {
        // It lost its place while it came in.
        session.dismiss(&why);
    }
    tracing::info!(host = %id, hostname, address, "host connected");
    let last_words = outbox.clone();
    let writer = Writer { hub: Arc::clone(&hub), authority, host: id, trust, session: session.clone(), outbox };
    let writer = tokio::spawn(writer.run(asked));
    let ended = tokio::select! {
        () = session.end.cancelled() => Ok(()),
        () = clock::watch(&hub, id, &hostname, &session) => Ok(()),
        ended = read(&hub, id, &session, inbox) => ended,
    };
    session.end();
    drop(writer.await);
    if let Some(why) = session.farewell.get() {
        // A host that does not read hears nothing; its stream ends all the same.
        drop(last_words.try_send(Err(refusal(why))));
    }
    let dismissed = session.farewell.get().is_some();
    if hub.leave(id, session.number) {
        if !dismissed {
            // A host that comes right back, as with a new certificate, was never away.
            time::sleep(GRACE).await;
        }
        if hub.session(id).is_none() {
            leave(&hub, id).await;
            settle(&hub, id).await;
        }
    }
    match ended {
        Ok(()) => tracing::info!(host = %id, hostname, "host disconnected"),
        Err(error) => {
            tracing::warn!(host = %id, hostname, error = &error as &dyn std::error::Error, "host disconnected")
        }
    }
}

async fn read(
    hub: &Hub,
    id: HostId,
    session: &SessionHandle,
    mut inbox: Streaming<wire::HostMessage>,
) -> Result<(), Ended> {
    while let Some(message) = inbox.message().await? {
        match message.message {
            Some(Message::Observed(observed)) => observe(hub, id, observed).await?,
            Some(Message::Result(result)) => session.answered(result),
            Some(Message::Images(held)) => *session.held() = Held::new(held),
            Some(Message::Update(progress)) => {
                if let Some((version, state, reason)) = convert::update_progress(progress) {
                    hub.update_progressed(id, &version, state, &reason).await?;
                }
            }
            // The comparison is by content; a second greeting changes nothing.
            Some(Message::Ack(_) | Message::Hello(_)) | None => {}
        }
    }
    Ok(())
}

async fn observe(hub: &Hub, id: HostId, observed: wire::Observed) -> Result<(), Ended> {
    let guests = observed.guests.into_iter().map(convert::observed_guest).collect::<Result<Vec<_>, _>>()?;
    let sources = hub.sources().ok_or_else(|| unavailable("no service is wired"))?;
    // An observation that is not taken in ends the stream: the host reports everything anew on the next one.
    Ok(sources.guests.observed(id, observed.complete, guests).await?)
}

/// A stream that ended may have been written down after the next one's beginning: what is true now is written last.
async fn settle(hub: &Hub, id: HostId) {
    let again = async {
        let Some(mut host) = hub.host(id).await?.filter(|host| !host.up && hub.session(id).is_some()) else {
            return Ok(());
        };
        if host.membership.admission != Admission::Admitted {
            return Ok(());
        }
        let mut tx = hub.db.begin().await.map_err(unavailable)?;
        store::set_connected(&mut tx, id, true, hub.clock.now()).await.map_err(unavailable)?;
        tx.commit().await.map_err(unavailable)?;
        host.up = true;
        hub.tell(&host).await
    };
    if let Err(error) = again.await {
        tracing::error!(host = %id, error = &error as &dyn std::error::Error, "a host's coming could not be written down");
    }
}

async fn leave(hub: &Hub, id: HostId) {
    let told = async {
        let mut tx = hub.db.begin().await.map_err(unavailable)?;
        store::set_connected(&mut tx, id, false, hub.clock.now()).await.map_err(unavailable)?;
        let member = store::get_member(&mut tx, id).await.map_err(unavailable)?;
        tx.commit().await.map_err(unavailable)?;
        match member {
            Some(member) => hub.tell(&member.host).await,
            // It was removed.
            None => Ok(()),
        }
    };
    if let Err(error) = told.await {
        tracing::error!(host = %id, error = &error as &dyn std::error::Error, "a host's leave could not be told");
    }
}
