//! `cargo xtask up`: a cloud on this machine, with a first guest that answers.

use crate::{
    demo::{self, DemoImage},
    setup::{self, Need},
};
use anyhow::{Context as _, Result, bail};
use humilis_harness::{
    build::{self, Profile},
    cloud::{Cloud, Daemon, Plan},
    exec,
    kvm::{self, Kvm},
    paths,
};
use serde_json::json;
use std::{
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

#[derive(clap::Args)]
pub struct Arguments {
    /// Use this machine's own KVM, whatever it can run: with the small guest of our own where it cannot run others
    #[arg(long)]
    here: bool,
    /// Where the cloud's files lie
    #[arg(long, default_value = "/var/lib/humilis")]
    folder: PathBuf,
    /// End the cloud that runs there
    #[arg(long)]
    down: bool,
    /// Build quickly instead of well
    #[arg(long)]
    dev: bool,
}

impl Arguments {
    fn profile(&self) -> Profile {
        if self.dev { Profile::Dev } else { Profile::Release }
    }
}

pub fn run(arguments: &Arguments) -> Result<()> {
    if arguments.down {
        return down(arguments);
    }
    let kvm = kvm::probe();
    if kvm == Kvm::Absent && arguments.here {
        bail!("this machine has no /dev/kvm");
    }
    setup::run(if arguments.here || kvm == Kvm::Hardware { Need::Cloud } else { Need::All })?;
    here(arguments, kvm)
}

fn here(arguments: &Arguments, kvm: Kvm) -> Result<()> {
    println!("Building controller, hostd and vmm (minutes, the first time) ...");
    let programs = build::programs(arguments.profile())?;
    let plan = Plan { namespace: None, ..Plan::private(programs, &arguments.folder, "") };
    let mut cloud = Cloud::attach(plan);
    if cloud.runs(Daemon::Controller) && cloud.runs(Daemon::Hostd) {
        println!("Controller and hostd are running already.");
    } else {
        cloud = Cloud::start(cloud.plan.clone())?;
        println!("Controller and hostd are up.");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let guest = runtime.block_on(first_guest(&cloud, kvm));
    let summary = guest.map(|(id, address, console)| summary(&cloud, &id, &address, &console));
    cloud.let_go();
    summary
}

async fn first_guest(cloud: &Cloud, _kvm: Kvm) -> Result<(String, String, String)> {
    let client = cloud.client().await?;
    demo::flavors(&client).await?;
    let (public, private) = demo::networks(&client).await?;
    demo::open_default_group(&client).await?;
    let image = DemoImage { name: "demo", file: &cloud.plan.programs.guest, disk_format: "aki", properties: json!({}) };
    let image = demo::image(&client, &image).await?;
    let guest = demo::first_guest(&client, "first", &image, "m1.nano", (&public, &private)).await?;
    answers(&guest.floating_ip)?;
    let console = demo::console(&client, &guest.id).await?;
    Ok((guest.id, guest.floating_ip, console))
}

/// Waits until the guest answers at its floating address.
fn answers(address: &str) -> Result<()> {
    let end = Instant::now() + Duration::from_secs(60);
    while Instant::now() < end {
        if exec::read(Command::new("ping").args(["-c", "1", "-W", "1", address])).is_ok() {
            return Ok(());
        }
    }
    bail!("the first guest does not answer at {address}")
}

fn summary(cloud: &Cloud, id: &str, address: &str, console: &str) {
    let lines: Vec<_> = console.lines().rev().take(8).collect();
    println!("\nThe first guest's console ends with:");
    for line in lines.into_iter().rev() {
        println!("  | {}", line.trim_end());
    }
    let openstack = paths::cache().join("openstackclient/bin/openstack");
    println!("\nThe first guest, {id}, answers at {address}.");
    println!("Identity is at {}.", cloud.plan.identity_url());
    println!("The administrator's clouds.yaml is {}.\n", cloud.plan.clouds_yaml().display());
    println!("Try next:");
    println!("  export OS_CLIENT_CONFIG_FILE={} OS_CLOUD=humilis", cloud.plan.clouds_yaml().display());
    println!("  {} server list", openstack.display());
    println!("  {} console log show first", openstack.display());
}

fn down(arguments: &Arguments) -> Result<()> {
    let programs = build::programs(arguments.profile()).context("cannot find the programs")?;
    let plan = Plan { namespace: None, ..Plan::private(programs, &arguments.folder, "") };
    Cloud::attach(plan).down();
    println!("The cloud in {} is down; its files are kept.", arguments.folder.display());
    Ok(())
}
