//! The daemon: everything is started in order, and ends together without a guest noticing.

use crate::{
    audit::Audit,
    config::Config,
    delivery::{self, Delivery},
    desired::{self, Store},
    federation::{
        enrol::{EnrolError, Invitation, enrol},
        images::Images,
        passwords,
        peers::Giving,
        renew,
        session::Session,
        updates::ControllerUpdates,
    },
    identity::Identity,
    local::{self, Own},
    metrics::Metrics,
    network::Network,
    notify,
    sharing::Sharing,
    status::Status,
};
use anyhow::{Context, bail};
use hostd_guests::{
    GuestsHandle,
    shutdown::{self, Ended},
};
use hostd_images::Cache;
use hostd_kit::paths::Layout;
use hostd_net::{NetHandle, metadata::MetadataTable, model::Changes};
use std::{
    fs::{File, TryLockError},
    io,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

/// Before a controller that cannot be reached is asked again to let this host in.
const ENROL_RETRY: Duration = Duration::from_secs(1);

/// How long the data disk is waited for, and how often it is looked for.
const DATA_PATIENCE: Duration = Duration::from_secs(10);
const DATA_RETRY: Duration = Duration::from_millis(100);

/// How long a predecessor's lock is waited for, and how often it is tried.
const LOCK_PATIENCE: Duration = Duration::from_secs(10);
const LOCK_RETRY: Duration = Duration::from_millis(20);

/// The socket for this host's own programs.
#[must_use]
pub fn local_socket(layout: &Layout) -> PathBuf {
    layout.state().join("local.sock")
}

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// When something that hostd cannot do without does not start.
pub async fn run(config: Config) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let running = tokio::select! {
        started = start(config) => started?,
        _ = terminate.recv() => return Ok(()),
        _ = interrupt.recv() => return Ok(()),
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("hostd ends; guests run on");
    drop(running);
    Ok(())
}

/// What lives as long as the daemon.
struct Running {
    _lock: File,
}

async fn start(config: Config) -> anyhow::Result<Running> {
    let layout = config.layout();
    layout.create().with_context(|| format!("cannot make the folders in {}", layout.state().display()))?;
    let lock = lock(&layout).await?;
    data(&layout).await?;
    let identity = identity(&config).await?;
    let (ledger, found) = desired::open(&layout)?;
    let (channel, connected) = watch::channel(None);
    let (reason, told) = watch::channel(String::new());
    let identity = watch::Sender::new(identity);
    let source = Arc::new(Images::new(connected.clone(), identity.subscribe()));
    let images = Cache::new(layout.images(), source, config.images.unused_bytes);
    let metadata = Arc::new(MetadataTable::new(passwords::keeper(connected.clone())));
    for guest in &found.guests {
        metadata.set_guest((*guest.metadata).clone());
    }
    let net =
        NetHandle::start(config.network.to_net(), metadata.clone()).await.context("the network does not start")?;
    let ports = Arc::new(net.clone());
    let guests = GuestsHandle::start(layout.clone(), config.guests.to_guests(), images.clone(), ports, found.guests);
    let guests = guests.await?;
    let network = Network::start(net.clone(), guests.clone(), images.clone());
    network.change(Changes { complete: found.complete, upserts: found.net, removals: Vec::new() });
    let updates = Arc::new(ControllerUpdates::new(connected.clone()));
    let delivery = Delivery::start(Arc::new(delivery::Appliance), updates, delivery::Pace::default());
    let audit = Audit::new(guests.clone(), net, images.clone());
    let sharing = Sharing::new(config.images.hosts_served);
    let giving = Giving::start(config.images_address(), images.clone(), sharing.clone(), identity.subscribe());
    let status = Status::new(guests.clone(), identity.subscribe(), connected.clone(), told, layout.clone());
    if !config.local.metrics.is_empty() {
        let metrics = Metrics { guests: guests.clone(), images, sharing, connected, layout: layout.clone() };
        let serving = local::serve(&config.local.metrics, metrics).await;
        serving.with_context(|| format!("cannot listen at {}", config.local.metrics))?;
    }
    let own = Own { audit: audit.clone(), status };
    local::serve_own(&local_socket(&layout), own).context("cannot listen for this host's own programs")?;
    let store = Arc::new(Store::new(ledger, guests.clone(), network, metadata));
    tokio::spawn(Session { config, identity, store, guests, audit, delivery, giving, channel, reason }.run());
    notify::ready();
    Ok(Running { _lock: lock })
}

/// Ends all guests because the machine goes down, while no daemon could take that for their own wish.
///
/// # Errors
/// When a daemon runs, or the guests cannot be found.
pub async fn shut_down_guests(config: &Config, grace: Duration) -> anyhow::Result<Ended> {
    let layout = config.layout();
    if !layout.guests().exists() {
        return Ok(Ended::default());
    }
    let _lock = lock(&layout).await?;
    shutdown::shut_down(&layout, grace).await.context("cannot find the guests")
}

/// Ends all guests likewise, then takes away what was set up in this host's network.
///
/// # Errors
/// When a daemon runs, the guests cannot be found, or the kernel refuses.
pub async fn dismantle(config: &Config, grace: Duration) -> anyhow::Result<()> {
    shut_down_guests(config, grace).await?;
    hostd_net::dismantle(&config.network.to_net()).await.context("cannot take the networks away")
}

/// The place of images and guests. A disk of their own may come later than the daemon; without it, every guest would seem to be gone.
async fn data(layout: &Layout) -> anyhow::Result<()> {
    let end = Instant::now() + DATA_PATIENCE;
    loop {
        match layout.create_data() {
            Err(error) if error.kind() == io::ErrorKind::NotFound && Instant::now() < end => {
                tokio::time::sleep(DATA_RETRY).await;
            }
            made => return made.with_context(|| format!("the data disk is not there ({})", layout.data().display())),
        }
    }
}

/// Two daemons on one state would each undo what the other does. One that was killed may have left a child that holds the lock
/// until it becomes another program.
async fn lock(layout: &Layout) -> anyhow::Result<File> {
    let path = layout.state().join("lock");
    let file = File::create(&path).with_context(|| format!("cannot open {}", path.display()))?;
    let end = Instant::now() + LOCK_PATIENCE;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < end => tokio::time::sleep(LOCK_RETRY).await,
            Err(error) => bail!("another hostd works in {}: {error}", layout.state().display()),
        }
    }
}

/// The identity, made at the first start with what the configuration says.
async fn identity(config: &Config) -> anyhow::Result<Identity> {
    let own = &config.controller;
    let invited = !own.ca_fingerprint.is_empty() && !join_token(config).is_empty();
    let known = Identity::load(&config.layout())?;
    // One that has expired opens nothing: a new token does.
    let known = known.filter(|identity| !invited || identity.expired(renew::now()).is_none());
    if let Some(identity) = known {
        let url = if own.url.is_empty() { identity.url.clone() } else { own.url.clone() };
        return Ok(Identity { url, ..identity });
    }
    let token = join_token(config);
    if token.is_empty() || own.ca_fingerprint.is_empty() {
        bail!("this host is no member yet: run `hostd enrol`, or configure [controller] ca_fingerprint and join_token");
    }
    let invitation = Invitation {
        url: own.enrolment_url(),
        ca_fingerprint: own.ca_fingerprint.clone(),
        token,
        hostname: config.hostname(),
    };
    loop {
        match enrol(&config.layout(), &invitation).await {
            Err(EnrolError::Connect(error)) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "the controller cannot be reached yet");
                tokio::time::sleep(ENROL_RETRY).await;
            }
            other => return Ok(other?),
        }
    }
}

fn join_token(config: &Config) -> String {
    let own = &config.controller.join_token;
    if own.is_empty() { std::env::var("HOSTD_JOIN_TOKEN").unwrap_or_default() } else { own.clone() }
}
