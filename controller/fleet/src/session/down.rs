//! Towards the host: desired state and questions.

use super::{Keys, SessionHandle, compare::Sent, share};
use crate::{Authority, Hub, hub::unavailable};
use controller_base::id::HostId;
use controller_ports::Unavailable;
use controller_ports::fleet::Desired;
use humilis_proto::federation::{self as wire, controller_message::Message};
use std::{sync::Arc, time::Duration};
use tokio::{sync::mpsc, time};
use tonic::Status;

/// How often everything is compared, however quiet it is.
const COMPARISON: Duration = Duration::from_secs(60);
/// Before a comparison that failed is tried again.
const RETRY: Duration = Duration::from_secs(1);

pub(super) type Outbox = mpsc::Sender<Result<wire::ControllerMessage, Status>>;

/// Writes one host's stream until it ends.
pub(super) struct Writer {
    pub(super) hub: Arc<Hub>,
    pub(super) authority: Arc<Authority>,
    pub(super) host: HostId,
    /// What the host trusts.
    pub(super) trust: String,
    pub(super) session: SessionHandle,
    pub(super) outbox: Outbox,
}

/// The host's end of the stream is closed.
struct Closed;

impl Writer {
    pub(super) async fn run(self, mut asked: mpsc::Receiver<wire::Call>) {
        let end = self.session.end.clone();
        tokio::select! {
            () = end.cancelled() => {}
            _ = self.write(&mut asked) => end.cancel(),
        }
    }

    async fn write(&self, asked: &mut mpsc::Receiver<wire::Call>) -> Result<(), Closed> {
        let mut sent = Sent::default();
        let all = self.all_patiently().await;
        self.send(Message::Desired(sent.complete(all))).await?;
        let mut authorities = self.authority.changes();
        self.send_renewal().await?;
        self.send_update().await?;
        let mut comparison = time::interval_at(time::Instant::now() + self.first_comparison(), COMPARISON);
        loop {
            tokio::select! {
                () = self.session.touched.some.notified() => self.send_touched(&mut sent).await?,
                _ = comparison.tick() => {
                    let difference = sent.against_all(self.all_patiently().await);
                    self.send_difference(difference).await?;
                    self.send_update().await?;
                }
                () = self.session.update.notified() => self.send_update().await?,
                Ok(()) = authorities.changed() => self.send_renewal().await?,
                Some(call) = asked.recv() => self.send(Message::Call(call)).await?,
            }
        }
    }

    /// Hosts that came at once, as after the controller's start, are not compared at once for ever after.
    fn first_comparison(&self) -> Duration {
        COMPARISON.mul_f64(0.5 + share(self.host) / 2.0)
    }

    /// A host that trusts something else than it shall gets a new certificate, which tells it.
    async fn send_renewal(&self) -> Result<(), Closed> {
        if self.trust == self.authority.trust() {
            return Ok(());
        }
        self.send(Message::Renew(wire::Renew {})).await
    }

    /// What an operator wants to run on the host.
    async fn send_update(&self) -> Result<(), Closed> {
        let bundle = match self.hub.wanted_update(self.host).await {
            Ok(None) => return Ok(()),
            Ok(Some(order)) => self.hub.sources().and_then(|sources| sources.updates.get(&order.version).ok()),
            Err(error) => {
                self.unreadable(&unavailable(error));
                None
            }
        };
        match bundle {
            Some(bundle) => {
                let update = wire::Update { version: bundle.version, size: bundle.size };
                self.send(Message::Update(update)).await
            }
            // It is looked for again in a minute.
            None => Ok(()),
        }
    }

    async fn send_touched(&self, sent: &mut Sent) -> Result<(), Closed> {
        let keys = self.session.touched.take();
        match self.get(&keys).await {
            Ok(desired) => self.send_difference(sent.against(&keys, desired)).await,
            Err(error) => {
                self.unreadable(&error);
                time::sleep(RETRY).await;
                keys.into_iter().for_each(|(key, asked)| self.session.touch_for(key, asked));
                Ok(())
            }
        }
    }

    async fn send_difference(&self, difference: Option<wire::Desired>) -> Result<(), Closed> {
        match difference {
            Some(desired) => self.send(Message::Desired(desired)).await,
            None => Ok(()),
        }
    }

    async fn send(&self, message: Message) -> Result<(), Closed> {
        self.outbox.send(Ok(wire::ControllerMessage { message: Some(message) })).await.map_err(|_| Closed)
    }

    async fn all_patiently(&self) -> Vec<Desired> {
        loop {
            match self.all().await {
                Ok(desired) => return desired,
                Err(error) => {
                    self.unreadable(&error);
                    time::sleep(RETRY).await;
                }
            }
        }
    }

    fn unreadable(&self, error: &Unavailable) {
        let error = error as &dyn std::error::Error;
        tracing::warn!(host = %self.host, error, "desired state is unreadable");
    }

    async fn all(&self) -> Result<Vec<Desired>, Unavailable> {
        let sources = self.hub.sources().ok_or_else(|| unavailable("no service is wired"))?;
        let mut all = Vec::new();
        for source in &sources.desired {
            all.extend(source.list(self.host).await?);
        }
        Ok(all)
    }

    async fn get(&self, keys: &Keys) -> Result<Vec<Desired>, Unavailable> {
        let sources = self.hub.sources().ok_or_else(|| unavailable("no service is wired"))?;
        let mut found = Vec::new();
        for key in keys.keys() {
            for source in sources.desired.iter().filter(|s| s.owns(key)) {
                found.extend(source.get(self.host, *key).await?);
            }
        }
        Ok(found)
    }
}
