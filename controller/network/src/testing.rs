//! For this crate's tests: a fleet that notes what is touched, services over fresh databases, and a REST caller.

use crate::{NetworkService, config::NetworkConfig, policy::RULES};
use async_trait::async_trait;
use axum::Router;
use controller_base::{
    Clock, Timestamp,
    id::{HostId, ProjectId, ServerId},
};
use controller_db::testing::TestDb;
use controller_ports::{
    Unavailable,
    fleet::{AskError, Fleet, Host, HostChange, HostChangeError, HostResources, Membership, ObjectKey},
    network::{AttachError, AttachRequest, AttachedPort, Networks as _, RequestedNic},
};
use controller_web::testing;
use http::Method;
use serde_json::Value;
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

/// A host.
pub fn host(id: HostId, up: bool) -> Host {
    Host {
        id,
        hostname: format!("host-{id}"),
        up,
        last_seen: Timestamp(0),
        resources: HostResources::default(),
        underlay_address: format!("192.0.2.{}", id.uuid().as_bytes()[0]),
        physical_networks: vec!["public".to_owned()],
        version: String::new(),
        membership: Membership::default(),
    }
}

/// Notes what is touched.
#[derive(Default)]
pub struct FakeFleet {
    pub hosts: Mutex<Vec<Host>>,
    touched: Mutex<BTreeSet<(HostId, ObjectKey)>>,
}

impl FakeFleet {
    /// What was touched since the last time.
    pub fn take(&self) -> BTreeSet<(HostId, ObjectKey)> {
        std::mem::take(&mut *self.touched.lock().unwrap())
    }
}

#[async_trait]
impl Fleet for FakeFleet {
    fn touch(&self, host: HostId, key: ObjectKey) {
        self.touched.lock().unwrap().insert((host, key));
    }
    async fn hosts(&self) -> Result<Vec<Host>, Unavailable> {
        Ok(self.hosts.lock().unwrap().clone())
    }
    async fn host(&self, id: HostId) -> Result<Option<Host>, Unavailable> {
        Ok(self.hosts.lock().unwrap().iter().find(|host| host.id == id).cloned())
    }
    async fn change_host(&self, id: HostId, _: HostChange) -> Result<(), HostChangeError> {
        Err(HostChangeError::NoSuchHost(id))
    }
    async fn console_output(&self, host: HostId, _: ServerId, _: u64) -> Result<Vec<u8>, AskError> {
        Err(AskError::NotConnected(host))
    }
    async fn uptime(&self, host: HostId) -> Result<String, AskError> {
        Err(AskError::NotConnected(host))
    }
    async fn audit(&self, host: HostId) -> Result<String, AskError> {
        Err(AskError::NotConnected(host))
    }
}

/// A service over a fresh database, with its REST edge.
pub struct Cloud {
    pub service: NetworkService,
    pub fleet: Arc<FakeFleet>,
    pub router: Router,
    db: TestDb,
}

/// One over each kind of database.
pub async fn clouds() -> Vec<Cloud> {
    clouds_with(NetworkConfig::default()).await
}

/// The same with settings.
pub async fn clouds_with(config: NetworkConfig) -> Vec<Cloud> {
    let mut clouds = Vec::new();
    for db in controller_db::testing::databases().await {
        let fleet = Arc::new(FakeFleet::default());
        let clock = Clock::set_to(Timestamp(1_790_000_000_000_000));
        let service = NetworkService::start((*db).clone(), clock, config.clone(), fleet.clone()).await.unwrap();
        let web = testing::web_state("network", RULES, testing::usual_tokens());
        let router = crate::api::service(service.clone(), &web).router;
        clouds.push(Cloud { service, fleet, router, db });
    }
    clouds
}

impl Cloud {
    /// Calls the API; the status and the body.
    pub async fn call(&self, method: Method, path: &str, token: &str, body: Option<Value>) -> (u16, Value) {
        let answer = testing::call(&self.router, method, path, token, body.as_ref()).await;
        (answer.status.as_u16(), answer.json())
    }

    /// Plugs a server in; its ports.
    pub async fn attach(&self, request: &AttachRequest) -> Result<Vec<AttachedPort>, AttachError> {
        let tx = self.db.begin().await.expect("a fresh database has room for a transaction");
        self.service.attach(tx, request).await?.commit().await.expect("a fresh database takes a commit");
        let mut ports = self.service.ports_of(&[request.server_id]).await?;
        Ok(ports.remove(&request.server_id).unwrap_or_default())
    }

    pub async fn get(&self, token: &str, path: &str) -> (u16, Value) {
        self.call(Method::GET, path, token, None).await
    }

    pub async fn put(&self, token: &str, path: &str, body: Value) -> (u16, Value) {
        self.call(Method::PUT, path, token, Some(body)).await
    }

    pub async fn post(&self, token: &str, path: &str, body: Value) -> (u16, Value) {
        self.call(Method::POST, path, token, Some(body)).await
    }

    pub async fn delete(&self, token: &str, path: &str) -> (u16, Value) {
        self.call(Method::DELETE, path, token, None).await
    }

    /// Makes one; its body.
    pub async fn make(&self, token: &str, collection: &str, name: &str, body: Value) -> Value {
        let (status, answer) = self.post(token, &format!("/v2.0/{collection}"), serde_json::json!({name: body})).await;
        assert_eq!(status, 201, "{answer}");
        answer[name].clone()
    }

    /// A network with an IPv4 subnet; their ids.
    pub async fn network(&self, token: &str, cidr: &str) -> (String, String) {
        let network = self.make(token, "networks", "network", serde_json::json!({"name": "n"})).await;
        let id = text(&network["id"]);
        let body = serde_json::json!({"network_id": id, "cidr": cidr, "ip_version": 4});
        let subnet = self.make(token, "subnets", "subnet", body).await;
        (id, text(&subnet["id"]))
    }

    /// An external network with a subnet.
    pub async fn external(&self) -> (String, String) {
        let body = serde_json::json!({"name": "public", "router:external": true, "provider:network_type": "flat",
            "provider:physical_network": "public"});
        let network = self.make("admin", "networks", "network", body).await;
        let id = text(&network["id"]);
        let body =
            serde_json::json!({"network_id": id, "cidr": "203.0.113.0/24", "ip_version": 4, "enable_dhcp": false});
        let subnet = self.make("admin", "subnets", "subnet", body).await;
        (id, text(&subnet["id"]))
    }

    /// A router of project p1 with a leg in the subnet and its gateway in the external network.
    pub async fn routed(&self, subnet: &str, external: &str) -> String {
        let body = serde_json::json!({"name": "r", "external_gateway_info": {"network_id": external}});
        let router = text(&self.make("member", "routers", "router", body).await["id"]);
        let path = format!("/v2.0/routers/{router}/add_router_interface");
        let (status, answer) = self.put("member", &path, serde_json::json!({"subnet_id": subnet})).await;
        assert_eq!(status, 200, "{answer}");
        router
    }

    /// A host that is up.
    pub fn host(&self) -> HostId {
        let id = HostId::random();
        self.fleet.hosts.lock().unwrap().push(host(id, true));
        id
    }
}

/// A server of project p1 on a host.
pub fn request(host_id: HostId, nics: Vec<RequestedNic>) -> AttachRequest {
    AttachRequest {
        server_id: ServerId::random(),
        project_id: "p1".parse::<ProjectId>().unwrap(),
        is_admin: false,
        host_id,
        hostname: "host".to_owned(),
        guest_hostname: "guest".to_owned(),
        availability_zone: "nova".to_owned(),
        nics,
        security_groups: Vec::new(),
    }
}

/// A new interface in a network.
pub fn nic(network: &str) -> RequestedNic {
    RequestedNic::Network { id: network.parse().unwrap(), fixed_ip: None }
}

/// A text of a body.
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
