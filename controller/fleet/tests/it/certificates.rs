//! Certificates that are renewed, old, stolen, copied or of somebody else.

use crate::world::{World, refused};
use controller_fleet::Authority;
use controller_ports::fleet::{Fleet as _, HostChange};
use rcgen::{CertificateParams, KeyPair};
use std::time::Duration;

const DAY: i64 = 86_400;

#[tokio::test(flavor = "multi_thread")]
async fn a_host_renews_its_certificate_and_the_old_one_is_worth_nothing_then() {
    let world = World::new(DAY).await;
    let old = world.machine("a").await;
    let stream = world.connect(&old).await.unwrap();
    let until = world.host(&old).await.membership.certificate_expires_at;
    tokio::time::sleep(Duration::from_millis(10)).await;
    let new = world.renew(&old).await.unwrap();
    assert!(world.host(&old).await.membership.certificate_expires_at > until);
    world.observer.heard.lock().unwrap().clear();
    drop(stream);
    let _again = world.connect(&old).await.expect("the answer may have been lost");
    let _stream = world.connect(&new).await.unwrap();
    assert!(refused(world.connect(&old).await).contains("was replaced by a newer one"));
    assert!(refused(world.renew(&old).await).contains("was replaced by a newer one"));
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(world.host(&new).await.state().word(), "connected");
    let heard = world.observer.heard.lock().unwrap().clone();
    assert!(heard.iter().all(|word| word != "a away"), "nobody hears of a host that comes right back: {heard:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_certificate_opens_nothing() {
    let world = World::new(1).await;
    let machine = world.machine("a").await;
    tokio::time::sleep(Duration::from_millis(2100)).await;
    world.connect(&machine).await.map(drop).expect_err("an expired certificate");
    assert_eq!(world.host(&machine).await.state().word(), "away");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_another_authority_or_without_one_opens_nothing() {
    let world = World::new(DAY).await;
    let mut machine = world.machine("a").await;
    let directory = tempfile::tempdir().unwrap();
    let other = Authority::open(directory.path(), world.clock.now()).unwrap();
    let key = KeyPair::generate().unwrap();
    let csr = CertificateParams::new(Vec::new()).unwrap().serialize_request(&key).unwrap();
    machine.certificate = other.sign_host(csr.der(), machine.id, DAY, world.clock.now()).unwrap().pem;
    machine.key = key.serialize_pem();
    world.connect(&machine).await.map(drop).expect_err("a stranger's certificate");
    assert_eq!(world.host(&machine).await.state().word(), "away");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_presents_anothers_certificate_is_refused() {
    let world = World::new(DAY).await;
    let (a, b) = (world.machine("a").await, world.machine("b").await);
    let mut thief = b.clone();
    (thief.certificate, thief.key) = (a.certificate.clone(), a.key.clone());
    let told = refused(world.connect(&thief).await);
    assert!(told.contains("the certificate is host a's, but this machine calls itself \"b\""), "{told}");
    assert_eq!(world.host(&a).await.state().word(), "away");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_machine_with_the_same_identity_is_refused_while_the_first_is_there() {
    let world = World::new(DAY).await;
    let first = world.machine("a").await;
    let mut stream = world.connect(&first).await.unwrap();
    let mut twin = first.clone();
    twin.instance = "a-2".to_owned();
    let told = refused(world.connect(&twin).await);
    assert!(told.contains("a second machine with the same identity") && told.contains("127.0.0.1"), "{told}");
    world.hub.change_host(first.id, HostChange::Fence(String::new())).await.unwrap();
    assert!(stream.end().await.message().contains("fenced"), "the first kept its stream until now");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_comes_back_takes_the_place_of_its_own_silent_stream() {
    let world = World::new(DAY).await;
    let machine = world.machine("a").await;
    let mut mute = world.connect_mute(&machine).await;
    let mut reconnected = world.connect(&machine).await.expect("the same process need not prove anything");
    mute.end().await;
    drop(reconnected);
    world.becomes(&machine, "away").await;
    let mut mute = world.connect_mute(&machine).await;
    let mut rebooted = machine.clone();
    rebooted.instance = "a-2".to_owned();
    reconnected = world.connect(&rebooted).await.expect("its predecessor says nothing");
    mute.end().await;
    drop(reconnected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cloned_or_moved_disk_is_refused_until_an_operator_approves() {
    let world = World::new(DAY).await;
    let mut machine = world.machine("a").await;
    machine.machine = "one".to_owned();
    drop(world.connect(&machine).await.unwrap());
    world.becomes(&machine, "away").await;
    machine.machine = "two".to_owned();
    assert!(refused(world.connect(&machine).await).contains("host a was another machine so far"));
    world.hub.change_host(machine.id, HostChange::Approve).await.unwrap();
    drop(world.connect(&machine).await.unwrap());
    machine.machine = "one".to_owned();
    world.becomes(&machine, "away").await;
    assert!(refused(world.connect(&machine).await).contains("another machine"));
}
