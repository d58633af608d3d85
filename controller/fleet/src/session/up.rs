//! From the host: its greeting, what it observes, answers to questions.

use super::{
    SessionHandle,
    down::{Outbox, Writer},
};
use crate::{Hub, convert, hub::unavailable, store};
use controller_base::id::HostId;
use controller_ports::Unavailable;
use controller_ports::fleet::Host;
use humilis_proto::federation::{self as wire, host_message::Message};
use std::{sync::Arc, time::Duration};
use tokio::{sync::mpsc, time};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

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

/// Opens a stream for a member whose certificate was checked.
pub(crate) async fn open(
    hub: Arc<Hub>,
    id: HostId,
    mut inbox: Streaming<wire::HostMessage>,
) -> Result<ReceiverStream<Result<wire::ControllerMessage, Status>>, Status> {
    let (outbox, stream) = mpsc::channel(16);
    tokio::spawn(async move {
        let greeting = time::timeout(GREETING, inbox.message()).await;
        let Ok(Ok(Some(wire::HostMessage { message: Some(Message::Hello(hello)) }))) = greeting else {
            return refuse(&outbox, Status::invalid_argument("the first message has to be Hello")).await;
        };
        match greet(&hub, id, hello).await {
            Ok(Some(host)) => run(hub, host, inbox, outbox).await,
            Ok(None) => refuse(&outbox, Status::permission_denied("this host is no member any more")).await,
            Err(error) => {
                tracing::error!(host = %id, error = &error as &dyn std::error::Error, "a host could not be let in");
                refuse(&outbox, Status::unavailable("try again")).await;
            }
        }
    });
    Ok(ReceiverStream::new(stream))
}

async fn refuse(outbox: &Outbox, status: Status) {
    // The host may be gone already.
    drop(outbox.send(Err(status)).await);
}

/// Writes down what the host says of itself and tells who cares; `None` when it is no member.
async fn greet(hub: &Hub, id: HostId, hello: wire::Hello) -> Result<Option<Host>, Unavailable> {
    let mut tx = hub.db.begin().await.map_err(unavailable)?;
    let Some(known) = store::get_host(&mut tx, id).await.map_err(unavailable)? else {
        return Ok(None);
    };
    let host = Host {
        id,
        hostname: known.hostname,
        up: true,
        last_seen: hub.clock.now(),
        resources: hello.resources.map(convert::resources).unwrap_or_default(),
        underlay_address: hello.underlay_address,
        physical_networks: hello.physical_networks,
        version: hello.version,
    };
    store::update_host(&mut tx, &host).await.map_err(unavailable)?;
    tx.commit().await.map_err(unavailable)?;
    for observer in hub.sources().into_iter().flat_map(|s| &s.hosts) {
        observer.host_up(&host).await?;
    }
    Ok(Some(host))
}

async fn run(hub: Arc<Hub>, host: Host, inbox: Streaming<wire::HostMessage>, outbox: Outbox) {
    let id = host.id;
    let (session, asked) = SessionHandle::new(hub.number());
    hub.enter(id, session.clone());
    tracing::info!(host = %id, hostname = host.hostname, "host connected");
    let writer = Writer { hub: Arc::clone(&hub), host: id, session: session.clone(), outbox };
    let writer = tokio::spawn(writer.run(asked));
    let ended = tokio::select! {
        () = session.end.cancelled() => Ok(()),
        ended = read(&hub, id, &session, inbox) => ended,
    };
    session.end();
    drop(writer.await);
    if hub.leave(id, session.number) {
        leave(&hub, id).await;
    }
    match ended {
        Ok(()) => tracing::info!(host = %id, "host disconnected"),
        Err(error) => tracing::warn!(host = %id, error = &error as &dyn std::error::Error, "host disconnected"),
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

async fn leave(hub: &Hub, id: HostId) {
    let written = async {
        let mut tx = hub.db.begin().await?;
        store::set_connected(&mut tx, id, false, hub.clock.now()).await?;
        tx.commit().await
    };
    if let Err(error) = written.await {
        tracing::error!(host = %id, error = &error as &dyn std::error::Error, "a host's leave could not be written down");
    }
    for observer in hub.sources().into_iter().flat_map(|s| &s.hosts) {
        if let Err(error) = observer.host_down(id).await {
            tracing::error!(host = %id, error = &error as &dyn std::error::Error, "a host's leave could not be told");
        }
    }
}
