//! The log of events.

use super::{by_password, on_project, second_world, worlds};
use crate::{Cursor, EventQuery, FollowError};
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

/// When the test's clock stands.
const NOW: Timestamp = Timestamp(1_790_000_000_500_000);

/// A login on a moment of its own.
fn login(number: i64) -> controller_web::audit::Act {
    controller_web::audit::Act {
        moment: NOW.plus_seconds(number * 10),
        request_id: "req-1".parse().unwrap(),
        method: Method::POST,
        route: "/v3/auth/tokens".to_owned(),
        path: "/v3/auth/tokens".to_owned(),
        status: http::StatusCode::CREATED,
        caller: None,
        request: None,
        answer: Some(json!({"token": {"user": {"id": number.to_string()}}})),
    }
}

async fn users(follower: &mut crate::Follower, count: usize) -> Vec<String> {
    let mut users = Vec::new();
    while users.len() < count {
        let more = tokio::time::timeout(std::time::Duration::from_secs(10), follower.next()).await;
        users.extend(more.expect("events in time").unwrap().into_iter().map(|event| event.initiator_id));
    }
    users
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_hears_of_both_controllers_at_once_and_goes_on_where_it_was() {
    for world in worlds().await {
        let other = second_world(&world).await;
        let mut follower = world.identity.follow_events(all(), None).await.unwrap();
        let began = std::time::Instant::now();
        controller_web::audit::Auditor::acted(&world.identity.events, login(1)).await;
        assert_eq!(users(&mut follower, 1).await, ["1"]);
        // Its batch waits a quarter of a second; a poll alone would take longer than this now and then.
        assert!(began.elapsed() < std::time::Duration::from_secs(2), "{:?}", began.elapsed());
        controller_web::audit::Auditor::acted(&other.identity.events, login(2)).await;
        assert_eq!(users(&mut follower, 1).await, ["2"]);
        let only = EventQuery { initiator_id: Some("4".to_owned()), ..all() };
        let mut filtered = world.identity.follow_events(only, None).await.unwrap();
        for number in 3..6 {
            controller_web::audit::Auditor::acted(&world.identity.events, login(number)).await;
        }
        assert_eq!(users(&mut follower, 3).await, ["3", "4", "5"]);
        assert_eq!(users(&mut filtered, 1).await, ["4"]);
        let events = world.identity.list_events(&all()).await.unwrap();
        let place = events.iter().find(|event| event.initiator_id == "3").unwrap();
        let mut resumed = world.identity.follow_events(all(), Some(&place.id)).await.unwrap();
        assert_eq!(users(&mut resumed, 2).await, ["4", "5"]);
        let unknown = world.identity.follow_events(all(), Some("nothing")).await;
        assert!(matches!(unknown, Err(FollowError::Unknown(_))));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_event_is_followed_once_and_a_slow_follower_is_told_what_it_lost() {
    for world in worlds().await {
        let log = crate::EventLog::open(world.identity.db.clone(), 10);
        let identity = crate::Identity { events: log.clone(), ..world.identity.clone() };
        let mut follower = identity.follow_events(all(), None).await.unwrap();
        controller_web::audit::Auditor::acted(&log, login(2)).await;
        assert_eq!(users(&mut follower, 1).await, ["2"]);
        let late = controller_web::audit::Act { moment: NOW.plus_seconds(19), ..login(1) };
        controller_web::audit::Auditor::acted(&log, late).await;
        assert_eq!(users(&mut follower, 1).await, ["1"], "it was stored after a later one");
        for number in 3..600 {
            controller_web::audit::Auditor::acted(&log, login(number)).await;
        }
        log.flush().await;
        assert!(matches!(follower.next().await, Err(FollowError::FellBehind)));
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
