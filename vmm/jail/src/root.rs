//! The empty root: a read-only tmpfs without a single file takes the place of the host's tree.

use crate::enter::{JailError, step};
use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::unistd::{chdir, chroot, pivot_root};

/// A directory that every host has; the tmpfs lies over it for a moment, in our own mount namespace.
const PLACE: &str = "/tmp";

/// Leaves the host's tree. Called in a mount namespace of our own.
pub(crate) fn leave() -> Result<(), JailError> {
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).map_err(step("keep mounts to ourselves"))?;
    let flags = MsFlags::MS_RDONLY | MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("none"), PLACE, Some("tmpfs"), flags, Some("size=4k,nr_inodes=2,mode=0555"))
        .map_err(step("make an empty root"))?;
    chdir(PLACE).map_err(step("enter the empty root"))?;
    match pivot_root(".", ".") {
        // The old root lies over the new one: away with it.
        Ok(()) => umount2(".", MntFlags::MNT_DETACH).map_err(step("let the host's tree go"))?,
        // The root of an initramfs cannot be exchanged: it is covered, and our root moved to its cover.
        Err(Errno::EINVAL) => cover()?,
        Err(error) => return Err(step("exchange the root")(error)),
    }
    chdir("/").map_err(step("enter the empty root"))
}

fn cover() -> Result<(), JailError> {
    let none: Option<&str> = None;
    mount(Some("."), "/", none, MsFlags::MS_MOVE, none).map_err(step("cover the root"))?;
    chroot(".").map_err(step("change the root"))
}
