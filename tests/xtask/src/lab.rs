//! `cargo xtask lab`: unmodified guests in a host that is emulated, with nested virtualization.

use crate::{
    faults, hosts,
    image::{lab_install, lab_update},
    setup::{self, Need},
};
use anyhow::Result;
use clap::Subcommand;
use humilis_harness::{build, exec, paths};
use humilis_lab::{
    firmware, guest_disk, host_disk,
    machine::{Machine, Place, Plan},
    story,
};
use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
}

/// Which programs run in the lab.
#[derive(clap::Args)]
struct Programs {
    /// A folder with built programs; without it they are built
    #[arg(long)]
    programs: Option<PathBuf>,
}

impl Programs {
    fn get(&self) -> Result<build::Programs> {
        let Some(folder) = &self.programs else { return build::programs(build::Profile::Dev) };
        let [controller, hostd, vmm] = ["controller", "hostd", "vmm"].map(|name| folder.join(name));
        Ok(build::Programs { controller, hostd, vmm, guest: PathBuf::new() })
    }
}

#[derive(Subcommand)]
enum What {
    /// A whole cloud in a lab machine, and an unmodified Debian in it, told by OpenStack's own client
    Story(Programs),
    /// A lab machine without any cloud, a guest's images in /opt/humilis, and a shell, or one command, in it
    Shell {
        /// The command
        command: Vec<String>,
    },
    /// Two bare machines: installed from a stick, joined by a token, a guest on each, told by OpenStack's own client
    Install(lab_install::Arguments),
    /// Two machines get a new version from their controller under load, leave a broken one again, and start after power cuts
    Update(lab_update::Arguments),
    /// A host that does not reach its controller, in both directions and in each, while its guests run, one is rebooted and one crashes
    Partition(hosts::partition::Arguments),
    /// Kills of controller, hostd and guests' processes on this machine's own KVM, and what they leave behind: nothing
    Faults(faults::Arguments),
}

pub fn run(arguments: &Arguments) -> Result<()> {
    setup::run(if matches!(arguments.what, What::Faults(_) | What::Partition(_)) { Need::Cloud } else { Need::All })?;
    match &arguments.what {
        What::Story(programs) => story::run(&programs.get()?, &setup::client()?),
        What::Shell { command } => shell(&command.join(" ")),
        What::Install(arguments) => lab_install::run(arguments),
        What::Update(arguments) => lab_update::run(arguments),
        What::Partition(arguments) => hosts::partition::run(arguments),
        What::Faults(arguments) => faults::run(arguments),
    }
}

fn shell(command: &str) -> Result<()> {
    let folder = tempfile::Builder::new().prefix("humilis-lab-").tempdir()?;
    let payload = folder.path().join("payload");
    std::fs::create_dir_all(payload.join("bin"))?;
    let disk = guest_disk::get()?;
    let built = paths::target().join("debug");
    let files = [
        (built.join("vmm"), "bin/vmm"),
        (built.join("launch"), "bin/launch"),
        (firmware::get()?, "CLOUDHV.fd"),
        (disk.disk, "guest.qcow2"),
        (disk.kernel, "guest.vmlinuz"),
        (disk.initrd, "guest.initrd"),
    ];
    for (from, to) in files.iter().filter(|(from, _)| from.exists()) {
        std::fs::copy(from, payload.join(to))?;
    }
    let place = Place::Namespace(format!("humilis-lab-{}", std::process::id()));
    let plan =
        Plan { host: host_disk::get()?, payload, memory_mib: 3072, cpus: 2, place, folder: folder.path().into() };
    let started = Instant::now();
    let mut machine = Machine::start(plan)?;
    machine.wait(Duration::from_secs(120))?;
    println!("up after {:.1} s", started.elapsed().as_secs_f64());
    exec::show(&mut machine.ssh(command))
}
