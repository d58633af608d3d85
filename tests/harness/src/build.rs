//! Building what is tested.

use crate::{exec, paths};
use anyhow::Result;
use std::{
    path::{Path, PathBuf},
    process::Command,
};

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
    if let Some(folder) = std::env::var_os("HUMILIS_PROGRAMS").map(PathBuf::from) {
        return Ok(found(&folder));
    }
    let mut cargo = Command::new(paths::cargo());
    cargo.current_dir(paths::root()).args(["build", "--quiet", "-p", "controller", "-p", "hostd", "-p", "vmm"]);
    cargo.env("CARGO_TARGET_DIR", paths::target());
    let folder = match profile {
        Profile::Dev => "debug",
        Profile::Release => {
            cargo.arg("--release");
            "release"
        }
    };
    exec::show(&mut cargo)?;
    Ok(found(&paths::target().join(folder)))
}

fn found(folder: &Path) -> Programs {
    let [controller, hostd, vmm] = ["controller", "hostd", "vmm"].map(|name| folder.join(name));
    Programs { controller, hostd, vmm, guest: PathBuf::new() }
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
