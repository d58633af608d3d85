//! A network of this program's own: everything that it and its children make there is gone when the last of them ends.

use anyhow::{Context as _, Result};
use std::{os::unix::process::CommandExt as _, process::Command};

const MARK: &str = "HUMILIS_ISOLATED";
/// Network namespaces that are made inside get names of their own, seen by nobody outside.
const ENTER: &str = "mkdir -p /run/netns; mount -t tmpfs netns /run/netns; ip link set lo up; exec \"$0\" \"$@\"";

/// Starts this program anew in a network and mount namespace of its own; returns in the new one.
///
/// # Errors
/// When the namespaces cannot be made.
pub fn enter() -> Result<()> {
    if std::env::var_os(MARK).is_some() {
        return Ok(());
    }
    let own = std::env::current_exe().context("cannot find this program")?;
    let mut command = Command::new("unshare");
    command.args(["--net", "--mount", "--propagation", "private", "sh", "-c", ENTER]);
    let error = command.arg(own).args(std::env::args_os().skip(1)).env(MARK, "1").exec();
    Err(error).context("cannot enter a namespace")
}
