//! Building what is tested.

use crate::{exec, paths};
use anyhow::Result;
use std::{env, path::PathBuf, process::Command};

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

/// The cargo that runs this program, else the one on the path. Not the one that built it: only rustup's own hands its choice of a
/// toolchain to the compiler. It does not hear of the package that runs: some build scripts would run again, and all above them be
/// built anew, each time cargo is called from here and from a shell by turns.
#[must_use]
pub fn cargo() -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let ours = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    let ours = env::vars_os().map(|(name, _)| name).filter(|name| name.to_str().is_some_and(ours));
    for name in ours {
        cargo.env_remove(name);
    }
    cargo
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
    let mut cargo = cargo();
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
    env::var_os("HUMILIS_PROGRAMS").map(PathBuf::from)
}

/// Builds the small guest of our own.
///
/// # Errors
/// When the build fails.
pub fn guest() -> Result<PathBuf> {
    let target = paths::target().join("guest");
    let manifest = paths::root().join("tests/guest/program/Cargo.toml");
    let mut cargo = cargo();
    cargo.args(["build", "--quiet", "--release", "--manifest-path"]).arg(manifest).arg("--target-dir").arg(&target);
    exec::show(cargo.env_remove("RUSTFLAGS"))?;
    Ok(target.join("release/humilis-guest"))
}
