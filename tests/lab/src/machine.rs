//! A lab machine: QEMU in emulation, its network, and commands run in it over SSH.

use crate::{debian, emulator, host_disk::HostDisk};
use anyhow::{Context as _, Result, bail};
use humilis_harness::exec;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// The machine's address.
pub const ADDRESS: &str = "10.78.0.2";
/// This side's address.
const OUR_ADDRESS: &str = "10.78.0.1/24";
/// Floating addresses of its cloud.
pub const FLOATING: &str = "172.24.4.0/24";

const COMMAND_LINE: &str =
    "console=ttyS0 quiet net.ifnames=0 mitigations=off tsc=reliable no_timer_check panic=-1 cgroup_no_v1=all";

/// Where the machine's other end of the cable is.
#[derive(Clone, Debug)]
pub enum Place {
    /// In a namespace of its own, for tests.
    Namespace(String),
    /// On this machine, for people.
    Here,
}

/// What a machine is made of.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Its system.
    pub host: HostDisk,
    /// What is on its payload disk.
    pub payload: PathBuf,
    /// Its memory, MiB.
    pub memory_mib: u32,
    /// Its processors.
    pub cpus: u32,
    /// Where it is reached.
    pub place: Place,
    /// Where its disks and logs lie.
    pub folder: PathBuf,
}

/// A running machine; ended and cleaned up when dropped, unless it was let go.
pub struct Machine {
    qemu: Child,
    plan: Plan,
    tap: String,
    key: PathBuf,
    keep: bool,
}

impl Machine {
    /// Starts it. Its root is a throw-away layer; its data disk in the folder is kept if it is there.
    ///
    /// # Errors
    /// When a disk, the network or QEMU fails.
    pub fn start(plan: Plan) -> Result<Self> {
        fs::create_dir_all(&plan.folder).context("cannot make the machine's folder")?;
        let key = key(&plan.folder)?;
        for (ours, theirs) in [("id_ed25519.pub", "authorized_keys"), ("id_ed25519", "ssh_host_ed25519_key")] {
            fs::copy(plan.folder.join(ours), plan.payload.join(theirs)).context("cannot hand over the key")?;
        }
        let disks = disks(&plan)?;
        let tap = cable(&plan.place)?;
        let (program, options) = emulator::program()?;
        let mut qemu = inside(&plan.place, program);
        qemu.args(options).args(["-nodefaults", "-display", "none", "-no-reboot"]);
        qemu.args(["-smp", &plan.cpus.to_string(), "-m", &plan.memory_mib.to_string()]);
        qemu.arg("-kernel").arg(&plan.host.kernel).arg("-initrd").arg(&plan.host.initrd);
        qemu.arg("-append").arg(format!("{COMMAND_LINE}{}", clock()));
        qemu.arg("-serial").arg(format!("file:{}", plan.folder.join("serial.log").display()));
        for (number, disk) in disks.iter().enumerate() {
            let (format, readonly) =
                if number == 0 { ("qcow2", "off") } else { ("raw", if number == 1 { "on" } else { "off" }) };
            qemu.arg("-drive").arg(format!(
                "if=none,id=d{number},file={},format={format},readonly={readonly},cache=unsafe",
                disk.display()
            ));
            qemu.arg("-device").arg(format!("virtio-blk-pci,drive=d{number},addr=0x{:x}", number + 4));
        }
        qemu.arg("-netdev").arg(format!("tap,id=n,ifname={tap},script=no,downscript=no"));
        qemu.args(["-device", "virtio-net-pci,netdev=n,romfile=,mac=52:54:00:78:00:02", "-device", "virtio-rng-pci"]);
        let log = fs::File::create(plan.folder.join("qemu.log"))?;
        let qemu =
            qemu.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn().context("cannot start QEMU")?;
        fs::write(plan.folder.join("qemu.pid"), qemu.id().to_string())?;
        Ok(Self { qemu, plan, tap, key, keep: false })
    }

    /// Waits until commands can be run in it.
    ///
    /// # Errors
    /// When it ends or takes too long; the error ends with its console's end.
    pub fn wait(&mut self, limit: Duration) -> Result<()> {
        let end = Instant::now() + limit;
        while Instant::now() < end {
            if let Some(status) = self.qemu.try_wait()? {
                bail!("the lab machine ended ({status}): {}", self.console());
            }
            if self.run("true").is_ok() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(500));
        }
        bail!("the lab machine did not come up: {}", self.console())
    }

    /// Runs a shell command in it and gives its output.
    ///
    /// # Errors
    /// When it fails.
    pub fn run(&self, command: &str) -> Result<String> {
        exec::read(&mut self.ssh(command))
    }

    /// A shell command in it, or a shell when it is empty.
    #[must_use]
    pub fn ssh(&self, command: &str) -> Command {
        let mut ssh = inside(&self.plan.place, "ssh");
        ssh.arg("-i").arg(&self.key).args(["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]);
        ssh.args([
            "-o",
            "LogLevel=ERROR",
            "-o",
            "ConnectTimeout=20",
            "-o",
            "BatchMode=yes",
            "-o",
            "ServerAliveInterval=10",
        ]);
        ssh.arg(format!("root@{ADDRESS}"));
        if !command.is_empty() {
            ssh.arg(command);
        }
        ssh
    }

    /// A command of this machine that reaches the lab's addresses.
    #[must_use]
    pub fn outside(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        inside(&self.plan.place, program)
    }

    /// The end of its console.
    #[must_use]
    pub fn console(&self) -> String {
        let text = fs::read(self.plan.folder.join("serial.log")).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<_> = text.lines().rev().take(20).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    /// Whether its emulator has ended, as it does when the machine's kernel panics.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        let state = fs::read_to_string(format!("/proc/{}/stat", self.qemu.id())).unwrap_or_default();
        // Behind the program's name; it stays a zombie until it is waited for.
        state.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with(['Z', 'X']))
    }

    /// Lets it run on when this program ends.
    pub fn let_go(mut self) {
        self.keep = true;
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if self.keep {
            return;
        }
        // Both are gone already when QEMU ended by itself.
        drop(self.qemu.kill());
        drop(self.qemu.wait());
        match &self.plan.place {
            Place::Namespace(name) => drop(exec::read(Command::new("ip").args(["netns", "del", name]))),
            Place::Here => drop(exec::read(Command::new("ip").args(["link", "del", &self.tap]))),
        }
    }
}

fn inside(place: &Place, program: impl AsRef<std::ffi::OsStr>) -> Command {
    match place {
        Place::Here => Command::new(program),
        Place::Namespace(name) => {
            let mut command = Command::new("ip");
            command.args(["netns", "exec", name]).arg(program);
            command
        }
    }
}

/// The emulated processor counts time as this one does. Its kernel must be told how fast that is: where the emulator has to wait for
/// a processor, the kernel would measure a fraction of it, and its clock would run many times too fast.
pub(crate) fn clock() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field =
        |name: &str| text.lines().find(|line| line.starts_with(name))?.split_once(':').map(|(_, value)| value.trim());
    // A virtual machine's frequency is that of its counter; a real one's is what it happens to be.
    let known = field("flags").is_some_and(|flags| flags.split(' ').any(|flag| flag == "hypervisor"));
    let megahertz = field("cpu MHz").filter(|_| known).and_then(|value| value.parse::<f64>().ok());
    megahertz.map_or_else(String::new, |megahertz| format!(" tsc_early_khz={}", (megahertz * 1000.0).round() as u64))
}

/// The tap, its address and the route to floating addresses.
fn cable(place: &Place) -> Result<String> {
    if let Place::Namespace(name) = place {
        exec::read(Command::new("ip").args(["netns", "add", name]))?;
        exec::read(inside(place, "ip").args(["link", "set", "lo", "up"]))?;
    }
    let tap = "humilis-lab0".to_owned();
    // One may be left of a machine that did not end well.
    drop(exec::read(inside(place, "ip").args(["link", "del", &tap])));
    for words in [
        &["tuntap", "add", &tap, "mode", "tap"][..],
        &["addr", "add", OUR_ADDRESS, "dev", &tap],
        &["link", "set", &tap, "up"],
        &["route", "replace", FLOATING, "via", ADDRESS],
    ] {
        exec::read(inside(place, "ip").args(words))?;
    }
    Ok(tap)
}

/// Root layer, payload, data.
fn disks(plan: &Plan) -> Result<[PathBuf; 3]> {
    let [root, payload, data] = ["root.qcow2", "payload.ext4", "data.ext4"].map(|name| plan.folder.join(name));
    let mut layer = Command::new("qemu-img");
    layer.args(["create", "-q", "-f", "qcow2", "-F", "raw", "-b"]).arg(&plan.host.root).arg(&root);
    exec::read(&mut layer)?;
    debian::ext4("Making the payload disk", Some(&plan.payload), &payload, "1500M", &["-m", "0"])?;
    if !data.exists() {
        debian::ext4("Making the data disk", None, &data, "64G", &["-m", "0", "-E", "lazy_itable_init=1"])?;
    }
    Ok([root, payload, data])
}

fn key(folder: &Path) -> Result<PathBuf> {
    let key = folder.join("id_ed25519");
    if !key.exists() {
        exec::read(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key))?;
    }
    Ok(key)
}
