//! UEFI firmware, of Debian's packages: for guests of ours, and for the lab's own machines.

use crate::{
    apt::{self, Apt},
    debian,
};
use anyhow::{Context as _, Result};
use humilis_harness::exec;
use std::{fs, path::PathBuf, process::Command};

/// `CLOUDHV.fd`, for guests that boot from ordinary disk images; fetched at first use, from Debian's unstable suite.
///
/// # Errors
/// When the package cannot be had.
pub fn get() -> Result<PathBuf> {
    let folder = debian::folder()?.join("firmware");
    let file = folder.join("CLOUDHV.fd");
    if file.exists() {
        return Ok(file);
    }
    let sources = [format!("deb {} sid main", debian::mirror()?)];
    let apt = Apt::update(&folder, "Fetching the list of firmware packages", &sources)?;
    let package = apt.download("Fetching UEFI firmware for guests", "cloudhv-efi-x86-64")?;
    apt::unpack(&package, &folder.join("tree"))?;
    let found = exec::read(Command::new("find").arg(folder.join("tree")).args(["-name", "CLOUDHV*.fd"]))?;
    let found = found.lines().next().context("the package holds no CLOUDHV.fd")?;
    fs::copy(found, &file).context("cannot keep the firmware")?;
    Ok(file)
}

/// OVMF for the lab's emulated machines: its code, and its variables as they leave the factory. Fetched at first use.
///
/// # Errors
/// When the package cannot be had.
pub fn ovmf(release: &str) -> Result<(PathBuf, PathBuf)> {
    let folder = debian::folder()?.join("ovmf");
    let [code, variables] =
        ["OVMF_CODE_4M.fd", "OVMF_VARS_4M.fd"].map(|name| folder.join("tree/usr/share/OVMF").join(name));
    if !code.exists() || !variables.exists() {
        let apt = Apt::update(&folder, "Fetching the list of firmware packages", &debian::sources(release)?)?;
        let package = apt.download("Fetching UEFI firmware for machines", "ovmf")?;
        apt::unpack(&package, &folder.join("tree"))?;
    }
    anyhow::ensure!(code.exists() && variables.exists(), "the package holds no {}", code.display());
    Ok((code, variables))
}
