//! `cargo xtask lab faults`: controller, hostd and guests' processes are killed at named steps and at any moment, while tenants
//! make, stop, start and delete servers. Afterwards every server is at rest, nobody else noticed anything, and when all servers
//! are deleted nothing is left.
//!
//! ```text
//! plan (seed) -> strike loop (kills, restarts) || stream of tenants -> settle -> still guests -> delete -> audit, leftovers
//! ```

mod aftermath;
mod leftovers;
mod plan;
mod still;
mod stream;
mod strike;

use crate::demo::{self, DemoImage};
use anyhow::{Context as _, Result, bail, ensure};
use humilis_harness::{
    build::{self, Profile, Programs},
    cloud::{self, Cloud, Daemon},
    exec, isolate,
    rest::Client,
};
use plan::{Plan, Random};
use serde_json::{Value, json};
use std::{
    collections::hash_map::RandomState,
    hash::BuildHasher as _,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};
use still::Still;
use stream::{Parts, Stream};
use strike::Striker;

/// Tenants at a time.
const TENANTS: usize = 4;

#[derive(clap::Args)]
pub struct Arguments {
    /// Names the run: the kills and their order follow from it; drawn and printed where it is not given
    #[arg(long)]
    seed: Option<u64>,
    /// How many kills; fewer than 54 do not reach every named step
    #[arg(long, default_value_t = 60)]
    kills: usize,
    /// Fewer guests that must not notice anything, fewer tenants
    #[arg(long)]
    quick: bool,
    /// A folder with built programs, `humilis-guest` among them; without it they are built
    #[arg(long)]
    programs: Option<PathBuf>,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let programs = match &arguments.programs {
        None => build::programs(Profile::Dev)?,
        Some(folder) => {
            let [controller, hostd, vmm, guest] =
                ["controller", "hostd", "vmm", "humilis-guest"].map(|name| folder.join(name));
            Programs { controller, hostd, vmm, guest }
        }
    };
    isolate::enter()?;
    let seed = arguments.seed.unwrap_or_else(|| RandomState::new().hash_one(std::process::id()) >> 32);
    println!("Seed {seed}, {} kills.", arguments.kills);
    let folder = tempfile::Builder::new().prefix("humilis-faults-").tempdir()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let result = runtime.block_on(story(arguments, programs, folder.path(), seed));
    if let Err(error) = result {
        println!("The cloud's files are kept in {}.", folder.keep().display());
        return Err(error.context(format!("`cargo xtask lab faults --seed {seed} --kills {}` fails", arguments.kills)));
    }
    Ok(())
}

async fn story(arguments: &Arguments, programs: Programs, folder: &Path, seed: u64) -> Result<()> {
    let started = Instant::now();
    let mut random = Random::new(seed);
    let points = exec::read(Command::new(&programs.hostd).arg("faults"))?;
    let plan = Plan::draw(arguments.kills, &points, &mut random);
    let mut cloud = start(programs, folder)?;
    let client = cloud.client().await?;
    let before = leftovers::list(&cloud)?;
    let (parts, public) = prepare(&cloud, &client).await?;
    let mut stills = Vec::new();
    for number in 0..if arguments.quick { 1 } else { 3 } {
        stills.push(Still::make(&client, folder, &parts, &public, number).await.context("a guest that waits")?);
    }
    let stream = Stream::new(client.clone(), parts);
    let tenants = if arguments.quick { 2 } else { TENANTS };
    let tenants: Vec<_> =
        (0..tenants).map(|number| tokio::spawn(stream.clone().tenant(number, Random::new(random.next())))).collect();
    let spared = stills.iter().map(|still| still.id.clone()).collect();
    let mut striker = Striker::new(&mut cloud, plan, spared);
    let struck = striker.run().await;
    stream.end();
    let table = striker.finish();
    for tenant in tenants {
        tenant.await?;
    }
    println!("{table}");
    println!("{:.1} s of kills.", started.elapsed().as_secs_f64());
    let mut problems: Vec<String> = struck.err().map(|error| format!("{error:#}")).into_iter().collect();
    cloud.await_controller()?;
    problems.extend(aftermath::judge(&cloud, &client, &stream, &stills, &before).await?);
    println!("{:.1} s in all.", started.elapsed().as_secs_f64());
    if problems.is_empty() {
        println!("No server is stuck, nothing is left, nobody else noticed anything.");
        return Ok(());
    }
    problems.iter().for_each(|problem| println!("  ! {problem}"));
    bail!("{} things are wrong", problems.len())
}

/// Starts the cloud; the host's enrolment is killed once.
fn start(programs: Programs, folder: &Path) -> Result<Cloud> {
    let plan = cloud::Plan {
        namespace: None,
        resources: (1024, 1 << 20, 1 << 16),
        ..cloud::Plan::private(programs, folder, "")
    };
    let mut cloud = Cloud::start_controller(plan)?;
    if cloud.enrol(&[("HOSTD_FAULT", plan::ENROLMENT)]).is_ok() {
        bail!("enrolment did not end at {}", plan::ENROLMENT);
    }
    cloud.enrol(&[]).context("after an enrolment that was cut off")?;
    cloud.launch(Daemon::Hostd, &[])?;
    let end = Instant::now() + Duration::from_secs(30);
    // It answers once its part of the network is there.
    while let Err(error) = audited(&cloud) {
        ensure!(Instant::now() < end, "hostd does not come up: {error:#}");
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(cloud)
}

fn audited(cloud: &Cloud) -> Result<()> {
    let mut audit = cloud.plan.command(&cloud.plan.programs.hostd);
    exec::read(audit.arg("--config").arg(cloud.plan.folder.join("hostd.toml")).arg("audit")).map(drop)
}

/// Images, a flavor, networks, quotas without end; gives the external network too.
async fn prepare(cloud: &Cloud, client: &Client) -> Result<(Parts, String)> {
    let file = cloud.plan.programs.guest.clone();
    let rubbish = cloud.plan.folder.join("rubbish");
    std::fs::write(&rubbish, vec![7; 1 << 16])?;
    let image = |name, file| DemoImage { name, file, disk_format: "aki", properties: json!({}) };
    let broken = demo::image(client, &image("rubbish", &rubbish)).await?;
    let image = demo::image(client, &image("small", &file)).await?;
    let quota = json!({"quota_set": {"instances": -1, "cores": -1, "ram": -1}});
    client.call("PUT", "compute", &format!("/os-quota-sets/{}", client.project_id), Some(quota)).await?;
    let quota = json!({"quota": {"port": -1}});
    client.call("PUT", "network", &format!("/v2.0/quotas/{}", client.project_id), Some(quota)).await?;
    let flavor = json!({"flavor": {"name": "faults", "ram": 32, "vcpus": 1, "disk": 0}});
    let flavor: Value = client.call("POST", "compute", "/flavors", Some(flavor)).await?;
    let flavor = flavor["flavor"]["id"].as_str().context("the flavor has no id")?.to_owned();
    let (public, network) = demo::networks(client).await?;
    demo::open_default_group(client).await?;
    Ok((Parts { image, broken, file, flavor, network }, public))
}
