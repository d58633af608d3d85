//! A machine's disk, with a cache of its own as disks have: a power cut takes what was written and not flushed.

use anyhow::{Context as _, Result, ensure};
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_secs(20);

/// A disk that is plugged into power.
///
/// ```text
/// QEMU -> nbdkit: the cache, killed with the power -> qemu-nbd: the medium, a qcow2 file that is closed in order
/// ```
#[derive(Debug)]
pub(super) struct Disk {
    cache: Child,
    medium: Child,
    socket: PathBuf,
}

impl Disk {
    /// Plugs in `NAME.qcow2` of this folder.
    ///
    /// # Errors
    /// When a server does not start.
    pub(super) fn plug(folder: &Path, name: &str) -> Result<Self> {
        let file = |end: &str| folder.join(format!("{name}.{end}"));
        let (below, socket) = (file("medium"), file("socket"));
        for old in [&below, &socket] {
            // A server that was killed leaves its own.
            drop(fs::remove_file(old));
        }
        let log = File::create(file("log"))?;
        let mut medium = Command::new("qemu-nbd");
        medium.args(["--persistent", "--format=qcow2", "--cache=unsafe", "--socket"]);
        let mut medium = spawn(medium.arg(&below).arg(file("qcow2")), &log)?;
        await_socket(&mut medium, &below)?;
        let mut cache = Command::new("nbdkit");
        cache
            .args(["--foreground", "--exit-with-parent", "--filter=cache", "--unix"])
            .arg(&socket)
            .env("TMPDIR", folder);
        let mut cache =
            spawn(cache.arg("nbd").arg(format!("socket={}", below.display())).arg("cache=writeback"), &log)?;
        await_socket(&mut cache, &socket)?;
        Ok(Self { cache, medium, socket })
    }

    /// What QEMU plugs in.
    pub(super) fn drive(&self) -> String {
        format!("format=raw,file.driver=nbd,file.server.type=unix,file.server.path={}", self.socket.display())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(self.cache.kill());
        drop(self.cache.wait());
        // What reached the medium stays: it ends in order.
        if let Ok(pid) = i32::try_from(self.medium.id()) {
            let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGTERM);
        }
        drop(self.medium.wait());
    }
}

fn spawn(command: &mut Command, log: &File) -> Result<Child> {
    let name = command.get_program().to_string_lossy().into_owned();
    let spawned = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log.try_clone()?).spawn();
    spawned.with_context(|| format!("cannot start {name}"))
}

fn await_socket(server: &mut Child, socket: &Path) -> Result<()> {
    let end = Instant::now() + PATIENCE;
    while !socket.exists() {
        ensure!(server.try_wait()?.is_none() && Instant::now() < end, "{} is not served", socket.display());
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}
