//! Compute: servers, flavors, key pairs, quotas and what operators want to know of hosts, as OpenStack Nova's API v2.1.
//!
//! Owns the tables `compute_*` and `/compute`. Must not know how hosts are reached (`ports::fleet`), how ports are made
//! (`ports::network`), where images lie (`ports::image`) or how room is counted (`ports::placement`).
//!
//! Invariants: an API call writes what shall be, in one transaction with everything that must not be lost, and answers; what
//! takes longer is a durable operation or follows from an observation. Bodies follow the negotiated microversion, 2.1 to
//! [`MAX_MICROVERSION`]. What is not built is absent from the route table and answers 404.
//!
//! To add a resource: a folder with `model.rs`, `wire.rs`, `store.rs`, `policy.rs` and `api.rs`, its routes in `api.rs` here, its
//! rules in `policy.rs`.

mod action_log;
mod aggregate;
mod api;
mod audit;
mod config;
mod failure;
mod flavor;
mod group;
mod host;
mod keypair;
mod legacy;
mod links;
mod migrations;
mod policy;
mod quota;
mod row;
mod schema;
mod server;
mod summary;
#[cfg(test)]
mod tests;
mod usage;

pub use api::{MAX_MICROVERSION, routes, service};
pub use audit::Finding;
pub use config::Config;
pub use failure::Failure;
pub use policy::rules;
pub use quota::Limits;
pub use summary::{Census, GuestCount, GuestSummary};

use controller_base::Clock;
use controller_db::{Db, DbError};
use controller_ports::Unavailable;
use controller_ports::legacy_network::LegacyNetworks;
use controller_ports::{fleet::Fleet, image::Images, network::Networks, placement::Placement};
use controller_work::{Reconciler, Runner};
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

/// The services that compute asks.
#[derive(Clone)]
pub struct Ports {
    /// The hosts.
    pub fleet: Arc<dyn Fleet>,
    /// Ports and networks.
    pub networks: Arc<dyn Networks>,
    /// Images.
    pub images: Arc<dyn Images>,
    /// Room on hosts.
    pub placement: Arc<dyn Placement>,
}

/// Compute. Cheap to clone. It is [`controller_ports::fleet::DesiredState`] and
/// [`controller_ports::fleet::GuestObserver`] for the fleet.
#[derive(Clone)]
pub struct Compute(Arc<Inner>);

/// What all parts of compute share.
pub struct Inner {
    pub(crate) db: Db,
    pub(crate) clock: Clock,
    pub(crate) config: Config,
    pub(crate) runner: Runner,
    pub(crate) fleet: Arc<dyn Fleet>,
    pub(crate) networks: Arc<dyn Networks>,
    pub(crate) images: Arc<dyn Images>,
    pub(crate) placement: Arc<dyn Placement>,
    pub(crate) legacy: OnceLock<Arc<dyn LegacyNetworks>>,
}

impl Deref for Compute {
    type Target = Inner;
    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl std::fmt::Debug for Compute {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Compute").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Compute {
    /// Opens compute on a database, whose tables it brings up to date, and registers its operations with the runner.
    ///
    /// # Errors
    /// The database's.
    pub async fn open(db: Db, clock: Clock, config: Config, ports: Ports, runner: Runner) -> Result<Self, DbError> {
        db.migrate("compute", migrations::MIGRATIONS).await?;
        let compute = Self(Arc::new(Inner {
            db,
            clock,
            config,
            runner: runner.clone(),
            fleet: ports.fleet,
            networks: ports.networks,
            images: ports.images,
            placement: ports.placement,
            legacy: OnceLock::new(),
        }));
        runner.register(server::Build(compute.clone()));
        runner.register(server::Delete(compute.clone()));
        Ok(compute)
    }

    /// Offers security groups and addresses through compute, as older clients want them. Before the API is mounted.
    pub fn wire_legacy(&self, networks: Arc<dyn LegacyNetworks>) {
        // A second call changes nothing: the routes of the first are in use.
        let _ = self.legacy.set(networks);
    }

    /// The periodic work, to be started by the binary.
    #[must_use]
    pub fn reconcilers(&self) -> Vec<Arc<dyn Reconciler>> {
        vec![Arc::new(server::Deadlines(self.clone()))]
    }
}

/// How a failing database looks through a port.
pub(crate) fn unavailable(error: DbError) -> Unavailable {
    Unavailable { service: "compute", source: Box::new(error) }
}
