//! UEFI firmware for ordinary disk images: Debian's package `cloudhv-efi-x86-64`, from its unstable suite by an apt state of its
//! own, so that the machine's own packages stay as they are.

use crate::debian;
use anyhow::{Context as _, Result};
use humilis_harness::exec;
use std::{fs, path::PathBuf, process::Command};

const PACKAGE: &str = "cloudhv-efi-x86-64";

/// `CLOUDHV.fd`; fetched at first use.
///
/// # Errors
/// When the package cannot be had.
pub fn get() -> Result<PathBuf> {
    let folder = debian::folder()?.join("firmware");
    let file = folder.join("CLOUDHV.fd");
    if file.exists() {
        return Ok(file);
    }
    for inside in ["state/lists/partial", "cache/archives/partial", "etc", "tree"] {
        fs::create_dir_all(folder.join(inside)).context("cannot make the firmware's folder")?;
    }
    let list = folder.join("etc/sources.list");
    let trust = "[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]";
    fs::write(&list, format!("deb {trust} {} sid main\n", debian::mirror()?)).context("cannot name the suite")?;
    let apt = || {
        let mut apt = Command::new("apt-get");
        apt.current_dir(&folder).arg("-q");
        for (option, value) in
            [("Dir::State", "state"), ("Dir::Cache", "cache"), ("Dir::Etc::sourcelist", "etc/sources.list")]
        {
            apt.arg("-o").arg(format!("{option}={}", folder.join(value).display()));
        }
        apt.args(["-o", "Dir::Etc::sourceparts=/dev/null", "-o", "APT::Sandbox::User=root"]);
        apt
    };
    exec::step("Fetching the list of firmware packages", &folder.join("update.log"), apt().arg("update"))?;
    exec::step("Fetching UEFI firmware", &folder.join("download.log"), apt().args(["download", PACKAGE]))?;
    let mut packages = fs::read_dir(&folder)?.filter_map(Result::ok).map(|e| e.path());
    let package = packages.find(|p| p.extension().is_some_and(|e| e == "deb")).context("no package was downloaded")?;
    exec::read(Command::new("dpkg").arg("-x").arg(package).arg(folder.join("tree")))?;
    let found = exec::read(Command::new("find").arg(folder.join("tree")).args(["-name", "CLOUDHV*.fd"]))?;
    let found = found.lines().next().context("the package holds no CLOUDHV.fd")?;
    fs::copy(found, &file).context("cannot keep the firmware")?;
    Ok(file)
}
