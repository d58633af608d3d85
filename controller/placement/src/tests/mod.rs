//! The service through its routes, on every database that is at hand.

mod answers;
mod bad_input;
mod matrix;
mod model;

use crate::{Config, PlacementService};
use axum::Router;
use controller_base::{
    Clock, Timestamp,
    id::{HostId, ServerId},
};
use controller_db::testing::{TestDb, databases};
use controller_ports::{
    fleet::{Host, HostObserver, HostResources, Membership},
    placement::{ClaimError, Claimed, Constraints, Consumer, Placement, Resources},
};
use controller_web::{
    Policy, WebState,
    testing::{Answer, call_with, project_token, system_token, usual_tokens, web_state},
    token::TokenInfo,
};
use http::Method;
use std::{collections::HashMap, sync::Arc};

const NOW: Timestamp = Timestamp(1_790_000_000_000_000);

/// The service on a fresh database.
struct World {
    db: TestDb,
    placement: PlacementService,
    clock: Clock,
    router: Router,
}

async fn worlds() -> Vec<World> {
    let mut worlds = Vec::new();
    for db in databases().await {
        let clock = Clock::set_to(NOW);
        let placement = PlacementService::open((*db).clone(), clock.clone(), Config::default()).await.unwrap();
        let web = web_state("placement", &crate::policy::rules(), tokens());
        let web = WebState { policy: Arc::new(policy()), clock: clock.clone(), ..web };
        let router = crate::service(placement.clone(), &web).router;
        worlds.push(World { db, placement, clock, router });
    }
    worlds
}

/// The rules with their scopes.
fn policy() -> Policy {
    let mut policy = Policy::default();
    policy.add("placement", &crate::policy::rules(), &HashMap::new()).unwrap();
    policy.restrict("placement", crate::policy::SCOPES);
    policy
}

fn tokens() -> Vec<(&'static str, TokenInfo)> {
    let mut tokens = usual_tokens();
    tokens.push(("service", project_token("nova", "services", &["service"])));
    tokens.push(("system", system_token("root", &["admin"])));
    tokens
}

impl World {
    async fn get(&self, path: &str, version: &str) -> Answer {
        self.get_as("admin", path, version).await
    }

    async fn get_as(&self, token: &str, path: &str, version: &str) -> Answer {
        let version = format!("placement {version}");
        call_with(&self.router, Method::GET, path, token, &[("openstack-api-version", &version)], None).await
    }

    async fn host(&self, name: &str, memory_mib: u64) -> Host {
        let host = Host {
            id: HostId::random(),
            hostname: name.to_owned(),
            up: true,
            last_seen: NOW,
            resources: HostResources { vcpus: 2, memory_mib, disk_gib: 100 },
            underlay_address: String::new(),
            physical_networks: Vec::new(),
            version: String::new(),
            membership: Membership::default(),
        };
        self.placement.host_changed(&host).await.unwrap();
        host
    }

    /// Room for a server of project `p1`.
    async fn claim(&self, server: ServerId, wanted: Resources) -> Result<HostId, ClaimError> {
        Ok(self.claim_by(server, wanted, &Constraints::default()).await?.host)
    }

    async fn claim_by(
        &self,
        server: ServerId,
        wanted: Resources,
        constraints: &Constraints,
    ) -> Result<Claimed, ClaimError> {
        let consumer = Consumer { server, project: "p1".parse().unwrap(), user: "u1".parse().unwrap() };
        let mut tx = self.db.begin().await.unwrap();
        let claimed = self.placement.claim(&mut tx, &consumer, wanted, constraints).await?;
        tx.commit().await.unwrap();
        Ok(claimed)
    }

    async fn release(&self, server: ServerId) {
        let mut tx = self.db.begin().await.unwrap();
        self.placement.release(&mut tx, server).await.unwrap();
        tx.commit().await.unwrap();
    }
}
