//! Who joins, and what operators do about it.

use crate::world::{World, refused};
use controller_fleet::join::Wanted;
use controller_ports::fleet::{Fleet as _, HostChange, HostChangeError, NumaNode};

const DAY: i64 = 86_400;

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_wrong_used_up_expired_or_revoked_lets_nobody_in() {
    let world = World::new(DAY).await;
    assert!(refused(world.join("nonsense", "a").await).contains("the join token is unknown"));
    let twice = world.token(Wanted { most_uses: 2, ..Wanted::default() }).await;
    world.join(&twice, "a").await.unwrap();
    assert!(refused(world.join(&twice, "not a name").await).contains("is not a host name"), "this uses nothing");
    world.join(&twice, "b").await.unwrap();
    assert_eq!(refused(world.join(&twice, "c").await), "Unauthenticated: the join token has been used up");
    let late = world.token(Wanted { seconds: 0, ..Wanted::default() }).await;
    assert!(refused(world.join(&late, "c").await).contains("the join token has expired"));
    let revoked = world.token(Wanted::default()).await;
    world.revoke(&revoked).await;
    assert!(refused(world.join(&revoked, "c").await).contains("the join token has been revoked"));
    let names: Vec<_> = world.hub.hosts().await.unwrap().into_iter().map(|host| host.hostname).collect();
    assert_eq!(names, ["a", "b"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connected_hosts_name_is_taken_and_a_host_that_is_away_can_be_installed_anew() {
    let world = World::new(DAY).await;
    let first = world.machine("a").await;
    let stream = world.connect(&first).await.unwrap();
    world.becomes(&first, "connected").await;
    let token = world.token(Wanted::default()).await;
    assert!(refused(world.join(&token, "a").await).starts_with("AlreadyExists: a host \"a\" is connected already"));
    drop(stream);
    world.becomes(&first, "away").await;
    let anew = world.join(&token, "a").await.unwrap();
    assert_eq!(anew.id, first.id);
    world.connect(&anew).await.unwrap();
    assert!(refused(world.connect(&first).await).contains("replaced by a newer one"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_needs_approval_waits_for_it() {
    for world in World::all(DAY).await {
        let token = world.token(Wanted { approve: true, ..Wanted::default() }).await;
        let machine = world.join(&token, "a").await.unwrap();
        assert!(machine.pending);
        let told = refused(world.connect(&machine).await);
        let fingerprint = world.host(&machine).await.membership.certificate;
        assert!(told.contains("`controller host approve a`") && told.contains(&fingerprint), "{told}");
        assert_eq!(world.host(&machine).await.state().word(), "pending");
        assert!(world.fetch(&machine).await.is_err() && world.renew(&machine).await.is_err());
        let drained = world.hub.change_host(machine.id, HostChange::Drain(String::new())).await;
        assert!(matches!(drained, Err(HostChangeError::Pending(_))));
        world.hub.change_host(machine.id, HostChange::Approve).await.unwrap();
        world.connect(&machine).await.unwrap();
        world.becomes(&machine, "connected").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn draining_is_told_and_outlives_the_stream() {
    for world in World::all(DAY).await {
        let machine = world.machine("a").await;
        let stream = world.connect(&machine).await.unwrap();
        world.hub.change_host(machine.id, HostChange::Drain("disk".to_owned())).await.unwrap();
        assert_eq!(*world.observer.heard.lock().unwrap(), ["a connected", "a drained"]);
        drop(stream);
        world.becomes(&machine, "away").await;
        let _stream = world.connect(&machine).await.unwrap();
        world.becomes(&machine, "drained").await;
        assert_eq!(world.host(&machine).await.membership.reason, "disk");
        assert_eq!(world.host(&machine).await.membership.address, "127.0.0.1");
        world.hub.change_host(machine.id, HostChange::Undrain).await.unwrap();
        let host = world.host(&machine).await;
        assert_eq!((host.state().word(), host.membership.reason.as_str()), ("connected", ""));
        assert_eq!(
            *world.observer.heard.lock().unwrap(),
            ["a connected", "a drained", "a away", "a drained", "a connected"]
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fenced_host_loses_its_stream_at_once_and_comes_back_when_it_may() {
    let world = World::new(DAY).await;
    let machine = world.machine("a").await;
    let mut stream = world.connect(&machine).await.unwrap();
    world.hub.change_host(machine.id, HostChange::Fence("dead".to_owned())).await.unwrap();
    assert!(stream.end().await.message().contains("controller host unfence a"));
    assert_eq!(world.host(&machine).await.state().word(), "fenced");
    assert!(refused(world.connect(&machine).await).contains("fenced"));
    assert!(refused(world.renew(&machine).await).contains("fenced"));
    let token = world.token(Wanted::default()).await;
    assert!(refused(world.join(&token, "a").await).contains("fenced"), "a token is no way around it");
    world.hub.change_host(machine.id, HostChange::Unfence).await.unwrap();
    world.connect(&machine).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_host_loses_its_stream_and_downloads_at_once_and_its_certificate_opens_nothing() {
    for world in World::all(DAY).await {
        let machine = world.machine("a").await;
        let mut stream = world.connect(&machine).await.unwrap();
        let mut download = world.fetch(&machine).await.unwrap();
        download.message().await.unwrap().unwrap();
        *world.observer.needs.lock().unwrap() = Some("2 servers are placed there".to_owned());
        let error = world.hub.change_host(machine.id, HostChange::Remove).await.unwrap_err();
        assert_eq!(error.to_string(), "host a cannot be removed: 2 servers are placed there; it is drained now");
        assert_eq!(world.host(&machine).await.state().word(), "drained");
        *world.observer.needs.lock().unwrap() = None;
        world.hub.change_host(machine.id, HostChange::Remove).await.unwrap();
        assert!(stream.end().await.message().contains("removed"));
        while let Ok(Some(_)) = download.message().await {}
        assert!(world.hub.hosts().await.unwrap().is_empty());
        assert!(refused(world.connect(&machine).await).starts_with("PermissionDenied: this host is no member"));
        assert!(refused(world.renew(&machine).await).contains("removed"));
        assert!(refused(world.fetch(&machine).await).contains("removed"));
        let again = world.machine("a").await;
        assert_ne!(again.id, machine.id, "a removed host that joins anew is another one");
    }
}

#[tokio::test]
async fn what_a_host_says_of_its_nodes_is_kept() {
    for world in World::all(3600).await {
        let machine = world.machine("a").await;
        let _stream = world.connect(&machine).await.unwrap();
        let node = |number, cpus: &str| NumaNode { number, cpus: cpus.to_owned(), memory_mib: 5 };
        assert_eq!(
            world.host(&machine).await.membership.numa,
            [node(1, "0-3,8"), node(2, "")],
            "by number, each once; what is no list is left out"
        );
    }
}
