//! A compute service with its fakes, called as clients call it.

use super::fakes::{FakeFleet, FakeImages, FakeNetworks, FakePlacement, IMAGE, host};
use crate::{Compute, Config, Ports, rules, service};
use axum::Router;
use controller_base::id::ServerId;
use controller_base::{Clock, Generation, Timestamp};
use controller_db::testing::{TestDb, databases};
use controller_ports::fleet::{DesiredObject, DesiredState, GuestObserver, GuestState, ObjectKey, ObservedGuest};
use controller_web::testing::{Answer, call_with, usual_tokens, web_state};
use controller_work::Runner;
use http::Method;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub struct World {
    pub compute: Compute,
    pub fleet: Arc<FakeFleet>,
    pub networks: Arc<FakeNetworks>,
    pub placement: Arc<FakePlacement>,
    pub router: Router,
    _db: TestDb,
}

/// One on each database, with a flavor `1`.
pub async fn worlds() -> Vec<World> {
    let mut all = Vec::new();
    for db in databases().await {
        all.push(world(db, true).await);
    }
    all
}

/// One whose operations are driven by hand.
pub async fn still_worlds() -> Vec<World> {
    let mut all = Vec::new();
    for db in databases().await {
        all.push(world(db, false).await);
    }
    all
}

async fn world(db: TestDb, runs: bool) -> World {
    let clock = Clock::system();
    let mut web = web_state("compute", &rules(), usual_tokens());
    web.clock = clock.clone();
    let fleet = Arc::new(FakeFleet::default());
    let networks = Arc::new(FakeNetworks::default());
    let placement = Arc::new(FakePlacement { room: 5, claims: Mutex::default() });
    let runner = Runner::open((*db).clone(), clock.clone()).await.unwrap();
    let ports = Ports {
        fleet: fleet.clone(),
        networks: networks.clone(),
        images: Arc::new(FakeImages),
        placement: placement.clone(),
    };
    // Where no runner runs, a script's time flies while its host takes its own.
    let answer_timeout_seconds = if runs { Config::default().answer_timeout_seconds } else { 86_400 };
    let config = Config { answer_timeout_seconds, ..Config::default() };
    let compute = Compute::open((*db).clone(), clock, config, ports, runner.clone()).await.unwrap();
    if runs {
        runner.start().await.unwrap();
    } else {
        runner.stop().await;
    }
    let service = service(compute.clone(), &web);
    assert_eq!(service.routes_without_rule(&web.policy), Vec::<String>::new());
    let world = World { compute, fleet, networks, placement, router: service.router, _db: db };
    let flavor = json!({"flavor": {"id": "1", "name": "m1.tiny", "ram": 512, "vcpus": 1, "disk": 4}});
    assert_eq!(world.send(Method::POST, "/v2.1/flavors", "admin", 1, Some(flavor)).await.status, 200);
    world
}

impl World {
    pub async fn send(&self, method: Method, path: &str, token: &str, minor: u16, body: Option<Value>) -> Answer {
        let version = format!("compute 2.{minor}");
        let headers = [("openstack-api-version", version.as_str())];
        call_with(&self.router, method, path, token, &headers, body.as_ref()).await
    }

    pub async fn get(&self, path: &str, token: &str, minor: u16) -> Answer {
        self.send(Method::GET, path, token, minor, None).await
    }

    /// Asks for a server with these fields more; gives the answer.
    pub async fn ask(&self, minor: u16, more: Value) -> Answer {
        let mut server = json!({"name": "web", "flavorRef": "1", "imageRef": IMAGE});
        if minor >= 37 {
            server["networks"] = json!("auto");
        }
        let fields = more.as_object().unwrap().clone();
        server.as_object_mut().unwrap().extend(fields);
        self.send(Method::POST, "/v2.1/servers", "member", minor, Some(json!({"server": server}))).await
    }

    /// A server that was accepted.
    pub async fn create(&self, more: Value) -> ServerId {
        let answer = self.ask(1, more).await;
        assert_eq!(answer.status, 202, "{}", answer.json());
        answer.json()["server"]["id"].as_str().unwrap().parse().unwrap()
    }

    /// A server that runs.
    pub async fn running(&self, more: Value) -> ServerId {
        let id = self.create(more).await;
        self.published(id).await;
        self.observe(id, GuestState::Running).await;
        self.until(id, "status", "ACTIVE").await;
        self.idle(id).await;
        id
    }

    pub async fn action(&self, id: ServerId, body: Value) -> Answer {
        self.send(Method::POST, &format!("/v2.1/servers/{id}/action"), "member", 1, Some(body)).await
    }

    pub async fn show(&self, id: ServerId) -> Value {
        self.get(&format!("/v2.1/servers/{id}"), "member", 1).await.json()["server"].clone()
    }

    /// Waits until the host is told of the server.
    pub async fn published(&self, id: ServerId) {
        for _ in 0..500 {
            if self.desired(id).await.is_some() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{id} was not published");
    }

    /// Waits until the host is told that the server shall go.
    pub async fn withdrawn(&self, id: ServerId) {
        for _ in 0..500 {
            if self.desired(id).await.is_none() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{id} stays published");
    }

    /// Waits until a field of the server has this value.
    pub async fn until(&self, id: ServerId, field: &str, value: &str) {
        for _ in 0..500 {
            if self.show(id).await[field] == value {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{id}: {field} did not become {value}: {}", self.show(id).await);
    }

    /// Waits until no operation works on the server.
    pub async fn idle(&self, id: ServerId) {
        for _ in 0..500 {
            if !self.compute.runner.is_busy(&id.to_string()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{id} stays busy");
    }

    pub async fn desired(&self, id: ServerId) -> Option<(Generation, controller_ports::fleet::DesiredGuest)> {
        let found = self.compute.get(host(), ObjectKey::Guest(id)).await.unwrap()?;
        match found.object {
            DesiredObject::Guest(guest) => Some((found.generation, *guest)),
            other => panic!("{other:?} is no guest"),
        }
    }

    /// The host says that the guest is as it shall be now.
    pub async fn observe(&self, id: ServerId, state: GuestState) {
        let (generation, boot_count) = match self.desired(id).await {
            Some((generation, guest)) => (generation, guest.power.boot_count),
            None => (Generation(99), 99),
        };
        let seen = ObservedGuest {
            id,
            generation,
            state,
            reason: if state == GuestState::Failed { "no disk".to_owned() } else { String::new() },
            boot_count,
            since: Timestamp(0),
        };
        self.compute.observed(host(), false, vec![seen]).await.unwrap();
    }
}
