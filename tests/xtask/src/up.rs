//! `cargo xtask up`: a cloud on this machine, with a first guest that answers.

use crate::{
    demo::{self, DemoImage},
    setup::{self, Need},
};
use anyhow::{Result, bail};
use humilis_harness::{
    build::{self, Profile},
    cloud::{Cloud, Daemon, Plan},
    exec,
    kvm::{self, Kvm},
    paths,
    rest::{Client, Login},
};
use serde_json::json;
use std::{
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

/// How long a first guest may take to answer.
#[derive(Clone, Copy)]
enum Patience {
    /// Minutes.
    Real,
    /// Many, and it may hang.
    Emulated,
}

/// An emulated guest that does not answer for so long hangs: the slowest takes half of it.
const BOOT: Duration = Duration::from_secs(180);

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
    if arguments.here || kvm == Kvm::Hardware {
        setup::run(if kvm == Kvm::Hardware { Need::All } else { Need::Cloud })?;
        return here(arguments, kvm);
    }
    println!("This machine's KVM has no hardware behind it: no ordinary guest can run on it.");
    println!(
        "The same cloud comes up in the lab instead: an emulated host with nested virtualization, some twenty times slower."
    );
    setup::run(Need::All)?;
    lab(arguments)
}

/// The cloud in an emulated host, reachable from this machine.
fn lab(arguments: &Arguments) -> Result<()> {
    println!("Building controller, hostd and vmm (minutes, the first time) ...");
    let programs = build::programs(arguments.profile())?;
    let folder = arguments.folder.join("lab");
    let clouds_yaml = humilis_lab::cloud::up(&folder, &programs)?;
    println!("The emulated host with controller and hostd is up.");
    let login = lab_login(&folder.join("ca.pem"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let debian = humilis_lab::guest_disk::get()?;
    let (id, address, console) = runtime.block_on(async {
        let client = Client::login(&login).await?;
        println!("Uploading Debian's image ...");
        let image = debian_image(&client, &debian).await?;
        println!("Booting the first guest (minutes, in emulation) ...");
        first_guest(&client, &image, "m1.small", Patience::Emulated).await
    })?;
    summary(&login.url, &clouds_yaml, &id, &address, &console);
    Ok(())
}

/// The administrator of the lab's cloud.
pub fn lab_login(authority: &Path) -> Login {
    Login {
        url: format!("{}/identity/v3", humilis_lab::cloud::ENDPOINT),
        ca: Some(authority.to_owned()),
        user: "admin".to_owned(),
        password: "secret".to_owned(),
        project: "admin".to_owned(),
    }
}

/// Debian's disk with its kernel beside it: a direct start saves the emulated firmware's minutes.
pub async fn debian_image(client: &Client, debian: &humilis_lab::guest_disk::GuestDisk) -> Result<String> {
    let part = |name, file, disk_format| DemoImage { name, file, disk_format, properties: json!({}) };
    let kernel = demo::image(client, &part("debian-kernel", &debian.kernel, "aki")).await?;
    let ramdisk = demo::image(client, &part("debian-ramdisk", &debian.initrd, "ari")).await?;
    let properties = json!({"kernel_id": kernel, "ramdisk_id": ramdisk, "os_command_line": debian.cmdline});
    let disk = DemoImage { name: "debian", file: &debian.disk, disk_format: "qcow2", properties };
    demo::image(client, &disk).await
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
    let guest = runtime.block_on(async {
        let client = cloud.client().await?;
        let (image, flavor) = if kvm == Kvm::Hardware {
            (debian_image(&client, &humilis_lab::guest_disk::get()?).await?, "m1.small")
        } else {
            let file = cloud.plan.programs.guest.clone();
            let small = DemoImage { name: "small", file: &file, disk_format: "aki", properties: json!({}) };
            (demo::image(&client, &small).await?, "m1.nano")
        };
        first_guest(&client, &image, flavor, Patience::Real).await
    });
    let (url, clouds_yaml) = (cloud.plan.identity_url(), cloud.plan.clouds_yaml());
    cloud.let_go();
    let (id, address, console) = guest?;
    summary(&url, &clouds_yaml, &id, &address, &console);
    Ok(())
}

/// A guest that answers, and the end of its console.
async fn first_guest(
    client: &Client,
    image: &str,
    flavor: &str,
    patience: Patience,
) -> Result<(String, String, String)> {
    demo::flavors(client).await?;
    let (public, private) = demo::networks(client).await?;
    demo::open_default_group(client).await?;
    let guest = demo::first_guest(client, "first", image, flavor, (&public, &private)).await?;
    answers(client, &guest, patience).await?;
    let console = demo::console(client, &guest.id).await?;
    Ok((guest.id, guest.floating_ip, console))
}

/// Waits until the guest answers at its floating address. One that `up --down` ended is started again, and one that hangs, as now and
/// then happens in nested emulation, is started anew.
async fn answers(client: &Client, guest: &demo::FirstGuest, patience: Patience) -> Result<()> {
    let (address, began) = (&guest.floating_ip, Instant::now());
    let (end, mut hangs) = match patience {
        Patience::Real => (began + Duration::from_secs(300), None),
        Patience::Emulated => (began + Duration::from_secs(1800), Some(began + BOOT)),
    };
    while Instant::now() < end {
        if exec::read(Command::new("ping").args(["-c", "1", "-W", "1", address])).is_ok() {
            return Ok(());
        }
        demo::start(client, &guest.id).await?;
        if hangs.is_some_and(|hangs| Instant::now() > hangs) {
            println!(
                "The first guest has not answered for {} minutes; starting it anew, once ...",
                BOOT.as_secs() / 60
            );
            demo::restart(client, &guest.id).await?;
            hangs = None;
        }
    }
    bail!("the first guest does not answer at {address}")
}

fn summary(url: &str, clouds_yaml: &Path, id: &str, address: &str, console: &str) {
    let lines: Vec<_> = console.lines().rev().take(8).collect();
    println!("\nThe first guest's console ends with:");
    for line in lines.into_iter().rev() {
        println!("  | {}", line.trim_end());
    }
    let openstack = paths::cache().join("openstackclient/bin/openstack");
    println!("\nThe first guest, {id}, answers at {address}.");
    println!("Identity is at {url}.");
    println!("The administrator's clouds.yaml is {}.\n", clouds_yaml.display());
    println!("Try next:");
    println!("  export OS_CLIENT_CONFIG_FILE={} OS_CLOUD=humilis", clouds_yaml.display());
    println!("  {} server list", openstack.display());
    println!("  {} console log show first", openstack.display());
}

fn down(arguments: &Arguments) -> Result<()> {
    // What ran is there; it is not built for this.
    let plan = Plan { namespace: None, ..Plan::private(build::built(arguments.profile()), &arguments.folder, "") };
    Cloud::attach(plan).down();
    humilis_lab::cloud::down(&arguments.folder.join("lab"));
    println!("The cloud in {} is down; its files are kept.", arguments.folder.display());
    Ok(())
}
