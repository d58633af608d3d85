//! `cargo xtask bench footprint`: memory of the programs, as proportional set sizes.

use super::{
    Better, Figure,
    cloud::{Bench, prepare},
};
use crate::demo;
use anyhow::{Context as _, Result};
use humilis_harness::cloud::{Daemon, guests};
use std::time::Duration;

const GUEST_PEERS: &[(&str, f64)] = &[("Firecracker 1.16", 4.0), ("Cloud Hypervisor 53", 6.4), ("QEMU microvm", 81.0)];
const CONTROLLER_PEERS: &[(&str, f64)] = &[("OpenStack's control plane", 2670.0)];
/// How many guests run while it is measured.
const GUESTS: usize = 5;

pub fn run() -> Result<Vec<Figure>> {
    let programs = prepare()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(measure(programs))
}

async fn measure(programs: humilis_harness::build::Programs) -> Result<Vec<Figure>> {
    let bench = Bench::start(programs).await?;
    for number in 0..GUESTS {
        let id = bench.post(&format!("guest-{number}")).await?;
        demo::active(&bench.client, &id, Duration::from_secs(60)).await?;
    }
    // Idle: what was needed for the start is given back.
    tokio::time::sleep(Duration::from_secs(10)).await;
    let daemon = |daemon| bench.cloud.pid(daemon).context("a daemon is gone").and_then(|pid| Ok(memory(pid)?.0));
    let (controller, hostd) = (daemon(Daemon::Controller)?, daemon(Daemon::Hostd)?);
    let pids = guests(&bench.cloud.plan.folder);
    anyhow::ensure!(pids.len() == GUESTS, "{} of {GUESTS} guests have processes", pids.len());
    let own = pids.iter().map(|pid| memory(*pid).map(|(all, guest)| all - guest)).sum::<Result<f64>>()?;
    let figure =
        |name, value, goal, peers| Figure { name, value, unit: "MiB", goal: Some(goal), better: Better::Lower, peers };
    Ok(vec![
        figure("controller, idle", controller, 64.0, CONTROLLER_PEERS),
        figure("hostd, idle", hostd, 24.0, &[]),
        figure("a guest's process beyond guest memory", own / GUESTS as f64, 4.0, GUEST_PEERS),
    ])
}

/// A process's proportional set size in MiB, and how much of it is guest memory.
pub fn memory(pid: i32) -> Result<(f64, f64)> {
    let maps =
        std::fs::read_to_string(format!("/proc/{pid}/smaps")).with_context(|| format!("cannot read process {pid}"))?;
    let (mut all, mut guest, mut size) = (0.0, 0.0, 0.0);
    for line in maps.lines() {
        let mut words = line.split_whitespace();
        let number = |words: &mut std::str::SplitWhitespace<'_>| {
            words.next().and_then(|w| w.parse::<f64>().ok()).unwrap_or_default() / 1024.0
        };
        match words.next() {
            Some("Size:") => size = number(&mut words),
            Some("Pss:") => {
                let pss = number(&mut words);
                all += pss;
                if is_guest_memory(size) {
                    guest += pss;
                }
            }
            _ => {}
        }
    }
    Ok((all, guest))
}

/// The bench's guests have 32 MiB; no other mapping that is touched is that large.
fn is_guest_memory(size: f64) -> bool {
    (28.0..=34.0).contains(&size)
}
