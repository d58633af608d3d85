//! Puts the services together: a file per service with one function that opens it and says what it needs. To add a service: a
//! file here, a line in [`Cloud::open`], [`rules`], [`tables`] and `bootstrap`'s catalog, and a section in the configuration.

mod bootstrap;
mod compute;
mod fleet;
mod identity;
mod image;
mod network;
mod placement;
pub mod policy;

use crate::{config::Config, metrics::Metrics};
use anyhow::Context as _;
use controller_base::Clock;
use controller_compute::Compute;
use controller_db::Db;
use controller_fleet::{Authority, Hub};
use controller_identity::Identity;
use controller_image::ImageService;
use controller_network::NetworkService;
use controller_placement::PlacementService;
use controller_web::{RouteInfo, RuleDefault, Service, WebState};
use controller_work::{Reconcilers, Runner};
use std::sync::Arc;

pub use bootstrap::{bootstrap, publish_authority};

/// What every service stands on.
pub struct Platform {
    /// The configuration.
    pub config: Config,
    /// The database.
    pub db: Db,
    /// The time.
    pub clock: Clock,
    /// Runs durable operations; services register theirs.
    pub runner: Runner,
    /// Runs periodic work; services start theirs.
    pub reconcilers: Reconcilers,
    /// The federation's certificate authority.
    pub authority: Arc<Authority>,
    /// What Prometheus is told.
    pub metrics: Arc<Metrics>,
}

/// The running services.
pub struct Cloud {
    /// What they stand on.
    pub platform: Platform,
    /// Who may do what.
    pub policy: policy::Live,
    /// What checks tokens and rules.
    pub web: WebState,
    /// Prefix and service.
    pub services: Vec<(&'static str, Service)>,
    /// The hosts.
    pub hub: Arc<Hub>,
    /// Who there is.
    pub identity: Identity,
    /// For the audit.
    pub compute: Compute,
    /// For the audit.
    pub networks: NetworkService,
    /// What servers are made of.
    pub images: ImageService,
    /// How full the hosts are.
    pub placement: PlacementService,
}

impl Platform {
    /// Opens database, authority and the machinery of operations.
    ///
    /// # Errors
    /// One of them cannot be opened.
    pub async fn open(config: Config) -> anyhow::Result<Self> {
        let state = &config.state_directory;
        std::fs::create_dir_all(state).with_context(|| format!("cannot make {}", state.display()))?;
        let clock = Clock::system();
        let db = Db::open(config.database_url().reveal()).await.context("cannot open the database")?;
        let runner = Runner::open(db.clone(), clock.clone()).await.context("cannot open the operations")?;
        let authority = Authority::open(&state.join("authority"), clock.now()).context("cannot open the authority")?;
        Ok(Self {
            reconcilers: Reconcilers::new(db.clone()),
            authority: Arc::new(authority),
            metrics: Arc::new(Metrics::new()?),
            runner,
            clock,
            db,
            config,
        })
    }
}

impl Cloud {
    /// Opens all services and introduces them to each other. Nothing runs yet.
    ///
    /// # Errors
    /// A service cannot be opened.
    pub async fn open(platform: Platform) -> anyhow::Result<Self> {
        let identity = identity::open(&platform).await.context("identity")?;
        let hub = fleet::open(&platform).await.context("fleet")?;
        let images = image::open(&platform).await.context("image")?;
        let networks = network::open(&platform, &hub).await.context("network")?;
        let placement = placement::open(&platform).await.context("placement")?;
        let compute = compute::open(&platform, &hub, &networks, &images, &placement).await.context("compute")?;
        fleet::wire(&hub, fleet::depot(&platform)?, &compute, &networks, &placement, &images);
        let policy = policy::Live::open(&platform.config)?;
        let web = web_state(&platform, identity.clone(), &policy);
        let services = vec![
            ("/identity", controller_identity::service(identity.clone(), &web)),
            ("/image", controller_image::api::service(images.clone(), &web)),
            ("/compute", controller_compute::service(compute.clone(), &web)),
            ("/network", controller_network::api::service(networks.clone(), &web)),
            ("/placement", controller_placement::service(placement.clone(), &web)),
        ];
        Ok(Self { platform, policy, web, services, hub, identity, compute, networks, images, placement })
    }

    /// Takes up unfinished operations and starts periodic work.
    ///
    /// # Errors
    /// The database cannot be reached.
    pub async fn start(&self) -> anyhow::Result<()> {
        self.policy.watch();
        self.hub.announce().await.context("cannot tell of the hosts")?;
        identity::start(&self.platform, &self.identity);
        compute::start(&self.platform, &self.compute);
        fleet::start(&self.platform, &self.hub);
        self.platform.runner.start().await.context("cannot take up operations")
    }

    /// Ends what [`Cloud::start`] began, and the database.
    pub async fn stop(&self) {
        self.identity.flush_events().await;
        self.platform.runner.stop().await;
        self.platform.reconcilers.stop().await;
        self.platform.db.close().await;
    }
}

/// The rules of every service with their defaults.
#[must_use]
pub fn rules() -> Vec<(&'static str, Vec<RuleDefault>)> {
    vec![
        ("identity", controller_identity::policy::rules()),
        ("image", controller_image::RULES.to_vec()),
        ("compute", controller_compute::rules()),
        ("network", controller_network::policy::RULES.to_vec()),
        ("placement", controller_placement::policy::rules()),
        ("admin", crate::admin::policy::RULES.to_vec()),
    ]
}

/// Every service's prefix and route table.
#[must_use]
pub fn tables() -> Vec<(&'static str, &'static str, Vec<RouteInfo>)> {
    vec![
        ("identity", "/identity", controller_identity::routes().table().to_vec()),
        ("image", "/image", controller_image::api::routes().table().to_vec()),
        ("compute", "/compute", controller_compute::routes().table().to_vec()),
        ("network", "/network", controller_network::api::routes().table().to_vec()),
        ("placement", "/placement", controller_placement::routes().table().to_vec()),
    ]
}

fn web_state(platform: &Platform, identity: Identity, policy: &policy::Live) -> WebState {
    let identity_url = format!("{}/identity", platform.config.api.base_url());
    WebState {
        authenticator: Arc::new(identity),
        policy: policy.running.clone(),
        clock: platform.clock.clone(),
        identity_url: Some(identity_url.into()),
        observer: Some(platform.metrics.clone()),
    }
}

#[cfg(test)]
mod tests;
