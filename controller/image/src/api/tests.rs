//! Stories over REST, on both databases.

use crate::image::{ImageService, RULES};
use crate::{ContentStore, api};
use axum::body::Body;
use controller_base::Clock;
use controller_db::testing::{TestDb, databases};
use controller_web::testing::{Answer, call, usual_tokens, web_state};
use controller_web::{Service, WebState};
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt as _;

const PATCH: &str = "application/openstack-images-v2.1-json-patch";

struct Glance {
    service: Service,
    web: WebState,
    _directory: TempDir,
    _db: TestDb,
}

impl Glance {
    async fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for db in databases().await {
            let directory = tempfile::tempdir().unwrap();
            let content = ContentStore::open(directory.path()).await.unwrap();
            let images = ImageService::open((*db).clone(), Clock::system(), content, 1 << 20).await.unwrap();
            let web = web_state("image", RULES, usual_tokens());
            let service = api::service(images, &web);
            all.push(Self { service, web, _directory: directory, _db: db });
        }
        all
    }

    async fn call(&self, method: Method, path: &str, token: &str, body: Option<Value>) -> Answer {
        call(&self.service.router, method, path, token, body.as_ref()).await
    }

    async fn make(&self, token: &str, extra: Value) -> String {
        let mut body = json!({"name": "cirros", "disk_format": "raw", "container_format": "bare"});
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let made = self.call(Method::POST, "/v2/images", token, Some(body)).await;
        assert_eq!(made.status, StatusCode::CREATED, "{:?}", made.json());
        made.json()["id"].as_str().unwrap().to_owned()
    }

    async fn upload(&self, token: &str, id: &str, bytes: &[u8]) -> StatusCode {
        let request = Request::put(format!("/v2/images/{id}/file")).header("x-auth-token", token);
        let request = request.header("content-type", "application/octet-stream").body(Body::from(bytes.to_vec()));
        self.service.router.clone().oneshot(request.unwrap()).await.unwrap().status()
    }

    async fn download(&self, token: &str, id: &str) -> (StatusCode, Vec<u8>) {
        let request = Request::get(format!("/v2/images/{id}/file")).header("x-auth-token", token).body(Body::empty());
        let response = self.service.router.clone().oneshot(request.unwrap()).await.unwrap();
        (response.status(), response.into_body().collect().await.unwrap().to_bytes().to_vec())
    }

    async fn patch(&self, token: &str, id: &str, change: Value) -> StatusCode {
        let path = format!("/v2/images/{id}");
        let request = Request::patch(path).header("x-auth-token", token).header("content-type", PATCH);
        let request = request.body(Body::from(change.to_string())).unwrap();
        self.service.router.clone().oneshot(request).await.unwrap().status()
    }

    async fn names(&self, token: &str, query: &str) -> Vec<String> {
        let list = self.call(Method::GET, &format!("/v2/images{query}"), token, None).await.json();
        list["images"].as_array().unwrap().iter().map(|i| i["name"].as_str().unwrap().to_owned()).collect()
    }
}

#[tokio::test]
async fn an_image_lives_from_queued_to_gone() {
    for glance in Glance::all().await {
        let id = glance.make("member", json!({"tags": ["b", "a"], "hw_rng_model": "virtio"})).await;
        let queued = glance.call(Method::GET, &format!("/v2/images/{id}"), "reader", None).await.json();
        assert_eq!((queued["status"].as_str(), queued["size"].is_null()), (Some("queued"), true));
        assert_eq!((&queued["tags"], &queued["hw_rng_model"]), (&json!(["a", "b"]), &json!("virtio")));
        assert_eq!(glance.upload("member", &id, b"bytes").await, StatusCode::NO_CONTENT);
        let active = glance.call(Method::GET, &format!("/v2/images/{id}"), "reader", None).await.json();
        assert_eq!((active["status"].as_str(), active["size"].as_i64()), (Some("active"), Some(5)));
        assert_eq!(active["os_hash_algo"], "sha512");
        assert_eq!(glance.download("reader", &id).await, (StatusCode::OK, b"bytes".to_vec()));
        assert_eq!(glance.upload("member", &id, b"again").await, StatusCode::CONFLICT);
        let gone = glance.call(Method::DELETE, &format!("/v2/images/{id}"), "member", None).await;
        assert_eq!(gone.status, StatusCode::NO_CONTENT);
        assert_eq!(glance.download("reader", &id).await.0, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn one_project_never_sees_anothers_image_until_it_is_shared() {
    for glance in Glance::all().await {
        let id = glance.make("member", json!({})).await;
        let path = format!("/v2/images/{id}");
        assert_eq!(glance.call(Method::GET, &path, "other", None).await.status, StatusCode::NOT_FOUND);
        assert_eq!(glance.call(Method::DELETE, &path, "other", None).await.status, StatusCode::NOT_FOUND);
        assert_eq!(glance.call(Method::DELETE, &path, "reader", None).await.status, StatusCode::FORBIDDEN);
        let add = glance.call(Method::POST, &format!("{path}/members"), "member", Some(json!({"member": "p2"}))).await;
        assert_eq!(add.status, StatusCode::OK);
        assert_eq!(glance.call(Method::GET, &path, "other", None).await.status, StatusCode::OK);
        assert!(glance.names("other", "").await.is_empty());
        let member = format!("{path}/members/p2");
        let accept = json!({"status": "accepted"});
        assert_eq!(
            glance.call(Method::PUT, &member, "member", Some(accept.clone())).await.status,
            StatusCode::FORBIDDEN
        );
        assert_eq!(glance.call(Method::PUT, &member, "other", Some(accept)).await.status, StatusCode::OK);
        assert_eq!(glance.names("other", "").await, ["cirros"]);
    }
}

#[tokio::test]
async fn what_glance_refuses_is_refused_and_changes_nothing() {
    for glance in Glance::all().await {
        for (body, status) in [
            (json!({"disk_format": "nonsense"}), StatusCode::BAD_REQUEST),
            (json!({"name": "x".repeat(256)}), StatusCode::BAD_REQUEST),
            (json!({"min_ram": -1}), StatusCode::BAD_REQUEST),
            (json!({"extra": 1}), StatusCode::BAD_REQUEST),
            (json!({"id": "no"}), StatusCode::BAD_REQUEST),
            (json!({"status": "active"}), StatusCode::FORBIDDEN),
            (json!({"visibility": "public"}), StatusCode::FORBIDDEN),
        ] {
            let answer = glance.call(Method::POST, "/v2/images", "member", Some(body.clone())).await;
            assert_eq!(answer.status, status, "{body}");
        }
        assert!(glance.names("admin", "?visibility=all").await.is_empty());
        let id = glance.make("member", json!({})).await;
        let op = |op: &str, path: &str, value: Value| json!([{"op": op, "path": path, "value": value}]);
        assert_eq!(glance.patch("member", &id, op("replace", "/checksum", json!("x"))).await, StatusCode::FORBIDDEN);
        assert_eq!(glance.patch("member", &id, op("replace", "/nothing", json!("x"))).await, StatusCode::CONFLICT);
        assert_eq!(glance.patch("member", &id, op("remove", "/name", json!(""))).await, StatusCode::FORBIDDEN);
        assert_eq!(glance.patch("member", &id, op("add", "/a/b", json!(""))).await, StatusCode::BAD_REQUEST);
        assert_eq!(glance.patch("member", &id, op("add", "/kernel_id", json!("k"))).await, StatusCode::OK);
        let path = format!("/v2/images/{id}");
        let wrong = glance.call(Method::PATCH, &path, "member", Some(json!([]))).await;
        assert_eq!(wrong.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
}

#[tokio::test]
async fn bytes_that_are_not_the_format_leave_the_image_queued() {
    for glance in Glance::all().await {
        let id = glance.make("member", json!({"disk_format": "qcow2"})).await;
        assert_eq!(glance.upload("member", &id, b"no qcow2").await, StatusCode::UNSUPPORTED_MEDIA_TYPE);
        assert_eq!(glance.upload("member", &id, &vec![0; (1 << 20) + 1]).await, StatusCode::PAYLOAD_TOO_LARGE);
        let image = glance.call(Method::GET, &format!("/v2/images/{id}"), "member", None).await.json();
        assert_eq!((image["status"].as_str(), image["checksum"].is_null()), (Some("queued"), true));
    }
}

#[tokio::test]
async fn a_long_list_comes_in_pages() {
    for glance in Glance::all().await {
        for name in ["a", "b", "c"] {
            glance.make("member", json!({"name": name})).await;
        }
        let first = glance.call(Method::GET, "/v2/images?limit=2&sort=name:asc", "member", None).await.json();
        let next = first["next"].as_str().unwrap().to_owned();
        let second = glance.call(Method::GET, &next, "member", None).await.json();
        assert_eq!(second["images"][0]["name"], "c");
        assert!(second.get("next").is_none());
        assert_eq!(glance.names("member", "?name=in:a,c&sort=name:desc").await, ["c", "a"]);
    }
}

#[tokio::test]
async fn every_route_has_a_rule() {
    for glance in Glance::all().await {
        assert!(glance.service.routes_without_rule(&glance.web.policy).is_empty());
    }
}
