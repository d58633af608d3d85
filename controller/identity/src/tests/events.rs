//! The log of events.

use super::{by_password, on_project, worlds};
use crate::{Cursor, EventQuery};
use controller_base::Timestamp;
use http::Method;
use serde_json::{Value, json};

fn all() -> EventQuery {
    EventQuery { limit: 1000, ..EventQuery::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_and_a_refused_change_are_told_with_who_and_what() {
    for world in worlds().await {
        let admin = world.admin().await;
        let (alice, _, _) = world.member(&admin, "alice", "member").await;
        let token = world.token("alice", "secret", on_project("alice")).await;
        let path = format!("/v3/users/{alice}");
        assert_eq!(world.call(Method::DELETE, &path, &token, None).await.status, 403);
        let list = async |query: EventQuery| world.identity.list_events(&query).await.unwrap();
        let made =
            list(EventQuery { event_type: Some("identity.user".into()), target_id: Some(alice.clone()), ..all() })
                .await;
        let one = |wanted: &str| made.iter().find(|event| event.event_type == wanted).unwrap();
        assert_eq!(made.len(), 2);
        let (created, deleted) = (one("identity.user.created"), one("identity.user.deleted"));
        assert!(created.success && !deleted.success);
        assert_eq!(deleted.body["initiator"]["name"], "alice");
        assert_eq!(deleted.body["reason"]["reasonCode"], "403");
        assert_eq!(created.body["typeURI"], "http://schemas.dmtf.org/cloud/audit/1.0/event");
        let grants = list(EventQuery { event_type: Some("identity.role_assignment.created".into()), ..all() }).await;
        assert_eq!(grants[0].body["attachments"][0]["content"]["user_id"], alice.as_str());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn authentications_are_told_without_their_secrets() {
    for world in worlds().await {
        world.admin().await;
        let body = by_password("admin", "wrong-guess", Value::Null);
        assert_eq!(world.call(Method::POST, "/v3/auth/tokens", "", Some(body)).await.status, 401);
        let query = EventQuery { event_type: Some("identity.authenticate".into()), ..all() };
        let events = world.identity.list_events(&query).await.unwrap();
        // Both are of the same moment: the test's clock stands still.
        let mut outcomes: Vec<_> = events.iter().map(|event| event.success).collect();
        outcomes.sort_unstable();
        assert_eq!(outcomes, [false, true]);
        for event in &events {
            assert_eq!(event.body["initiator"]["name"], "admin");
            let text = event.body.to_string();
            assert!(!text.contains("wrong-guess") && !text.contains("secret") && !text.contains("gAAAA"), "{text}");
        }
        assert_eq!(world.identity.list_events(&EventQuery { success: Some(false), ..all() }).await.unwrap().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_bounded_and_can_be_followed() {
    for world in worlds().await {
        let db = world.identity.db.clone();
        let log = crate::EventLog::open(db.clone(), 10);
        let identity = crate::Identity { events: log.clone(), ..world.identity.clone() };
        let act = |number: i64| controller_web::audit::Act {
            moment: Timestamp(number),
            request_id: "req-1".parse().unwrap(),
            method: Method::POST,
            route: "/v3/auth/tokens".to_owned(),
            path: "/v3/auth/tokens".to_owned(),
            status: http::StatusCode::CREATED,
            caller: None,
            request: None,
            answer: Some(json!({"token": {"user": {"id": number.to_string()}}})),
        };
        for number in 0..600 {
            controller_web::audit::Auditor::acted(&log, act(number)).await;
        }
        let left = identity.list_events(&all()).await.unwrap();
        assert!((10..400).contains(&left.len()), "{}", left.len());
        assert_eq!(left.last().unwrap().initiator_id, "599");
        let place = Cursor::from(&left[left.len() - 3]);
        let further = identity.list_events(&EventQuery { after: Some(place), limit: 1, ..all() }).await.unwrap();
        assert_eq!(further[0].initiator_id, "598");
    }
}

/// Every route that changes something says what, and says it in the log.
#[tokio::test(flavor = "multi_thread")]
async fn every_write_has_its_event() {
    let world = worlds().await.remove(0);
    let admin = world.admin().await;
    for route in crate::routes().table().iter().filter(|route| !route.method.is_safe()) {
        let path = route.path.replace(['{', '}'], "").replace('*', "");
        let body = (route.method != Method::DELETE).then(|| json!({}));
        let answer = world.call(route.method.clone(), &path, &admin, body).await;
        let request = answer.header("x-openstack-request-id").unwrap().to_owned();
        let events = world.identity.list_events(&all()).await.unwrap();
        let own: Vec<_> = events.iter().filter(|event| event.body["request_id"] == request.as_str()).collect();
        assert_eq!(own.len(), 1, "{} {}", route.method, route.path);
        let words: Vec<_> = own[0].event_type.split('.').collect();
        assert!(words.len() >= 2 && words.iter().all(|word| !word.is_empty()), "{} {}", route.path, own[0].event_type);
        assert_eq!(own[0].success, answer.status.is_success());
    }
}
