//! A further machine of a cloud: a hostd in a network namespace of its own, on an underlay and in the external network.
//!
//! ```text
//! this program's namespace:   under 192.0.2.1        outer 172.24.4.1, plays the outside
//!                               |       |              |      |
//! a namespace for each host:  under   under          br-ex  br-ex
//!                             .11     .12
//! ```
//! The program must be in a namespace of its own (`isolate`).

use crate::{
    cloud::{Cloud, EXTERNAL_GATEWAY, drop_cgroups},
    exec,
    guest::GuestProcess,
};
use anyhow::{Context as _, Result, ensure};
use nix::{
    mount::{MntFlags, umount2},
    sched::{CloneFlags, setns},
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use std::{
    cell::Cell,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
};

/// This program's address on the underlay: where a controller listens.
pub const UNDERLAY: &str = "192.0.2.1";

/// The table that drops packets.
const CUT: &str = "cut";

/// Which packets between a host and its controller are dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// All.
    Both,
    /// Those to the host.
    Inward,
    /// Those from the host.
    Outward,
}

/// A host; dropped, it ends with its guests.
#[derive(Debug)]
pub struct Host {
    /// As operators see it, and its namespace.
    pub name: String,
    /// Its address on the underlay.
    pub address: String,
    folder: PathBuf,
    program: PathBuf,
    child: Option<Child>,
    plugged: Cell<bool>,
}

/// Lays the two wires to which hosts are plugged.
///
/// # Errors
/// When they cannot be made.
pub fn wires() -> Result<()> {
    for (bridge, address) in [("under", UNDERLAY), ("outer", EXTERNAL_GATEWAY)] {
        ip(&format!("link add {bridge} type bridge"))?;
        ip(&format!("addr add {address}/24 dev {bridge}"))?;
        ip(&format!("link set {bridge} up"))?;
    }
    Ok(())
}

impl Host {
    /// Makes the machine `node-NUMBER` (from 1 to 99), plugs it in and starts its hostd, which joins by a token.
    ///
    /// # Errors
    /// When something of that fails.
    pub fn start(cloud: &Cloud, number: u8) -> Result<Self> {
        let (name, address) = (format!("node-{number}"), format!("192.0.2.{}", 10 + number));
        let folder = cloud.plan.folder.join(&name);
        fs::create_dir_all(folder.join("netns"))?;
        let mut host = Self {
            name,
            address,
            folder,
            program: cloud.plan.programs.hostd.clone(),
            child: None,
            plugged: Cell::new(false),
        };
        host.configure(cloud, number)?;
        host.cable()?;
        host.plug()?;
        host.launch()?;
        Ok(host)
    }

    fn configure(&self, cloud: &Cloud, number: u8) -> Result<()> {
        let (token, fingerprint) = cloud.join_token()?;
        let (folder, vmm) = (self.folder.display(), cloud.plan.programs.vmm.display());
        let (name, address, url) = (&self.name, &self.address, cloud.federation_url());
        let (first_uid, group) = (1_900_000_000 + 65_536 * u32::from(number), self.cgroup());
        let text = format!(
            "state_dir = '{folder}/hostd'\nhostname = '{name}'\n\
             [controller]\nurl = '{url}'\nca_fingerprint = '{fingerprint}'\njoin_token = '{token}'\n\
             [guests]\nvmm = '{vmm}'\nfirmware = '/nonexistent'\ncgroup_parent = '{group}'\nfirst_uid = {first_uid}\n\
             [network]\nunderlay_address = '{address}'\nnamespace_dir = '{folder}/netns'\n\
             [network.physical.public]\ninterface = 'br-ex'\n[local]\nmetrics = ''\n"
        );
        fs::write(self.folder.join("hostd.toml"), text).context("cannot write the host's configuration")
    }

    fn cgroup(&self) -> String {
        let cloud = self.folder.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned();
        format!("{cloud}-{}", self.name)
    }

    /// Its namespace, its bridge, and cables whose other ends are in nothing yet.
    fn cable(&self) -> Result<()> {
        let Self { name, address, .. } = self;
        ip(&format!("netns add {name}"))?;
        ip(&format!("-n {name} link set lo up"))?;
        ip(&format!("-n {name} link add br-ex type bridge"))?;
        ip(&format!("-n {name} link set br-ex up"))?;
        for (wire, inside) in [("under", "under"), ("outer", "ext")] {
            ip(&format!("link add {wire}-{name} type veth peer name {inside} netns {name}"))?;
            ip(&format!("-n {name} link set {inside} up"))?;
        }
        ip(&format!("-n {name} link set ext master br-ex"))?;
        ip(&format!("-n {name} addr add {address}/24 dev under"))
    }

    /// Plugs both cables in.
    ///
    /// # Errors
    /// When a cable is not there.
    pub fn plug(&self) -> Result<()> {
        self.plugged.set(true);
        ["under", "outer"].iter().try_for_each(|wire| ip(&format!("link set {wire}-{} master {wire} up", self.name)))
    }

    /// Pulls both cables out: nobody hears of the machine any more.
    ///
    /// # Errors
    /// When a cable is not there.
    pub fn unplug(&self) -> Result<()> {
        self.plugged.set(false);
        ["under", "outer"].iter().try_for_each(|wire| ip(&format!("link set {wire}-{} down", self.name)))
    }

    /// Drops packets between the host and this program's address on the underlay, until [`Host::heal`]; other hosts are not concerned.
    ///
    /// # Errors
    /// When the filter cannot be set.
    pub fn cut(&self, cut: Cut) -> Result<()> {
        let chain = |hook: &str, which: &str| {
            format!("chain {hook} {{\ntype filter hook {hook} priority -400;\nip {which} {UNDERLAY} drop\n}}\n")
        };
        let (inward, outward) = (chain("input", "saddr"), chain("output", "daddr"));
        let chains = match cut {
            Cut::Both => inward + &outward,
            Cut::Inward => inward,
            Cut::Outward => outward,
        };
        let rules = self.folder.join("cut.nft");
        fs::write(&rules, format!("table inet {CUT} {{\n{chains}}}\n"))?;
        exec::read(self.command("nft").arg("-f").arg(rules)).map(drop)
    }

    /// Lets all packets through again.
    ///
    /// # Errors
    /// When there was no cut.
    pub fn heal(&self) -> Result<()> {
        exec::read(self.command("nft").args(["delete", "table", "inet", CUT])).map(drop)
    }

    /// Whether its cables are plugged in.
    #[must_use]
    pub fn is_plugged(&self) -> bool {
        self.plugged.get()
    }

    /// Starts its hostd.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn launch(&mut self) -> Result<()> {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.folder.join("hostd.log"))?;
        let mut command = self.command(&self.program);
        command.arg("--config").arg(self.folder.join("hostd.toml"));
        let child = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn();
        self.child = Some(child.context("cannot start hostd")?);
        Ok(())
    }

    /// Ends its hostd; its guests run on.
    pub fn end(&mut self, signal: Signal) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself.
            let _ = kill(Pid::from_raw(child.id().cast_signed()), signal);
            let _ = child.wait();
        }
    }

    /// A program in its namespace; files are those of this program.
    #[must_use]
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/run/netns/{}", self.name)).arg(program);
        command
    }

    /// Work in one of the namespaces that its hostd made.
    ///
    /// # Errors
    /// When there is no such namespace, or the work fails.
    pub fn inside<T: Send>(&self, namespace: &str, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        let path = self.folder.join("netns").join(namespace);
        let namespace = File::open(&path).with_context(|| format!("cannot open {}", path.display()))?;
        let work = move || {
            setns(namespace, CloneFlags::CLONE_NEWNET).context("cannot enter a namespace")?;
            work()
        };
        let done = thread::scope(|scope| scope.spawn(work).join());
        done.map_err(|_| anyhow::anyhow!("work in a namespace panicked"))?
    }

    /// What its hostd has and nobody wants: nothing, if all is well.
    ///
    /// # Errors
    /// When there is something; the error names it.
    pub fn audit(&self) -> Result<()> {
        let mut audit = self.command(&self.program);
        let output = audit.arg("--config").arg(self.folder.join("hostd.toml")).arg("audit").output()?;
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        ensure!(output.status.success() && !said.contains("\"explained\":false"), "{}: {}", self.name, said.trim());
        Ok(())
    }

    /// Names of the namespaces that its hostd made.
    #[must_use]
    pub fn namespaces(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.join("netns")).into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    }

    /// Processes of its guests.
    #[must_use]
    pub fn guests(&self) -> Vec<GuestProcess> {
        GuestProcess::all(&self.folder)
    }

    /// Its hostd's log.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("hostd.log")).unwrap_or_default()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.end(Signal::SIGTERM);
        for guest in self.guests() {
            guest.kill();
        }
        // Its folder can be removed only when nothing is mounted there.
        for namespace in self.namespaces() {
            // Its hostd may have removed it by itself.
            let _ = umount2(&self.folder.join("netns").join(namespace), MntFlags::MNT_DETACH);
        }
        let _ = umount2(&self.folder.join("netns"), MntFlags::MNT_DETACH);
        drop_cgroups(&self.cgroup());
    }
}

fn ip(words: &str) -> Result<()> {
    exec::read(Command::new("ip").args(words.split_whitespace())).map(drop)
}
