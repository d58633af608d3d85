//! The lab host: a small Debian with a kernel that has KVM, and an `init` of our own that starts the product's programs.

use crate::debian;
use anyhow::{Context as _, Result};
use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf};

/// What hostd needs on a host, and sshd to look inside.
const PACKAGES: &[&str] = &[
    "linux-image-cloud-amd64",
    "udev",
    "kmod",
    "iproute2",
    "nftables",
    "openssh-server",
    "procps",
    "iputils-ping",
    "e2fsprogs",
];
const INIT: &str = include_str!("../host/init");

/// A bootable lab host.
#[derive(Clone, Debug)]
pub struct HostDisk {
    /// Its kernel.
    pub kernel: PathBuf,
    /// Its initial RAM disk.
    pub initrd: PathBuf,
    /// Its root file system, never written.
    pub root: PathBuf,
}

/// The lab host's disk; made at first use, and again when its `init` changed.
///
/// # Errors
/// When it cannot be made.
pub fn get() -> Result<HostDisk> {
    let folder = debian::folder()?;
    let (tree, stamp) = (folder.join("host"), folder.join("host.stamp"));
    let disk = HostDisk {
        kernel: folder.join("host.vmlinuz"),
        initrd: folder.join("host.initrd"),
        root: folder.join("host.ext4"),
    };
    let wanted = format!("{}\n{INIT}", PACKAGES.join(" "));
    if fs::read_to_string(&stamp).is_ok_and(|made| made == wanted) {
        return Ok(disk);
    }
    debian::tree("Making the lab host's tree", &tree, PACKAGES)?;
    let init = tree.join("sbin/lab-init");
    fs::write(&init, INIT).context("cannot write the lab host's init")?;
    fs::set_permissions(&init, fs::Permissions::from_mode(0o755))?;
    let (kernel, initrd) = debian::kernel(&tree)?;
    fs::copy(kernel, &disk.kernel)?;
    fs::copy(initrd, &disk.initrd)?;
    debian::ext4("Making the lab host's disk", Some(&tree), &disk.root, "1500M", &[])?;
    fs::remove_dir_all(&tree).context("cannot remove the tree")?;
    fs::write(stamp, wanted)?;
    Ok(disk)
}
