//! The lab host: a small Debian with a kernel that has KVM, and an `init` of our own that starts the product's programs.

use crate::{debian, initrd::Initrd};
use anyhow::{Context as _, Result};
use humilis_harness::exec;
use std::{fs, path::PathBuf, process::Command};

/// What hostd needs on a host, and sshd to look inside.
const PACKAGES: &[&str] = &[
    "linux-image-cloud-amd64",
    "udev",
    "kmod",
    "mount",
    "iproute2",
    "nftables",
    "openssh-server",
    "procps",
    "iputils-ping",
    "e2fsprogs",
];
/// What the root needs.
const MODULES: &[&str] = &["virtio_pci", "virtio_blk", "ext4"];
const INIT: &str = include_str!("../host/init");
const FIRST: &str = include_str!("../host/initrd");

/// A bootable lab host.
#[derive(Clone, Debug)]
pub struct HostDisk {
    /// Its kernel.
    pub kernel: PathBuf,
    /// The kernel's modules, `lib/modules/VERSION`.
    pub modules: PathBuf,
    /// Its initial RAM disk.
    pub initrd: PathBuf,
    /// Its root file system, never written.
    pub root: PathBuf,
}

/// The lab host's disk; its tree is made at first use, its initial RAM disk each time.
///
/// # Errors
/// When it cannot be made.
pub fn get() -> Result<HostDisk> {
    let folder = debian::folder()?;
    let disk = HostDisk {
        kernel: folder.join("host.vmlinuz"),
        modules: folder.join("host-modules"),
        initrd: folder.join("host.initrd"),
        root: folder.join("host.ext4"),
    };
    let (stamp, wanted) = (folder.join("host.stamp"), PACKAGES.join(" "));
    if !fs::read_to_string(&stamp).is_ok_and(|made| made == wanted) {
        tree(&disk)?;
        fs::write(stamp, wanted)?;
    }
    let init = folder.join("host-init");
    fs::write(&init, INIT).context("cannot write the lab host's init")?;
    let modules = Some((disk.modules.clone(), MODULES.iter().map(|name| (*name).to_owned()).collect()));
    Initrd { modules, files: vec![(init, "/lab-init".into())], init: Some(FIRST.into()) }.write(&disk.initrd)?;
    Ok(disk)
}

fn tree(disk: &HostDisk) -> Result<()> {
    let tree = disk.root.with_extension("tree");
    debian::tree("Making the lab host's tree", &tree, PACKAGES)?;
    fs::copy(debian::kernel(&tree)?.0, &disk.kernel)?;
    if disk.modules.exists() {
        fs::remove_dir_all(&disk.modules)?;
    }
    let version = fs::read_dir(tree.join("usr/lib/modules"))?.next().context("the tree has no modules")??;
    exec::read(Command::new("cp").arg("-a").arg(version.path()).arg(&disk.modules))?;
    debian::ext4("Making the lab host's disk", Some(&tree), &disk.root, "1500M", &[])?;
    fs::remove_dir_all(&tree).context("cannot remove the tree")
}
