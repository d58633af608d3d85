//! The API as its clients see it.

use super::{
    access, client, router,
    serve::{bind, port, socket, socket_path},
};
use crate::{
    config::Config,
    wiring::{Cloud, Platform, bootstrap},
};
use axum::{Router, body::Body, middleware::from_fn_with_state};
use controller_base::Secret;
use controller_web::{Policy, mount, testing};
use http::{Method, Request};
use humilis_proto::admin as wire;
use prost_types::FileDescriptorSet;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use tokio::{net::TcpListener, sync::watch, time::timeout};
use tokio_util::sync::CancellationToken;
use tonic::{Code, transport::Channel};
use tower::ServiceExt as _;

/// A controller, and who may call it.
struct World {
    cloud: Arc<Cloud>,
    stop: CancellationToken,
    _directory: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        Self::with(|_| ()).await
    }

    async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut config = Config { state_directory: directory.path().to_owned(), ..Config::default() };
        change(&mut config);
        config.identity.admin_password = Secret::new("secret");
        let cloud = Arc::new(Cloud::open(Platform::open(config).await.unwrap()).await.unwrap());
        bootstrap(&cloud, false).await.unwrap();
        Self { cloud, stop: CancellationToken::new(), _directory: directory }
    }

    /// Through the operators' socket.
    async fn channel(&self) -> client::Channel {
        let listener = bind(&socket_path(&self.cloud.platform.config.state_directory)).unwrap();
        tokio::spawn(socket(self.router().await, listener, self.stop.clone()));
        for _ in 0..200 {
            match client::connect(&self.cloud.platform.config).await {
                Ok(channel) => return channel,
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
        panic!("the socket does not answer");
    }

    /// The port's router, behind its guard.
    async fn guarded(&self) -> Router {
        let guard = from_fn_with_state(self.cloud.web.clone(), access::guard);
        self.router().await.layer(guard)
    }

    async fn router(&self) -> Router {
        router(self.cloud.clone(), self.stop.clone()).await.unwrap()
    }

    async fn rest(&self, method: Method, path: &str, token: &str, body: Value) -> testing::Answer {
        let router = mount::mount(self.cloud.services.clone());
        testing::call(&router, method, path, token, Some(&body)).await
    }

    async fn login(&self, name: &str, project: &str) -> String {
        let domain = json!({"id": "default"});
        let user = json!({"name": name, "domain": domain, "password": "secret"});
        let body = json!({"auth": {"identity": {"methods": ["password"], "password": {"user": user}},
            "scope": {"project": {"name": project, "domain": domain}}}});
        let answer = self.rest(Method::POST, "/identity/v3/auth/tokens", "", body).await;
        answer.header("x-subject-token").unwrap().to_owned()
    }

    /// Somebody who is member of a project and nothing else.
    async fn member(&self) -> String {
        let admin = self.login("admin", "admin").await;
        let project = self.rest(Method::POST, "/identity/v3/projects", &admin, json!({"project": {"name": "p"}})).await;
        let user = json!({"user": {"name": "u", "password": "secret"}});
        let user = self.rest(Method::POST, "/identity/v3/users", &admin, user).await;
        let roles = self.rest(Method::GET, "/identity/v3/roles?name=member", &admin, Value::Null).await;
        let id = |value: &Value| value["id"].as_str().unwrap().to_owned();
        let (project, user) = (id(&project.json()["project"]), id(&user.json()["user"]));
        let role = id(&roles.json()["roles"][0]);
        let path = format!("/identity/v3/projects/{project}/users/{user}/roles/{role}");
        assert_eq!(self.rest(Method::PUT, &path, &admin, Value::Null).await.status, 204);
        self.login("u", "p").await
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// All calls that the protocol file declares, as the guard's table names them.
fn declared() -> Vec<String> {
    let set: FileDescriptorSet = prost::Message::decode(wire::DESCRIPTORS).unwrap();
    let file = set.file.iter().find(|file| file.package() == "humilis.admin.v1").unwrap();
    let methods = |service: &prost_types::ServiceDescriptorProto| {
        service.method.iter().map(|method| format!("{}/{}", service.name(), method.name())).collect::<Vec<_>>()
    };
    file.service.iter().flat_map(methods).collect()
}

/// The status of a call without a message, as far as it is known when the answer begins.
async fn call(router: &Router, path: &str, header: Option<(&str, String)>) -> Code {
    let mut request = Request::post(path).header("content-type", "application/grpc").header("te", "trailers");
    if let Some((name, value)) = header {
        request = request.header(name, value);
    }
    let answer = router.clone().oneshot(request.body(Body::from(vec![0_u8; 5])).unwrap()).await.unwrap();
    tonic::Status::from_header_map(answer.headers()).map_or(Code::Ok, |status| status.code())
}

#[test]
fn every_call_has_a_rule_that_exists() {
    let mut listed: Vec<_> = access::METHODS.iter().map(|method| method.path.to_owned()).collect();
    let mut declared = declared();
    listed.sort();
    declared.sort();
    assert_eq!(listed, declared);
    let mut policy = Policy::default();
    for (service, rules) in crate::wiring::rules() {
        policy.add(service, &rules, &Default::default()).unwrap();
    }
    for method in access::METHODS {
        assert!(policy.of(method.service).has(method.rule), "{} {}", method.path, method.rule);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_port_wants_a_token_that_the_policy_lets_pass() {
    let world = World::new().await;
    let (router, member, admin) = (world.guarded().await, world.member().await, world.login("admin", "admin").await);
    for method in declared() {
        let path = format!("/humilis.admin.v1.{method}");
        assert_eq!(call(&router, &path, None).await, Code::Unauthenticated, "{method}");
        let made_up = ("x-auth-token", "made-up".to_owned());
        assert_eq!(call(&router, &path, Some(made_up)).await, Code::Unauthenticated, "{method}");
        let own = ("x-auth-token", member.clone());
        assert_eq!(call(&router, &path, Some(own)).await, Code::PermissionDenied, "{method}");
    }
    let path = "/humilis.admin.v1.Hosts/ListHosts";
    assert_eq!(call(&router, path, Some(("x-auth-token", admin.clone()))).await, Code::Ok);
    assert_eq!(call(&router, path, Some(("authorization", format!("Bearer {admin}")))).await, Code::Ok);
    assert_eq!(call(&router, path, Some(("authorization", format!("Basic {admin}")))).await, Code::Unauthenticated);
    let unknown = "/humilis.admin.v1.Hosts/BurnHost";
    assert_eq!(call(&router, unknown, Some(("x-auth-token", admin))).await, Code::Unimplemented);
    assert_eq!(call(&router, "/humilis.federation.v1.Enrolment/Enrol", None).await, Code::Unimplemented);
    assert_eq!(call(&router, "/grpc.health.v1.Health/Check", None).await, Code::Ok);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_made_listed_and_ended() {
    let world = World::new().await;
    let mut tokens = wire::join_tokens_client::JoinTokensClient::new(world.channel().await);
    let wanted = wire::CreateJoinTokenRequest { uses: 2, note: "rack 1".to_owned(), ..Default::default() };
    let made = tokens.create_join_token(wanted).await.unwrap().into_inner();
    assert_eq!(made.ca_fingerprint, world.cloud.platform.authority.fingerprint());
    let id = made.stored.unwrap().id;
    let listed = tokens.list_join_tokens(wire::ListJoinTokensRequest {}).await.unwrap().into_inner().tokens;
    assert_eq!((listed[0].id.as_str(), listed[0].most_uses, listed[0].note.as_str()), (id.as_str(), 2, "rack 1"));
    assert_eq!(listed[0].state(), wire::JoinTokenState::Open);
    let ended = tokens.revoke_join_token(wire::RevokeJoinTokenRequest { token: made.token }).await.unwrap();
    assert_eq!(ended.into_inner().state(), wire::JoinTokenState::Revoked);
    let unknown = wire::RevokeJoinTokenRequest { token: "made up".to_owned() };
    assert_eq!(tokens.revoke_join_token(unknown).await.unwrap_err().code(), Code::NotFound);
    let endless = wire::CreateJoinTokenRequest { seconds: i64::MAX, ..Default::default() };
    assert_eq!(tokens.create_join_token(endless).await.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_not_found_and_an_empty_cloud_is_empty() {
    let world = World::new().await;
    let channel = world.channel().await;
    let mut hosts = wire::hosts_client::HostsClient::new(channel.clone());
    assert!(hosts.list_hosts(wire::ListHostsRequest {}).await.unwrap().into_inner().hosts.is_empty());
    let nobody = wire::ChangeHostRequest { host: "nobody".to_owned(), reason: String::new() };
    assert_eq!(hosts.drain_host(nobody).await.unwrap_err().code(), Code::NotFound);
    let mut guests = wire::guests_client::GuestsClient::new(channel.clone());
    let listed = guests.list_guests(wire::ListGuestsRequest::default()).await.unwrap().into_inner();
    assert!(listed.guests.is_empty() && listed.next_page_token.is_empty());
    let wrong = wire::ListGuestsRequest { page_token: "x".to_owned(), ..Default::default() };
    assert_eq!(guests.list_guests(wrong).await.unwrap_err().code(), Code::InvalidArgument);
    let mut audit = wire::audit_client::AuditClient::new(channel.clone());
    assert!(audit.run_audit(wire::RunAuditRequest {}).await.unwrap().into_inner().findings.is_empty());
    let mut authority = wire::authority_client::AuthorityClient::new(channel);
    let finish = wire::FinishRotationRequest { force: false };
    assert_eq!(authority.finish_rotation(finish).await.unwrap_err().code(), Code::FailedPrecondition);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_come_as_they_happen_and_the_stream_ends_with_the_controller() {
    let world = World::new().await;
    let mut events = wire::events_client::EventsClient::new(world.channel().await);
    let filter = Some(wire::EventFilter { r#type: "identity.project".to_owned(), ..Default::default() });
    let asked = wire::FollowEventsRequest { filter: filter.clone(), after_id: String::new() };
    let mut stream = events.follow_events(asked).await.unwrap().into_inner();
    let admin = world.login("admin", "admin").await;
    for name in ["a", "b"] {
        let body = json!({"project": {"name": name}});
        assert_eq!(world.rest(Method::POST, "/identity/v3/projects", &admin, body).await.status, 201);
    }
    let first = timeout(Duration::from_secs(5), stream.message()).await.unwrap().unwrap().unwrap();
    let second = timeout(Duration::from_secs(5), stream.message()).await.unwrap().unwrap().unwrap();
    assert_eq!((first.r#type.as_str(), first.outcome()), ("identity.project.created", wire::Outcome::Success));
    assert_ne!(first.id, second.id);
    let again = wire::FollowEventsRequest { filter, after_id: first.id };
    let mut resumed = events.follow_events(again).await.unwrap().into_inner();
    let next = timeout(Duration::from_secs(5), resumed.message()).await.unwrap().unwrap().unwrap();
    assert_eq!(next.id, second.id);
    let unknown = wire::FollowEventsRequest { filter: None, after_id: "nothing".to_owned() };
    assert_eq!(events.follow_events(unknown).await.unwrap_err().code(), Code::OutOfRange);
    world.stop.cancel();
    let end = timeout(Duration::from_secs(5), stream.message()).await.expect("the stream ends");
    assert!(!matches!(end, Ok(Some(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_port_speaks_grpc() {
    let world = World::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (_, none) = watch::channel(None);
    tokio::spawn(port(world.router().await, world.cloud.web.clone(), listener, none, world.stop.clone()));
    let channel = Channel::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap();
    let mut health = tonic_health::pb::health_client::HealthClient::new(channel.clone());
    for service in ["", "humilis.admin.v1.Hosts", "humilis.admin.v1.JoinTokens", "humilis.admin.v1.Audit"] {
        let asked = tonic_health::pb::HealthCheckRequest { service: service.to_owned() };
        assert_eq!(health.check(asked).await.unwrap().into_inner().status, 1, "{service}");
    }
    let token = world.login("admin", "admin").await.parse().unwrap();
    let mut request = tonic::Request::new(wire::ListOperationsRequest::default());
    request.metadata_mut().insert("x-auth-token", token);
    let mut operations = wire::operations_client::OperationsClient::new(channel);
    assert!(operations.list_operations(request).await.unwrap().into_inner().operations.is_empty());
}

/// A signed bundle of a version, and the file with the key that vouches for it.
fn bundle(folder: &std::path::Path, version: &str) -> Vec<u8> {
    let key = humilis_update::SigningKey::parse(&humilis_update::SigningKey::generate().unwrap()).unwrap();
    let root = folder.join(format!("humilis_{version}.root"));
    std::fs::write(&root, [7; 9000]).unwrap();
    std::fs::write(folder.join("keys"), key.public()).unwrap();
    let mut bundle = Vec::new();
    humilis_update::write(&mut bundle, &key, version, &[&root]).unwrap();
    bundle
}

#[tokio::test(flavor = "multi_thread")]
async fn updates_are_added_listed_and_removed_and_bad_ones_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = bundle(folder.path(), "2");
    let world = World::with(|config| config.update.keys = vec![folder.path().join("keys")]).await;
    let mut updates = wire::updates_client::UpdatesClient::new(world.channel().await);
    let pieces = |bytes: &[u8]| {
        let pieces: Vec<_> = bytes.chunks(1000).map(|data| wire::AddUpdateRequest { data: data.to_vec() }).collect();
        futures::stream::iter(pieces)
    };
    let cut = updates.add_update(pieces(&bytes[..bytes.len() - 1])).await.unwrap_err();
    assert_eq!((cut.code(), cut.message().contains("cut short")), (Code::InvalidArgument, true), "{cut}");
    let elsewhere = tempfile::tempdir().unwrap();
    let stranger = bundle(elsewhere.path(), "2");
    let strange = updates.add_update(pieces(&stranger)).await.unwrap_err();
    assert_eq!((strange.code(), strange.message().contains("signed")), (Code::InvalidArgument, true), "{strange}");
    let added = updates.add_update(pieces(&bytes)).await.unwrap().into_inner();
    assert_eq!((added.version.as_str(), added.size), ("2", bytes.len() as u64));
    assert_eq!(updates.add_update(pieces(&bytes)).await.unwrap_err().code(), Code::AlreadyExists);
    let listed = updates.list_updates(wire::ListUpdatesRequest {}).await.unwrap().into_inner();
    assert_eq!((listed.updates, listed.hosts), (vec![added], Vec::new()));
    let all = wire::UpdateHostsRequest::default();
    let nobody = updates.update_hosts(all).await.unwrap_err();
    assert_eq!(nobody.code(), Code::FailedPrecondition, "{nobody}");
    let unknown = wire::UpdateHostsRequest { version: "3".to_owned(), ..Default::default() };
    assert_eq!(updates.update_hosts(unknown).await.unwrap_err().code(), Code::NotFound);
    updates.remove_update(wire::RemoveUpdateRequest { version: "2".to_owned() }).await.unwrap();
    assert!(updates.list_updates(wire::ListUpdatesRequest {}).await.unwrap().into_inner().updates.is_empty());
}
