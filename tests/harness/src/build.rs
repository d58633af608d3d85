//! Building what is tested.

use crate::{exec, paths};
use anyhow::Result;
use std::{path::PathBuf, process::Command};

/// How programs are built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Quick to build: tests and the lab.
    Dev,
    /// What runs in earnest: `up` and benches.
    Release,
}

/// The product's programs.
#[derive(Clone, Debug)]
pub struct Programs {
    /// `controller`
    pub controller: PathBuf,
    /// `hostd`
    pub hostd: PathBuf,
    /// `vmm`
    pub vmm: PathBuf,
    /// The small guest of our own, a PVH kernel.
    pub guest: PathBuf,
}

/// Builds the programs; `HUMILIS_PROGRAMS` names a folder with built ones instead.
///
/// # Errors
/// When the build fails.
pub fn programs(profile: Profile) -> Result<Programs> {
    Ok(Programs { guest: guest()?, ..product(profile)? })
}

/// Builds what an operator gets, without the small guest.
///
/// # Errors
/// When the build fails.
pub fn product(profile: Profile) -> Result<Programs> {
    let built = built(profile);
    if named().is_some() {
        return Ok(built);
    }
    let mut cargo = Command::new(paths::cargo());
    cargo.current_dir(paths::root()).args(["build", "--quiet", "-p", "controller", "-p", "hostd", "-p", "vmm"]);
    cargo.env("CARGO_TARGET_DIR", paths::target());
    if profile == Profile::Release {
        cargo.arg("--release");
    }
    exec::show(&mut cargo)?;
    Ok(built)
}

/// What [`product`] builds, where it lies once it was built.
#[must_use]
pub fn built(profile: Profile) -> Programs {
    let name = match profile {
        Profile::Dev => "debug",
        Profile::Release => "release",
    };
    let folder = named().unwrap_or_else(|| paths::target().join(name));
    let [controller, hostd, vmm] = ["controller", "hostd", "vmm"].map(|name| folder.join(name));
    Programs { controller, hostd, vmm, guest: PathBuf::new() }
}

fn named() -> Option<PathBuf> {
    std::env::var_os("HUMILIS_PROGRAMS").map(PathBuf::from)
}

/// Builds the small guest of our own.
///
/// # Errors
/// When the build fails.
pub fn guest() -> Result<PathBuf> {
    let target = paths::target().join("guest");
    let manifest = paths::root().join("tests/guest/program/Cargo.toml");
    let mut cargo = Command::new(paths::cargo());
    cargo.args(["build", "--quiet", "--release", "--manifest-path"]).arg(manifest).arg("--target-dir").arg(&target);
    exec::show(cargo.env_remove("RUSTFLAGS"))?;
    Ok(target.join("release/humilis-guest"))
}
