//! The service through its routes, on every database that is at hand.

mod access_keys;
mod bad_input;
mod connections;
mod delegation;
mod domain_config;
mod events;
mod federated;
mod federation;
mod filters;
mod golden;
mod grants;
mod hierarchy;
mod limits;
mod matrix;
mod model;
mod resources;
mod revocation;
mod secrets;
mod tokens;

use crate::{Bootstrap, CatalogEntry, Identity, Settings, core::PasswordCost};
use axum::Router;
use controller_base::{Clock, Secret, Timestamp};
use controller_db::testing::{TestDb, databases};
use controller_web::{
    Policy, WebState,
    testing::{Answer, call_with},
};
use http::Method;
use serde_json::{Value, json};
use std::{collections::HashMap, sync::Arc};

/// A service with its first administrator on a fresh database.
struct World {
    router: Router,
    identity: Identity,
    clock: Clock,
    keys: Arc<tempfile::TempDir>,
    db: Arc<TestDb>,
}

/// One world for each kind of database.
async fn worlds() -> Vec<World> {
    let mut worlds = Vec::new();
    for db in databases().await {
        worlds.push(world(db).await);
    }
    worlds
}

async fn world(db: TestDb) -> World {
    world_with(db, |_| {}).await
}

/// With settings of its own.
async fn world_with(db: TestDb, set: impl FnOnce(&mut Settings)) -> World {
    let keys = Arc::new(tempfile::tempdir().unwrap());
    let clock = Clock::set_to(Timestamp(1_790_000_000_500_000));
    let mut settings = Settings {
        password_cost: PasswordCost::Test,
        federation: federated::settings(),
        ..Settings::below(keys.path())
    };
    set(&mut settings);
    let identity = Identity::open((*db).clone(), clock.clone(), settings).await.unwrap();
    let url = |path: &str| format!("https://cloud.test{path}");
    let entry = |kind: &str, path: &str| CatalogEntry { kind: kind.into(), name: kind.into(), url: url(path) };
    let wanted = Bootstrap {
        user: "admin".into(),
        password: Secret::new("secret"),
        reset_password: false,
        project: "admin".into(),
        region: "RegionOne".into(),
        catalog: vec![entry("identity", "/identity"), entry("demo", "/demo/$(project_id)s")],
    };
    assert!(identity.bootstrap(&wanted).await.unwrap());
    assert!(!identity.bootstrap(&wanted).await.unwrap(), "the second time nothing is new");
    let web = web_state(&identity, &clock);
    World { router: crate::service(identity.clone(), &web).router, identity, clock, keys, db: Arc::new(db) }
}

fn web_state(identity: &Identity, clock: &Clock) -> WebState {
    let mut policy = Policy::default();
    policy.add("identity", &crate::policy::rules(), &HashMap::new()).unwrap();
    policy.restrict("identity", crate::policy::SCOPES);
    WebState {
        authenticator: Arc::new(identity.clone()),
        policy: Arc::new(policy),
        clock: clock.clone(),
        identity_url: None,
        observer: None,
    }
}

/// A second controller on the first one's database, with its keys and clock.
async fn second_world(first: &World) -> World {
    let settings = Settings { password_cost: PasswordCost::Test, ..Settings::below(first.keys.path()) };
    let identity = Identity::open((**first.db).clone(), first.clock.clone(), settings).await.unwrap();
    let router = crate::service(identity.clone(), &web_state(&identity, &first.clock)).router;
    World { router, identity, clock: first.clock.clone(), keys: first.keys.clone(), db: first.db.clone() }
}

/// The body of a request for a token by password.
fn by_password(user: &str, password: &str, scope: Value) -> Value {
    let user = json!({"name": user, "domain": {"id": "default"}, "password": password});
    let mut auth = json!({"identity": {"methods": ["password"], "password": {"user": user}}});
    if !scope.is_null() {
        auth["scope"] = scope;
    }
    json!({"auth": auth})
}

fn on_project(name: &str) -> Value {
    json!({"project": {"name": name, "domain": {"id": "default"}}})
}

impl World {
    /// The same service with other settings.
    fn reopen(&mut self, change: impl FnOnce(&mut Identity)) {
        change(&mut self.identity);
        let web = web_state(&self.identity, &self.clock);
        self.router = crate::service(self.identity.clone(), &web).router;
    }

    async fn call(&self, method: Method, path: &str, token: &str, body: Option<Value>) -> Answer {
        call_with(&self.router, method, path, token, &[], body.as_ref()).await
    }

    async fn get(&self, path: &str, token: &str) -> Answer {
        self.call(Method::GET, path, token, None).await
    }

    /// A token; panics where there is none.
    async fn token(&self, user: &str, password: &str, scope: Value) -> String {
        let answer = self.login(user, password, scope).await;
        assert_eq!(answer.status, 201, "{user}: {}", answer.json());
        answer.header("x-subject-token").unwrap().to_owned()
    }

    async fn login(&self, user: &str, password: &str, scope: Value) -> Answer {
        let body = by_password(user, password, scope);
        self.call(Method::POST, "/v3/auth/tokens", "", Some(body)).await
    }

    async fn admin(&self) -> String {
        self.token("admin", "secret", on_project("admin")).await
    }

    /// Makes something and tells its id.
    async fn create(&self, token: &str, collection: &str, kind: &str, body: Value) -> String {
        let answer = self.call(Method::POST, &format!("/v3/{collection}"), token, Some(json!({kind: body}))).await;
        assert_eq!(answer.status, 201, "{collection}: {}", answer.json());
        answer.json()[kind]["id"].as_str().unwrap().to_owned()
    }

    async fn role(&self, token: &str, name: &str) -> String {
        let roles = self.get(&format!("/v3/roles?name={name}"), token).await.json();
        roles["roles"][0]["id"].as_str().unwrap().to_owned()
    }

    /// A user `name` with password `secret` and a role on a new project `name`: ids of user, project, role.
    async fn member(&self, admin: &str, name: &str, role: &str) -> (String, String, String) {
        let project = self.create(admin, "projects", "project", json!({"name": name})).await;
        let user = self.create(admin, "users", "user", json!({"name": name, "password": "secret"})).await;
        let role = self.role(admin, role).await;
        let path = format!("/v3/projects/{project}/users/{user}/roles/{role}");
        assert_eq!(self.call(Method::PUT, &path, admin, None).await.status, 204);
        (user, project, role)
    }

    /// The status of looking at a token with itself.
    async fn validity(&self, token: &str) -> u16 {
        let headers = [("x-subject-token", token)];
        call_with(&self.router, Method::GET, "/v3/auth/tokens", token, &headers, None).await.status.as_u16()
    }
}
