//! Hosts of the protocol's revision before the present one.

use crate::world::{DIGEST, Machine, World, refused};
use controller_ports::fleet::{Fleet as _, HostChange};
use std::time::Duration;

#[tokio::test]
async fn an_older_host_is_a_member_and_is_asked_only_what_it_knows() {
    for world in World::all(3600).await {
        let older = Machine { older: true, clock: None, ..world.machine("older").await };
        let other = world.machine("other").await;
        let stream = world.connect(&older).await.unwrap();
        let _other = world.connect(&other).await.unwrap();
        world.becomes(&older, "connected").await;
        // What it does not know of itself, nobody knows.
        stream.holds("192.0.2.11:8448", &[DIGEST]).await;
        assert_eq!(world.find_image(&other, DIGEST).await.unwrap(), []);
        assert!(world.hub.uptime(older.id).await.is_err());
        tokio::time::sleep(Duration::from_secs(2)).await;
        let host = world.host(&older).await;
        assert_eq!((host.membership.clock, host.membership.numa), (None, Vec::new()));
        world.fetch(&older).await.unwrap().message().await.unwrap().expect("an image's bytes");

        let renewed = world.renew(&older).await.unwrap();
        drop(stream);
        let mut stream = world.connect(&renewed).await.unwrap();
        world.hub.change_host(older.id, HostChange::Fence(String::new())).await.unwrap();
        assert!(refused::<()>(Err(stream.end().await)).starts_with("PermissionDenied"));
    }
}
