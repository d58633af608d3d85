//! A guest that measures what a network carries: Debian's kernel, and iperf3 in an initial RAM disk of our own. Its user data is a
//! shell script, its task; what that says stands on its console.

use crate::{
    apt::{self, Apt},
    debian, host_disk,
    initrd::Initrd,
};
use anyhow::{Context as _, Result};
use humilis_harness::exec;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// iperf3, and what is not on every Debian machine.
const PACKAGES: [&str; 3] = ["iperf3", "libiperf0", "libsctp1"];
const PROGRAM: &str = "usr/bin/iperf3";
const LIBRARIES: &str = "usr/lib/x86_64-linux-gnu";
const MODULES: [&str; 3] = ["virtio_pci", "virtio_net", "virtio_rng"];
/// What its console says when the task has ended.
pub const DONE: &str = "iperf-guest: done";

/// The guest's first process.
const INIT: &str = "#!/bin/busybox sh
b() { /bin/busybox \"$@\"; }
b mkdir -p /proc /sys /tmp
b mount -t proc proc /proc
b mount -t sysfs sysfs /sys
b mount -t devtmpfs dev /dev
b mount -t tmpfs tmpfs /tmp
for module in /modules/*.ko; do b insmod $module; done
b ip link set lo up
b ip link set eth0 up
until b udhcpc -i eth0 -n -q -O staticroutes -s /lease; do b sleep 1; done
until b wget -q -O /tmp/task http://169.254.169.254/latest/user-data; do b sleep 1; done
b sh /tmp/task
echo 'iperf-guest: done'
while :; do b sleep 3600; done
";

/// What udhcpc does with a lease.
const LEASE: &str = "#!/bin/busybox sh
b() { /bin/busybox \"$@\"; }
[ \"$1\" = bound ] || exit 0
b ip addr add $ip/$mask dev $interface
[ -n \"$staticroutes\" ] || staticroutes=\"0.0.0.0/0 $router\"
set -- $staticroutes
while [ $# -ge 2 ]; do
  if [ $2 = 0.0.0.0 ]; then b ip route add $1 dev $interface; else b ip route add $1 via $2; fi
  shift 2
done
";

/// What it starts from.
#[derive(Clone, Debug)]
pub struct Guest {
    /// Debian's kernel.
    pub kernel: PathBuf,
    /// The initial RAM disk, all that it has.
    pub initrd: PathBuf,
}

/// Makes it in a folder.
///
/// # Errors
/// When packages cannot be had.
pub fn make(folder: &Path) -> Result<Guest> {
    let host = host_disk::get()?;
    let tree = tree()?;
    let (lease, initrd) = (folder.join("lease"), folder.join("iperf.initrd"));
    fs::write(&lease, LEASE)?;
    let mut files = vec![(lease, "/lease".to_owned()), (tree.join(PROGRAM), format!("/{PROGRAM}"))];
    for library in libraries(&tree)? {
        let at = library.strip_prefix(&tree).map_or_else(|_| library.clone(), |inside| Path::new("/").join(inside));
        files.push((library, at.to_string_lossy().into_owned()));
    }
    let modules = Some((host.modules, MODULES.map(str::to_owned).to_vec()));
    Initrd { modules, files, init: Some(INIT.into()) }.write(&initrd)?;
    Ok(Guest { kernel: host.kernel, initrd })
}

/// The packages, unpacked; fetched at first use.
fn tree() -> Result<PathBuf> {
    let folder = debian::folder()?.join("iperf");
    let (tree, stamp) = (folder.join("tree"), folder.join("stamp"));
    let wanted = PACKAGES.join(" ");
    if fs::read_to_string(&stamp).is_ok_and(|made| made == wanted) {
        return Ok(tree);
    }
    let apt = Apt::update(&folder, "Reading the lists of packages for iperf3", &debian::sources(debian::SUITE)?)?;
    for package in PACKAGES {
        apt::unpack(&apt.download(&format!("Fetching {package}"), package)?, &tree)?;
    }
    fs::write(stamp, wanted).context("cannot note what was fetched")?;
    Ok(tree)
}

/// What iperf3 is linked to, and its loader; what is not in the tree is this machine's.
fn libraries(tree: &Path) -> Result<BTreeSet<PathBuf>> {
    let mut ldd = Command::new("ldd");
    let text = exec::read(ldd.env("LD_LIBRARY_PATH", tree.join(LIBRARIES)).arg(tree.join(PROGRAM)))?;
    anyhow::ensure!(!text.contains("not found"), "iperf3 lacks a library: {text}");
    let words = text.split_whitespace().filter(|word| word.starts_with('/'));
    Ok(words.map(PathBuf::from).filter(|path| path.is_file()).collect())
}
