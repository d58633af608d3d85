//! Hosts' clocks.

use crate::world::World;
use std::time::Duration;

#[tokio::test]
async fn a_hosts_clock_is_measured_while_it_is_connected() {
    for world in World::all(3600).await {
        let mut ahead = world.machine("ahead").await;
        ahead.clock = Some(90_000_000);
        let mut older = world.machine("older").await;
        older.clock = None;
        let _older = world.connect(&older).await.unwrap();
        let stream = world.connect(&ahead).await.unwrap();
        let measured = async {
            loop {
                if let Some(clock) = world.host(&ahead).await.membership.clock {
                    return clock;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let clock = tokio::time::timeout(Duration::from_secs(20), measured).await.expect("in time");
        assert!((clock.micros - 90_000_000).abs() <= clock.error, "{clock:?}");
        assert!(clock.error < 3_000_000, "{clock:?}");
        assert_eq!(world.host(&older).await.membership.clock, None);
        drop(stream);
        world.becomes(&ahead, "away").await;
        assert_eq!(world.host(&ahead).await.membership.clock, None, "nobody knows");
    }
}
