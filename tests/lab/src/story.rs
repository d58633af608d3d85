//! The lab's story: an unmodified Debian, started by OpenStack's own client, reached over SSH, and gone without a trace.

use crate::{
    cloud::{Cloud, PHYSICAL_NETWORK},
    guest_disk::{self, GuestDisk},
    hang::Watch,
    machine::Place,
};
use anyhow::{Context as _, Result, bail, ensure};
use humilis_harness::{build::Programs, exec};
use serde_json::Value;
use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// A guest in an emulated host starts slowly.
const BOOT: Duration = Duration::from_secs(600);

/// Tells it; once more where the emulated machine itself died of it, or a guest hung in emulation.
///
/// # Errors
/// The first step that fails, with the daemons' logs.
pub fn run(programs: &Programs, client: &Path) -> Result<()> {
    if once(programs, client)? || once(programs, client)? {
        return Ok(());
    }
    bail!("the emulation failed twice")
}

/// Whether the emulation lived to its end.
fn once(programs: &Programs, client: &Path) -> Result<bool> {
    let started = Instant::now();
    let disk = guest_disk::get()?;
    let folder = tempfile::Builder::new().prefix("humilis-story-").tempdir()?;
    let place = Place::Namespace(format!("humilis-story-{}", std::process::id()));
    let cloud = Cloud::start(programs, folder.path(), place)?;
    println!("{:<44} {:>6.1} s", "the lab's cloud answers", started.elapsed().as_secs_f64());
    let (client, watch) = (client.join("bin/openstack"), Mutex::new(Watch::of_restless()));
    let story = Story { cloud: &cloud, client, folder: folder.path(), watch: &watch };
    let told = story.tell(&disk);
    if told.is_err() && (story.hangs() || cloud.died()) {
        return Ok(false);
    }
    told.map_err(|error| error.context(cloud.logs()))?;
    println!("{:<44} {:>6.1} s", "all", started.elapsed().as_secs_f64());
    Ok(true)
}

struct Story<'a> {
    cloud: &'a Cloud,
    client: PathBuf,
    folder: &'a Path,
    watch: &'a Mutex<Watch>,
}

impl Story<'_> {
    fn tell(&self, disk: &GuestDisk) -> Result<()> {
        self.step("token issue", "token issue")?;
        let image =
            format!("image create --disk-format qcow2 --container-format bare --file {} debian", disk.disk.display());
        std::thread::scope(|scope| {
            let upload = scope.spawn(|| self.step("image create", &image));
            self.prepare()?;
            upload.join().map_err(|_| anyhow::anyhow!("the upload's thread panicked"))?.map(drop)
        })?;
        self.step(
            "server create",
            "server create --flavor small --image debian --network private --key-name key --security-group open --wait web",
        )?;
        let made = self.step("floating ip create", "floating ip create public")?;
        let address = made["floating_ip_address"].as_str().context("a floating IP has no address")?.to_owned();
        self.step("server add floating ip", &format!("server add floating ip web {address}"))?;
        self.timed("ssh", || self.ssh(&address, "uname -r"))?;
        let console = self.timed("console log show", || self.text("console log show web"))?;
        ensure!(console.contains("login:") || console.contains("cloud-init"), "the console tells nothing: {console}");
        self.step("server stop", "server stop web")?;
        self.status("web", "SHUTOFF")?;
        self.step("server start", "server start web")?;
        self.status("web", "ACTIVE")?;
        // A guest that is still starting would not hear the power button before its time is over.
        self.step("server reboot", "server reboot --hard --wait web")?;
        self.step("server delete", "server delete --wait web")?;
        self.clean(&address)?;
        self.timed("nothing is left", || self.cloud.audit())
    }

    /// What a server needs around it.
    fn prepare(&self) -> Result<()> {
        self.step("flavor create", "flavor create --ram 512 --disk 4 --vcpus 1 small")?;
        let external = format!(
            "network create --external --provider-network-type flat --provider-physical-network {PHYSICAL_NETWORK} public"
        );
        self.step("network create, external", &external)?;
        let pool = "--subnet-range 172.24.4.0/24 --gateway 172.24.4.1 --no-dhcp --allocation-pool start=172.24.4.10,end=172.24.4.200";
        self.step("subnet create, external", &format!("subnet create --network public {pool} public"))?;
        self.step("network create", "network create private")?;
        self.step("subnet create", "subnet create --network private --subnet-range 10.20.0.0/24 private")?;
        self.step("router create", "router create --external-gateway public router")?;
        self.step("router add subnet", "router add subnet router private")?;
        let key = self.timed("keypair create", || self.text("keypair create key"))?;
        fs::write(self.key(), key)?;
        fs::set_permissions(self.key(), fs::Permissions::from_mode(0o600))?;
        self.step("security group create", "security group create open")?;
        self.step("security group rule create, ICMP", "security group rule create --protocol icmp open")?;
        self.step("security group rule create, SSH", "security group rule create --protocol tcp --dst-port 22 open")
            .map(drop)
    }

    fn clean(&self, address: &str) -> Result<()> {
        self.timed("delete the rest", || {
            for command in [
                &format!("floating ip delete {address}"),
                "router remove subnet router private",
                "router delete router",
                "network delete private public",
                "security group delete open",
                "keypair delete key",
                "image delete debian",
                "flavor delete small",
            ] {
                self.text(command)?;
            }
            Ok(())
        })
    }

    fn key(&self) -> PathBuf {
        self.folder.join("guest-key")
    }

    /// Runs a command of the client that makes or shows something, and gives it.
    fn step(&self, title: &str, command: &str) -> Result<Value> {
        let shows = command.contains(" create ") || command.contains(" issue") || command.contains(" show ");
        let format = if shows { " -f json" } else { "" };
        let text = self.timed(title, || self.text(&format!("{command}{format}")))?;
        // With --wait, progress stands before the object.
        let object = text.find('{').map_or("", |start| &text[start..]);
        if shows { serde_json::from_str(object).with_context(|| format!("{title}: {text}")) } else { Ok(Value::Null) }
    }

    fn text(&self, command: &str) -> Result<String> {
        let mut client = self.cloud.machine().outside(&self.client);
        client.env("OS_CLIENT_CONFIG_FILE", self.cloud.clouds_yaml()).args(["--os-cloud", "humilis"]);
        exec::read(client.args(command.split_whitespace()))
    }

    /// Whether the guest hangs, so that nothing is worth waiting for.
    fn hangs(&self) -> bool {
        self.watch.lock().unwrap_or_else(PoisonError::into_inner).sees(self.cloud.machine())
    }

    fn status(&self, server: &str, wanted: &str) -> Result<()> {
        self.timed(&format!("until {wanted}"), || {
            let end = Instant::now() + BOOT;
            loop {
                let status = self.text(&format!("server show {server} -f value -c status"))?;
                match status.trim() {
                    found if found == wanted => return Ok(()),
                    "ERROR" => bail!("the server is in ERROR: {}", self.text(&format!("server show {server}"))?),
                    found if Instant::now() > end || self.hangs() => bail!("the server is {found}, not {wanted}"),
                    _ => {}
                }
            }
        })
    }

    /// Runs a command in the guest, as soon as it lets us in. One that hangs in emulation is started again, once.
    fn ssh(&self, address: &str, command: &str) -> Result<String> {
        let (mut end, mut again) = (Instant::now() + BOOT, false);
        loop {
            let mut ssh = self.cloud.machine().outside("ssh");
            ssh.arg("-i").arg(self.key()).args([
                "-o",
                "StrictHostKeyChecking=no",
                "-o",
                "UserKnownHostsFile=/dev/null",
            ]);
            ssh.args(["-o", "ConnectTimeout=30", "-o", "BatchMode=yes", "-o", "LogLevel=ERROR"]);
            match exec::read(ssh.arg(format!("debian@{address}")).arg(command)) {
                Ok(answer) => {
                    println!("  guest: {}", answer.trim());
                    return Ok(answer);
                }
                Err(_) if !again && self.hangs() => {
                    self.step("server reboot, of the guest that hangs", "server reboot --hard --wait web")?;
                    *self.watch.lock().unwrap_or_else(PoisonError::into_inner) = Watch::of_restless();
                    (end, again) = (Instant::now() + BOOT, true);
                }
                Err(error) if Instant::now() > end || self.hangs() => {
                    let console = self.text("console log show --lines 40 web").unwrap_or_default();
                    return Err(error.context(console));
                }
                Err(_) => std::thread::sleep(Duration::from_secs(1)),
            }
        }
    }

    fn timed<T>(&self, title: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let started = Instant::now();
        let result = work();
        println!(
            "{title:<44} {:>6.1} s{}",
            started.elapsed().as_secs_f64(),
            if result.is_ok() { "" } else { "  failed" }
        );
        result.with_context(|| title.to_owned())
    }
}
