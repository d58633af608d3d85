//! A host that is none: it enrols, keeps a stream, and says of every guest at once that it is as it shall be.

use anyhow::{Context as _, Result};
use humilis_proto::federation::{
    self as wire, ObjectKind, controller_message::Message as Down, enrolment_client::EnrolmentClient,
    federation_client::FederationClient, host_message::Message as Up, object::Object as Kind, result::Outcome,
};
use rcgen::{CertificateParams, KeyPair};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

/// Waits between attempts grow from the first to the second, as hostd's do.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// As hostd takes them.
const MAX_MESSAGE: usize = 256 * 1024 * 1024;

/// What all hosts come to together.
#[derive(Debug, Default)]
pub struct Counts {
    /// Hosts that were told on their present stream what shall be.
    pub converged: AtomicUsize,
    /// Bytes of desired state that came.
    pub received: AtomicUsize,
}

/// A member of the federation.
#[derive(Debug)]
pub struct Host {
    hostname: String,
    url: String,
    key: String,
    certificate: String,
    ca: String,
    instance: String,
}

impl Host {
    /// Joins with a token.
    pub async fn enrol(url: &str, ca: &str, token: &str, hostname: String) -> Result<Self> {
        let key = KeyPair::generate()?;
        let csr = CertificateParams::new(Vec::new())?.serialize_request(&key)?.der().to_vec();
        let channel = endpoint(url, ca, None)?.connect().await.context("the federation's port does not answer")?;
        let request = wire::EnrolRequest { token: token.to_owned(), csr, hostname: hostname.clone() };
        let answer = EnrolmentClient::new(channel).enrol(request).await?.into_inner();
        let instance = format!("{hostname}-1");
        let (url, key) = (url.to_owned(), key.serialize_pem());
        Ok(Self { hostname, url, key, certificate: answer.certificate, ca: answer.ca, instance })
    }

    /// Keeps a stream for ever.
    pub async fn run(self, counts: Arc<Counts>) {
        let (mut wait, mut guests) = (BACKOFF.0, BTreeMap::new());
        loop {
            let mut converged = false;
            // Why a stream ended does not matter here: the next one comes.
            let _ = self.stream(&counts, &mut guests, &mut converged).await;
            if converged {
                counts.converged.fetch_sub(1, Ordering::Relaxed);
                wait = BACKOFF.0;
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(BACKOFF.1);
        }
    }

    async fn stream(
        &self,
        counts: &Counts,
        guests: &mut BTreeMap<String, wire::ObservedGuest>,
        converged: &mut bool,
    ) -> Result<()> {
        let identity = Identity::from_pem(&self.certificate, &self.key);
        let channel = endpoint(&self.url, &self.ca, Some(identity))?.connect().await?;
        let mut client = FederationClient::new(channel).max_decoding_message_size(MAX_MESSAGE);
        let (up, messages) = mpsc::channel(64);
        let send = async |message: Up| up.send(wire::HostMessage { message: Some(message) }).await;
        send(Up::Hello(self.hello())).await?;
        send(Up::Observed(wire::Observed { complete: true, guests: guests.values().cloned().collect() })).await?;
        let mut down = client.session(ReceiverStream::new(messages)).await?.into_inner();
        while let Some(message) = down.message().await? {
            match message.message {
                Some(Down::Desired(desired)) => {
                    let sequence = desired.sequence;
                    counts.received.fetch_add(prost_length(&desired), Ordering::Relaxed);
                    let changed = apply(guests, desired);
                    if !std::mem::replace(converged, true) {
                        counts.converged.fetch_add(1, Ordering::Relaxed);
                    }
                    send(Up::Ack(wire::Ack { sequence })).await?;
                    if !changed.is_empty() {
                        send(Up::Observed(wire::Observed { complete: false, guests: changed })).await?;
                    }
                }
                Some(Down::Call(call)) => {
                    let outcome = Some(Outcome::Data(Vec::new()));
                    send(Up::Result(wire::Result { call: call.call, outcome })).await?;
                }
                Some(Down::Renew(_) | Down::Update(_)) | None => {}
            }
        }
        Ok(())
    }

    fn hello(&self) -> wire::Hello {
        wire::Hello {
            hostname: self.hostname.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            resources: Some(wire::HostResources { vcpus: 64, memory_mib: 256 << 10, disk_gib: 4096 }),
            underlay_address: String::new(),
            instance: self.instance.clone(),
            ..wire::Hello::default()
        }
    }
}

fn endpoint(url: &str, ca: &str, identity: Option<Identity>) -> Result<Endpoint> {
    let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(ca));
    let tls = identity.map_or_else(|| tls.clone(), |identity| tls.clone().identity(identity));
    let endpoint: Endpoint = Channel::from_shared(url.to_owned())?;
    Ok(endpoint.connect_timeout(Duration::from_secs(20)).tcp_nodelay(true).tls_config(tls)?)
}

/// About as long as it was on the wire.
fn prost_length(desired: &wire::Desired) -> usize {
    desired.upserts.iter().map(|object| object.id.len() + 64).sum()
}

/// What the host has to say of the guests that changed.
fn apply(guests: &mut BTreeMap<String, wire::ObservedGuest>, desired: wire::Desired) -> Vec<wire::ObservedGuest> {
    let mut changed = Vec::new();
    let kept: Vec<&String> = desired.upserts.iter().map(|object| &object.id).collect();
    let gone: Vec<String> = if desired.complete {
        guests.keys().filter(|id| !kept.contains(id)).cloned().collect()
    } else {
        let guest = |key: &&wire::ObjectKey| key.kind() == ObjectKind::Guest;
        desired.removals.iter().filter(guest).map(|key| key.id.clone()).collect()
    };
    for id in gone {
        guests.remove(&id);
        changed.push(wire::ObservedGuest { id, state: wire::GuestState::Gone.into(), ..Default::default() });
    }
    for object in desired.upserts {
        let Some(Kind::Guest(guest)) = object.object else { continue };
        let power = guest.power.unwrap_or_default();
        let state = if power.running { wire::GuestState::Running } else { wire::GuestState::Stopped };
        let (generation, boot_count) = (object.generation, power.boot_count);
        let seen = wire::ObservedGuest {
            id: object.id.clone(),
            generation,
            state: state.into(),
            boot_count,
            ..Default::default()
        };
        guests.insert(object.id, seen.clone());
        changed.push(seen);
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guest(id: &str) -> wire::Object {
        let power = Some(wire::GuestPower { running: true, boot_count: 1, ..Default::default() });
        let guest = wire::Guest { power, ..Default::default() };
        wire::Object { id: id.to_owned(), generation: 3, object: Some(Kind::Guest(guest)) }
    }

    #[test]
    fn a_guest_runs_as_soon_as_it_shall_and_is_gone_when_it_shall_not_be() {
        let mut guests = BTreeMap::new();
        let desired = |complete, upserts| wire::Desired { complete, upserts, ..Default::default() };
        let seen = apply(&mut guests, desired(true, vec![guest("a"), guest("b")]));
        assert_eq!((seen.len(), seen[0].state(), seen[0].generation), (2, wire::GuestState::Running, 3));
        let seen = apply(&mut guests, desired(true, vec![guest("b")]));
        assert_eq!((seen[0].id.as_str(), seen[0].state()), ("a", wire::GuestState::Gone));
        assert_eq!(guests.len(), 1);
    }
}
