//! Opens the services and hands each the ports of the others: a function per service, so that what needs what is read here.
//!
//! ```text
//! image, network, placement, hub  <-- compute
//! compute, network                --> hub (desired state), compute <-- hub (observations)
//! ```

use crate::{config::Config, metrics::Metrics};
use anyhow::{Context as _, Result};
use controller_base::Clock;
use controller_compute::Compute;
use controller_db::Db;
use controller_fleet::{Authority, Hub, Sources};
use controller_identity::{CatalogEntry, Identity, Settings};
use controller_image::{ContentStore, ImageService};
use controller_network::NetworkService;
use controller_placement::PlacementService;
use controller_web::{Policy, RouteInfo, RuleDefault, Service, WebState, mount};
use controller_work::{Reconcilers, Runner};
use std::sync::Arc;

/// Everything that runs.
pub struct Cloud {
    pub identity: Identity,
    pub images: ImageService,
    pub network: NetworkService,
    pub placement: PlacementService,
    pub compute: Compute,
    pub hub: Arc<Hub>,
    pub runner: Runner,
    pub reconcilers: Reconcilers,
    pub clock: Clock,
}

impl Cloud {
    /// Opens all services on one database.
    pub async fn open(config: &Config, clock: Clock) -> Result<Self> {
        let db = database(config).await?;
        let identity = identity(config, &db, &clock).await?;
        let images = images(config, &db, &clock).await?;
        let hub = Hub::open(db.clone(), clock.clone()).await.context("cannot open the fleet")?;
        let network = NetworkService::start(db.clone(), clock.clone(), config.network.clone(), hub.clone()).await;
        let network = network.context("cannot open network")?;
        let placement =
            PlacementService::open(db.clone(), clock.clone(), controller_placement::Ratios::default()).await;
        let placement = placement.context("cannot open placement")?;
        let runner = Runner::open(db.clone(), clock.clone()).await.context("cannot open operations")?;
        let ports = controller_compute::Ports {
            fleet: hub.clone(),
            networks: Arc::new(network.clone()),
            images: Arc::new(images.clone()),
            placement: Arc::new(placement.clone()),
        };
        let compute = Compute::open(db.clone(), clock.clone(), config.compute.clone(), ports, runner.clone()).await;
        let compute = compute.context("cannot open compute")?;
        hub.wire(Sources {
            desired: vec![Arc::new(compute.clone()), Arc::new(network.clone())],
            guests: Arc::new(compute.clone()),
            hosts: vec![Arc::new(placement.clone()), Arc::new(network.clone())],
            images: Arc::new(images.clone()),
        });
        let reconcilers = Reconcilers::new(db);
        Ok(Self { identity, images, network, placement, compute, hub, runner, reconcilers, clock })
    }

    /// Takes up unfinished operations and starts periodic work.
    pub async fn start(&self) -> Result<()> {
        self.runner.start().await.context("cannot take up operations")?;
        for reconciler in self.compute.reconcilers() {
            self.reconcilers.start(reconciler);
        }
        Ok(())
    }

    /// Ends what runs; unfinished operations go on at the next start.
    pub async fn stop(&self) {
        self.reconcilers.stop().await;
        self.runner.stop().await;
    }

    /// The APIs behind one port.
    pub fn router(&self, config: &Config, metrics: Metrics) -> Result<axum::Router> {
        let web = WebState {
            authenticator: Arc::new(self.identity.clone()),
            policy: Arc::new(policy(config)?),
            clock: self.clock.clone(),
            identity_url: Some(format!("{}/identity", config.api.public_url).into()),
            observer: Some(Arc::new(metrics)),
        };
        let services: [(&str, Service); 4] = [
            ("/identity", controller_identity::service(self.identity.clone(), &web)),
            ("/image", controller_image::api::service(self.images.clone(), &web)),
            ("/network", controller_network::api::service(self.network.clone(), &web)),
            ("/compute", controller_compute::service(self.compute.clone(), &web)),
        ];
        Ok(mount::mount(services))
    }
}

/// The database.
pub async fn database(config: &Config) -> Result<Db> {
    std::fs::create_dir_all(&config.state_dir).context("cannot make the state directory")?;
    Db::open(&config.database()).await.context("cannot open the database")
}

/// The federation's certificate authority.
pub fn authority(config: &Config, clock: &Clock) -> Result<Authority> {
    Authority::open(&config.state_dir.join("ca"), clock.now()).context("cannot open the certificate authority")
}

async fn identity(config: &Config, db: &Db, clock: &Clock) -> Result<Identity> {
    let settings = Settings { token_seconds: config.identity.token_seconds, ..Settings::below(&config.state_dir) };
    Identity::open(db.clone(), clock.clone(), settings).await.context("cannot open identity")
}

async fn images(config: &Config, db: &Db, clock: &Clock) -> Result<ImageService> {
    let content = ContentStore::open(&config.image_directory()).await.context("cannot open the image store")?;
    let images = ImageService::open(db.clone(), clock.clone(), content, config.image.max_bytes).await;
    images.context("cannot open image")
}

/// Every service's rules with their defaults.
pub fn rules() -> Vec<(&'static str, Vec<RuleDefault>)> {
    vec![
        ("identity", controller_identity::policy::rules()),
        ("image", controller_image::RULES.to_vec()),
        ("network", controller_network::policy::RULES.to_vec()),
        ("compute", controller_compute::rules()),
    ]
}

fn policy(config: &Config) -> Result<Policy> {
    let mut policy = Policy::default();
    for (service, rules) in rules() {
        policy.add(service, &rules, &config.policy).with_context(|| format!("the policy of {service} is wrong"))?;
    }
    Ok(policy)
}

/// Every service's route table.
pub fn tables() -> Vec<(&'static str, Vec<RouteInfo>)> {
    vec![
        ("identity", controller_identity::routes().table().to_vec()),
        ("image", controller_image::api::routes().table().to_vec()),
        ("network", controller_network::api::routes().table().to_vec()),
        ("compute", controller_compute::routes().table().to_vec()),
    ]
}

/// The catalog: what the APIs above are, in the terms that clients look for.
pub fn catalog(config: &Config) -> Vec<CatalogEntry> {
    let url = &config.api.public_url;
    [
        ("identity", "keystone", "/identity"),
        ("image", "glance", "/image"),
        ("network", "neutron", "/network"),
        ("compute", "nova", "/compute/v2.1"),
    ]
    .map(|(kind, name, path)| CatalogEntry {
        kind: kind.to_owned(),
        name: name.to_owned(),
        url: format!("{url}{path}"),
    })
    .to_vec()
}
