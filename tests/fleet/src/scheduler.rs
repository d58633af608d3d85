//! The scheduler alone: claims of room on very many hosts, each in a transaction of its own, over SQLite.

use crate::figure::Figure;
use anyhow::Result;
use controller_base::{
    Clock, Timestamp,
    id::{HostId, ProjectId, ServerId, UserId},
};
use controller_db::testing;
use controller_placement::{PlacementService, Ratios};
use controller_ports::{
    fleet::{Host, HostObserver as _, HostResources, Membership},
    placement::{Constraints, Consumer, Placement as _, Resources},
};
use std::time::{Duration, Instant};

/// How long it is measured.
const TIME: Duration = Duration::from_secs(10);

/// Placements a second.
pub async fn measure(hosts: usize) -> Result<Vec<Figure>> {
    let db = testing::sqlite().await;
    let placement = PlacementService::open((*db).clone(), Clock::system(), Ratios::default()).await?;
    for number in 0..hosts {
        placement.host_changed(&host(number)).await?;
    }
    let wanted = Resources { vcpus: 1, memory_mib: 512, disk_gib: 1 };
    let (project, user): (ProjectId, UserId) = ("sim".parse()?, "sim".parse()?);
    let (began, mut count) = (Instant::now(), 0_u32);
    while began.elapsed() < TIME {
        let mut tx = db.begin().await?;
        let consumer = Consumer { server: ServerId::random(), project: project.clone(), user: user.clone() };
        placement.claim(&mut tx, &consumer, wanted, &Constraints::default()).await?;
        tx.commit().await?;
        count += 1;
    }
    let rate = f64::from(count) / began.elapsed().as_secs_f64();
    Ok(vec![Figure::at_least(format!("scheduler, {hosts} hosts: placements"), rate, "1/s", 5000.0)])
}

fn host(number: usize) -> Host {
    Host {
        id: HostId::random(),
        hostname: format!("host-{number:05}"),
        up: true,
        last_seen: Timestamp(0),
        resources: HostResources { vcpus: 64, memory_mib: 256 << 10, disk_gib: 4096 },
        underlay_address: String::new(),
        physical_networks: Vec::new(),
        version: String::new(),
        membership: Membership::default(),
    }
}
