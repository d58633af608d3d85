//! `cargo xtask bench api`: how long requests take, and what a server costs.

use super::{
    Better, Figure,
    cloud::{Bench, prepare},
};
use crate::demo;
use anyhow::{Context as _, Result};
use humilis_harness::cloud::Daemon;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// Servers made one after another.
const SERIAL: usize = 30;
/// Servers made at once, and how many at a time.
const PARALLEL: usize = 60;
const CONCURRENCY: usize = 10;
/// Servers in the long list.
const LONG: usize = 1000;
const OPENSTACK: &str = "OpenStack";

pub fn run() -> Result<Vec<Figure>> {
    let programs = prepare()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(measure(programs))
}

async fn measure(programs: humilis_harness::build::Programs) -> Result<Vec<Figure>> {
    let bench = Arc::new(Bench::start(programs).await?);
    let warm = bench.post("warm").await?;
    demo::active(&bench.client, &warm, Duration::from_secs(60)).await?;
    let (posts, actives, last) = serial(&bench).await?;
    let per_server = metered(&bench).await?;
    let rate = parallel(&bench).await?;
    let gets = requests(&bench, &format!("/servers/{last}"), 200).await?;
    fill(&bench, LONG - 2 * SERIAL - PARALLEL - 1).await?;
    let lists = requests(&bench, "/servers/detail?limit=1000", 10).await?;
    let lower = |name, value, unit, goal, peers| Figure { name, value, unit, goal, better: Better::Lower, peers };
    Ok(vec![
        lower("POST /servers, p50", median(posts), "ms", Some(10.0), &[(OPENSTACK, 290.0)]),
        lower("POST /servers until ACTIVE, p50", median(actives), "ms", Some(100.0), &[(OPENSTACK, 2560.0)]),
        lower("controller's and hostd's CPU per server", per_server, "CPU-ms", Some(15.0), &[(OPENSTACK, 3000.0)]),
        Figure {
            name: "servers until ACTIVE at concurrency 10",
            value: rate,
            unit: "1/s",
            goal: None,
            better: Better::Higher,
            peers: &[(OPENSTACK, 0.6)],
        },
        lower("GET /servers/ID, p50", median(gets), "ms", Some(1.0), &[(OPENSTACK, 107.0)]),
        lower("list of 1,000 servers with details, p50", median(lists), "ms", None, &[]),
    ])
}

/// Milliseconds of POST and until ACTIVE, and the last server.
async fn serial(bench: &Bench) -> Result<(Vec<f64>, Vec<f64>, String)> {
    let (mut posts, mut actives, mut last) = (Vec::new(), Vec::new(), String::new());
    for number in 0..SERIAL {
        let started = Instant::now();
        last = bench.post(&format!("serial-{number}")).await?;
        posts.push(milliseconds(started));
        demo::active(&bench.client, &last, Duration::from_secs(60)).await?;
        actives.push(milliseconds(started));
    }
    Ok((posts, actives, last))
}

/// CPU milliseconds per server, while a client looks as often as a busy one would: asking is not what is measured.
async fn metered(bench: &Bench) -> Result<f64> {
    let before = cpu(bench)?;
    for number in 0..SERIAL {
        let id = bench.post(&format!("metered-{number}")).await?;
        tokio::time::sleep(Duration::from_millis(200)).await;
        demo::active(&bench.client, &id, Duration::from_secs(60)).await?;
    }
    Ok((cpu(bench)? - before) / SERIAL as f64)
}

/// Servers per second until ACTIVE.
async fn parallel(bench: &Arc<Bench>) -> Result<f64> {
    let started = Instant::now();
    let mut workers = tokio::task::JoinSet::new();
    for worker in 0..CONCURRENCY {
        let bench = Arc::clone(bench);
        workers.spawn(async move {
            for number in 0..PARALLEL / CONCURRENCY {
                let id = bench.post(&format!("parallel-{worker}-{number}")).await?;
                demo::active(&bench.client, &id, Duration::from_secs(120)).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = workers.join_next().await {
        done??;
    }
    Ok(PARALLEL as f64 / started.elapsed().as_secs_f64())
}

/// Fills the list with servers that no host has room for: they take part in it like any other and cost no guest.
async fn fill(bench: &Bench, count: usize) -> Result<()> {
    let flavor = serde_json::json!({"flavor": {"name": "huge", "ram": 1 << 24, "vcpus": 1, "disk": 0}});
    let flavor = bench.client.call("POST", "compute", "/flavors", Some(flavor)).await?["flavor"]["id"].clone();
    let mut left = count;
    while left > 0 {
        let some = left.min(50);
        let mut body = bench.server("many");
        body["server"]["min_count"] = some.into();
        body["server"]["max_count"] = some.into();
        body["server"]["flavorRef"] = flavor.clone();
        let made = bench.client.call("POST", "compute", "/servers", Some(body)).await?;
        made["server"]["id"].as_str().context("no id")?;
        left -= some;
    }
    let end = Instant::now() + Duration::from_secs(600);
    while Instant::now() < end {
        let building = bench.client.call("GET", "compute", "/servers?status=BUILD&limit=1", None).await?;
        if building["servers"].as_array().is_some_and(Vec::is_empty) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    anyhow::bail!("the long list's servers are still being built after ten minutes")
}

async fn requests(bench: &Bench, path: &str, count: usize) -> Result<Vec<f64>> {
    let mut times = Vec::new();
    for _ in 0..count {
        let started = Instant::now();
        bench.client.call("GET", "compute", path, None).await?;
        times.push(milliseconds(started));
    }
    Ok(times)
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// CPU milliseconds of controller and hostd so far, their children that ended included.
fn cpu(bench: &Bench) -> Result<f64> {
    let mut ticks = 0.0;
    for daemon in [Daemon::Controller, Daemon::Hostd] {
        let pid = bench.cloud.pid(daemon).context("a daemon is gone")?;
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        ticks += fields.skip(11).take(4).filter_map(|f| f.parse::<f64>().ok()).sum::<f64>();
    }
    // Ticks are hundredths of a second on every Linux.
    Ok(ticks * 10.0)
}
