//! `cargo xtask bench boot`: a guest's start on an emulated processor that counts instructions as nanoseconds.

use super::{Better, Figure};
use crate::setup::{self, Need};
use anyhow::Result;
use humilis_harness::{build as programs, exec, paths};
use humilis_lab::boot::{self, Guest, Subjects};

/// Measured by the same method on the same machine.
const LINUX_PEERS: &[(&str, f64)] =
    &[("Firecracker 1.16", 1599.0), ("Cloud Hypervisor 53", 1568.0), ("QEMU microvm", 2839.0)];
const SMALL_PEERS: &[(&str, f64)] =
    &[("Firecracker 1.16", 18.4), ("Cloud Hypervisor 53", 28.8), ("QEMU microvm", 113.7)];

type Row = (Guest, &'static str, Option<f64>, &'static [(&'static str, f64)]);

/// hostd prepares kernels once per image and tells them not to test their cryptography; no peer's guest was told so. The rows
/// after the first take these away again, one by one.
const ROWS: &[Row] = &[
    (Guest::Linux, "Debian's kernel to its first process", Some(1350.0), &[]),
    (Guest::LinuxTested, "Debian's kernel, with the peers' arguments", Some(1350.0), LINUX_PEERS),
    (Guest::LinuxPacked, "Debian's kernel, unpacked by the guest, too", None, LINUX_PEERS),
    (Guest::Small, "a tiny guest: the monitor alone", Some(12.0), SMALL_PEERS),
    (Guest::SmallJailed, "a tiny guest in its jail", None, &[]),
];

#[derive(clap::Args)]
pub struct Arguments {
    /// Show KVM's counters of exits and the monitor's memory too
    #[arg(long)]
    counters: bool,
}

pub fn run(arguments: &Arguments) -> Result<Vec<Figure>> {
    setup::run(Need::All)?;
    build("Building the monitor", &["--release", "-p", "vmm", "--bin", "vmm"])?;
    build("Building its launcher", &["-p", "humilis-lab", "--bin", "launch"])?;
    let (vmm, launch, small) =
        (paths::target().join("release/vmm"), paths::target().join("debug/launch"), programs::guest()?);
    let times = boot::measure(Subjects { vmm: &vmm, launch: &launch, small: &small })?;
    if arguments.counters {
        times.counters.iter().for_each(|counter| eprintln!("{counter}"));
    }
    Ok(ROWS
        .iter()
        .map(|(guest, name, goal, peers)| Figure {
            name,
            value: times.nanoseconds.get(guest).map_or(f64::NAN, |nanoseconds| *nanoseconds as f64 / 1e6),
            unit: "ms",
            goal: *goal,
            better: Better::Lower,
            peers,
        })
        .collect())
}

fn build(title: &str, what: &[&str]) -> Result<()> {
    let mut cargo = programs::cargo();
    cargo.current_dir(paths::root()).env("CARGO_TARGET_DIR", paths::target()).arg("build").args(what);
    exec::step(title, &paths::cache().join("bench-boot.log"), &mut cargo)
}
