//! The certificate authority is replaced under hosts that are connected.

use crate::world::World;
use humilis_proto::federation::controller_message::Message as Down;
use std::time::Duration;

const DAY: i64 = 86_400;

#[tokio::test(flavor = "multi_thread")]
async fn hosts_move_to_the_next_authority_and_those_that_do_not_are_left_behind() {
    let world = World::new(DAY).await;
    let (follower, sleeper) = (world.machine("a").await, world.machine("b").await);
    let mut stream = world.connect(&follower).await.unwrap();
    let old = world.authority.fingerprint();
    world.authority.begin_rotation(world.clock.now()).unwrap();
    assert!(matches!(stream.next().await.unwrap(), Down::Renew(_)), "a connected host is told at once");
    let renewed = world.renew(&follower).await.unwrap();
    assert_eq!(renewed.ca.matches("BEGIN CERTIFICATE").count(), 2);
    let mut stream = world.connect(&renewed).await.unwrap();
    let mut late = world.connect(&sleeper).await.expect("both are trusted for now");
    assert!(matches!(late.next().await.unwrap(), Down::Renew(_)), "one that was away is told when it comes");
    assert_eq!(world.hub.behind(&world.authority).await.unwrap(), ["b"]);
    let newcomer = world.machine("c").await;
    world.authority.finish_rotation().unwrap();
    assert_ne!(world.authority.fingerprint(), old);
    assert!(matches!(stream.next().await.unwrap(), Down::Renew(_)), "hosts shall forget the old one");
    // The port takes the new certificate in a moment.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let last = world.renew(&renewed).await.unwrap();
    assert_eq!(last.ca.matches("BEGIN CERTIFICATE").count(), 1);
    let _stream = world.connect(&last).await.unwrap();
    let _other = world.connect(&newcomer).await.unwrap();
    world.connect(&sleeper).await.map(drop).expect_err("a certificate of the old authority");
    world.becomes(&last, "connected").await;
}
