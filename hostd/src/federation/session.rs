//! The one long-lived stream: desired state down, observed state up, for ever anew.

use super::{MAX_MESSAGE, channel, convert, peers::Giving, renew, updates};
use crate::{
    audit::Audit,
    config::Config,
    delivery::{Delivery, Report},
    desired::Store,
    identity::Identity,
    resources, uptime,
};
use hostd_guests::GuestsHandle;
use humilis_proto::federation::{
    self as wire, call::Question, controller_message::Message as Down, federation_client::FederationClient,
    host_message::Message as Up, result::Outcome,
};
use prost::Message as _;
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep, sleep_until},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;

/// Messages that may wait for the stream.
const QUEUE: usize = 64;
/// Waits between attempts grow from the first to the second.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// Before the ledger is tried again.
const LEDGER_RETRY: Duration = Duration::from_secs(1);
/// Before the same complaint is logged again.
const REPEAT: Duration = Duration::from_secs(60);
/// More console than this is not sent at once.
const MAX_CONSOLE: u64 = 1024 * 1024;

/// What a session is made of.
pub struct Session {
    /// The configuration.
    pub config: Config,
    /// Who this host is; others hear of it when that is renewed.
    pub identity: watch::Sender<Identity>,
    /// Where desired state goes.
    pub store: Arc<Store>,
    /// Where observed state comes from.
    pub guests: GuestsHandle,
    /// What answers the audit.
    pub audit: Audit,
    /// Where new versions of the appliance go.
    pub delivery: Delivery,
    /// What other hosts get from here.
    pub giving: Giving,
    /// The channel of the current stream, for images.
    pub channel: watch::Sender<Option<Channel>>,
    /// Why there is none.
    pub reason: watch::Sender<String>,
}

/// Why a stream ended.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error(transparent)]
    Address(#[from] super::AddressError),
    #[error("{}", .0.message())]
    Status(#[source] Box<tonic::Status>),
    #[error("the controller ended the stream")]
    Closed,
    #[error("the certificate was renewed")]
    Renewed,
    #[error(
        "this host's certificate expired at {0}: join again by `hostd enrol` with a new token, or configure one and restart"
    )]
    Expired(String),
}

/// What is said once is not repeated every few seconds.
#[derive(Default)]
struct Complaints {
    last: Option<(String, Instant)>,
}

impl Complaints {
    fn make(&mut self, ended: &Ended) {
        let said = ended.to_string();
        let known = self.last.as_ref().is_some_and(|(last, at)| *last == said && at.elapsed() < REPEAT);
        let error = ended as &dyn std::error::Error;
        if known {
            tracing::debug!(error, "not connected");
        } else {
            tracing::warn!(error, "not connected");
            self.last = Some((said, Instant::now()));
        }
    }
}

impl From<tonic::Status> for Ended {
    fn from(status: tonic::Status) -> Self {
        Self::Status(Box::new(status))
    }
}

/// What a stream has come to.
#[derive(Default)]
struct Progress {
    /// Desired state came in.
    fruitful: bool,
    /// The controller wants the certificate to be renewed now.
    renew: bool,
    /// The newest sequence that is not acknowledged because the ledger could not be written.
    unwritten: Option<u64>,
}

impl Session {
    /// Holds the stream for ever.
    pub async fn run(mut self) {
        let (mut wait, mut complaints) = (BACKOFF.0, Complaints::default());
        loop {
            let mut progress = Progress::default();
            let ended = self.stream(&mut progress).await;
            self.channel.send_replace(None);
            if progress.fruitful {
                wait = BACKOFF.0;
            }
            match ended {
                Ended::Renewed => {
                    wait = BACKOFF.0;
                    continue;
                }
                ended => {
                    self.reason.send_replace(ended.to_string());
                    complaints.make(&ended);
                }
            }
            sleep(wait).await;
            wait = (wait * 2).min(BACKOFF.1);
        }
    }

    /// One stream from connect to end.
    async fn stream(&mut self, progress: &mut Progress) -> Ended {
        match self.try_stream(progress).await {
            Ok(never) => match never {},
            Err(ended) => ended,
        }
    }

    async fn try_stream(&mut self, progress: &mut Progress) -> Result<std::convert::Infallible, Ended> {
        let identity = self.identity.borrow().clone();
        if let Some(when) = identity.expired(renew::now()) {
            return Err(Ended::Expired(when));
        }
        let channel = channel(&identity)?;
        let mut client = FederationClient::new(channel.clone()).max_decoding_message_size(MAX_MESSAGE);
        let (up, messages) = mpsc::channel(QUEUE);
        send(&up, Up::Hello(resources::hello(&self.config))).await?;
        let board = self.guests.board();
        send(&up, Up::Observed(convert::observed(true, board.all()))).await?;
        let mut down = client.session(ReceiverStream::new(messages)).await?.into_inner();
        self.channel.send_replace(Some(channel));
        let mut renewal = Instant::now() + renew::due(&identity);
        let mut ledger_retry = Instant::now();
        let mut reports = self.delivery.reports();
        let last = reports.borrow_and_update().clone();
        report(&up, &last).await?;
        let mut images = self.giving.images();
        send(&up, Up::Images(self.giving.held().await)).await?;
        loop {
            tokio::select! {
                message = down.message() => {
                    let message = message?.ok_or(Ended::Closed)?;
                    self.take(message, &up, progress).await?;
                    if std::mem::take(&mut progress.renew) {
                        renewal = Instant::now();
                    }
                    ledger_retry = Instant::now() + LEDGER_RETRY;
                }
                changed = board.changes() => send(&up, Up::Observed(convert::observed(false, changed))).await?,
                Ok(()) = reports.changed() => {
                    let news = reports.borrow_and_update().clone();
                    report(&up, &news).await?;
                }
                () = self.giving.changed(&mut images) => send(&up, Up::Images(self.giving.held().await)).await?,
                () = sleep_until(ledger_retry), if progress.unwritten.is_some() => {
                    ledger_retry = Instant::now() + LEDGER_RETRY;
                    if self.store.write_again().await
                        && let Some(sequence) = progress.unwritten.take()
                    {
                        send(&up, Up::Ack(wire::Ack { sequence })).await?;
                    }
                }
                () = sleep_until(renewal) => match renew::renew(&self.config.layout(), &identity).await {
                    Ok(renewed) => {
                        self.identity.send_replace(renewed);
                        return Err(Ended::Renewed);
                    }
                    Err(error) => {
                        tracing::error!(error = &error as &dyn std::error::Error, "the certificate cannot be renewed");
                        renewal = Instant::now() + renew::RETRY;
                    }
                },
            }
        }
    }

    async fn take(
        &self,
        message: wire::ControllerMessage,
        up: &mpsc::Sender<wire::HostMessage>,
        progress: &mut Progress,
    ) -> Result<(), Ended> {
        match message.message {
            Some(Down::Desired(desired)) => {
                if !std::mem::replace(&mut progress.fruitful, true) {
                    tracing::info!(url = self.identity.borrow().url, "connected");
                }
                let sequence = desired.sequence;
                if self.store.apply(desired).await {
                    progress.unwritten = None;
                    send(up, Up::Ack(wire::Ack { sequence })).await?;
                } else {
                    progress.unwritten = Some(sequence);
                }
            }
            Some(Down::Call(call)) => {
                let (guests, audit, giving) = (self.guests.clone(), self.audit.clone(), self.giving.clone());
                drop(tokio::spawn(answer(guests, audit, giving, call, up.clone())))
            }
            Some(Down::Renew(wire::Renew {})) => progress.renew = true,
            Some(Down::Update(update)) => self.delivery.order(updates::order(update)),
            // A newer controller's message: it is for newer hosts.
            None => tracing::warn!("a message of the controller is not understood"),
        }
        Ok(())
    }
}

async fn send(up: &mpsc::Sender<wire::HostMessage>, message: Up) -> Result<(), Ended> {
    up.send(wire::HostMessage { message: Some(message) }).await.map_err(|_| Ended::Closed)
}

async fn report(up: &mpsc::Sender<wire::HostMessage>, report: &Report) -> Result<(), Ended> {
    match updates::progress(report) {
        Some(progress) => send(up, Up::Update(progress)).await,
        None => Ok(()),
    }
}

async fn answer(
    guests: GuestsHandle,
    audit: Audit,
    giving: Giving,
    call: wire::Call,
    up: mpsc::Sender<wire::HostMessage>,
) {
    let outcome = match call.question {
        Some(Question::ConsoleOutput(asked)) => console(guests, asked).await,
        Some(Question::Audit(wire::Audit {})) => match audit.findings().await {
            Ok(text) => Outcome::Data(text.into_bytes()),
            Err(error) => Outcome::Error(error.to_string()),
        },
        Some(Question::Ping(wire::Ping {})) => Outcome::Data(pong().encode_to_vec()),
        Some(Question::Uptime(wire::Uptime {})) => Outcome::Data(uptime::line().into_bytes()),
        Some(Question::ShareImage(asked)) => match giving.grant(asked).await {
            Ok(()) => Outcome::Data(Vec::new()),
            Err(reason) => Outcome::Error(reason),
        },
        None => Outcome::Error("this host does not know the question".into()),
    };
    let result = wire::Result { call: call.call, outcome: Some(outcome) };
    // The stream may have ended: then nobody waits for it.
    let _ = send(&up, Up::Result(result)).await;
}

fn pong() -> wire::Pong {
    wire::Pong { clock: i64::try_from(renew::now().as_micros()).unwrap_or_default() }
}

async fn console(guests: GuestsHandle, asked: wire::ConsoleOutput) -> Outcome {
    let Ok(id) = asked.guest_id.parse() else { return Outcome::Error("no such guest".into()) };
    let most = if asked.max_bytes == 0 { MAX_CONSOLE } else { asked.max_bytes.min(MAX_CONSOLE) };
    let read = tokio::task::spawn_blocking(move || guests.console(&id, most)).await;
    match read.map_err(std::io::Error::other).and_then(|read| read) {
        Ok(bytes) => Outcome::Data(bytes),
        Err(error) => Outcome::Error(error.to_string()),
    }
}
