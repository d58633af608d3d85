//! The scheduler alone: choices among very many hosts, and claims of room, each in a transaction of its own, over SQLite.

use crate::figure::Figure;
use anyhow::{Context as _, Result};
use controller_base::{
    Clock, Timestamp,
    id::{HostId, ProjectId, ServerId, UserId},
};
use controller_db::{Db, testing};
use controller_placement::{Config, PlacementService};
use controller_ports::{
    fleet::{Host, HostObserver as _, HostResources, Membership},
    placement::{Constraints, Consumer, Placement as _, Resources},
};
use futures::future::try_join_all;
use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// How long it is measured.
const TIME: Duration = Duration::from_secs(5);
/// Who claims at a time, as requests do: their commits share syncs.
const CLAIMERS: usize = 16;
/// So much room stays taken while choices are measured.
const TAKEN: usize = 1000;
const WANTED: Resources = Resources { vcpus: 1, memory_mib: 512, disk_gib: 1 };

/// Placements a second.
pub async fn measure(hosts: usize) -> Result<Vec<Figure>> {
    let db = testing::sqlite().await;
    let placement = PlacementService::open((*db).clone(), Clock::system(), Config::default()).await?;
    for number in 0..hosts {
        placement.host_changed(&host(number)).await?;
    }
    // The first claim reads the hosts.
    let claimed = claims(&db, &placement).await?;
    let chosen = choices(&placement)?;
    Ok(vec![
        Figure::at_least(format!("scheduler, {hosts} hosts: choices"), chosen, "1/s", 5000.0),
        Figure::at_least(format!("scheduler, {hosts} hosts: claims with their commits"), claimed, "1/s", 5000.0),
    ])
}

/// Hosts chosen and room taken in memory, a second; the newest few stay taken, so that not always the same host is the best.
fn choices(placement: &PlacementService) -> Result<f64> {
    let (began, mut count, mut taken) = (Instant::now(), 0_u32, VecDeque::with_capacity(TAKEN + 1));
    while began.elapsed() < TIME {
        taken.push_back(placement.reserve(WANTED, &Constraints::default()).context("no host has room")?);
        if taken.len() > TAKEN {
            taken.pop_front();
        }
        count += 1;
    }
    Ok(f64::from(count) / began.elapsed().as_secs_f64())
}

/// Claims a second.
async fn claims(db: &Db, placement: &PlacementService) -> Result<f64> {
    let began = Instant::now();
    let claimed = try_join_all((0..CLAIMERS).map(|_| claimer(db, placement, began))).await?;
    Ok(f64::from(claimed.iter().sum::<u32>()) / began.elapsed().as_secs_f64())
}

async fn claimer(db: &Db, placement: &PlacementService, began: Instant) -> Result<u32> {
    let (project, user): (ProjectId, UserId) = ("sim".parse()?, "sim".parse()?);
    let mut count = 0;
    while began.elapsed() < TIME {
        let mut tx = db.begin().await?;
        let consumer = Consumer { server: ServerId::random(), project: project.clone(), user: user.clone() };
        placement.claim(&mut tx, &consumer, WANTED, &Constraints::default()).await?;
        tx.commit().await?;
        count += 1;
    }
    Ok(count)
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
