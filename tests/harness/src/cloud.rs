//! A whole cloud on this machine: a controller, a hostd and their configuration in one folder, in this machine's network
//! namespace or in one of their own.
//!
//! ```text
//! folder/  controller.toml hostd.toml  controller/ hostd/ (state)  controller.log hostd.log  controller.pid hostd.pid
//! ```

use crate::{
    build::Programs,
    exec,
    guest::GuestProcess,
    rest::{Client, Login},
};
use anyhow::{Context as _, Result, bail};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// Floating addresses, and the address of this machine among them.
pub const EXTERNAL: &str = "172.24.4.0/24";
/// This machine's own address in the external network: its gateway.
pub const EXTERNAL_GATEWAY: &str = "172.24.4.1";

/// Where cgroups are mounted; version 1 has a folder per controller there.
pub const CGROUPS: [&str; 4] = ["/sys/fs/cgroup", "/sys/fs/cgroup/memory", "/sys/fs/cgroup/cpu", "/sys/fs/cgroup/pids"];

/// What a cloud is made of.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The programs.
    pub programs: Programs,
    /// Firmware for ordinary disk images; it need not be there for guests that start from a kernel.
    pub firmware: PathBuf,
    /// Where everything lies.
    pub folder: PathBuf,
    /// The network namespace in which it runs; `None`: this machine's.
    pub namespace: Option<String>,
    /// Address by which clients reach it.
    pub address: String,
    /// Address at which hosts dial in.
    pub federation: String,
    /// The first of its ports: REST, then federation, then metrics of controller and hostd, then the operators' API.
    pub port: u16,
    /// The administrator's password.
    pub password: String,
    /// What hostd says that the machine offers: (vCPUs, MiB, GiB); zeros: what it has.
    pub resources: (u32, u64, u64),
    /// What hostd is called; empty: as the machine is.
    pub hostname: String,
    /// The collector to which both daemons send traces; empty: none.
    pub traces: String,
    /// Further lines at the end of the controller's configuration.
    pub controller_lines: String,
}

/// One of the two daemons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Daemon {
    /// The controller.
    Controller,
    /// The host's daemon.
    Hostd,
}

impl Daemon {
    /// Its program's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Controller => "controller",
            Self::Hostd => "hostd",
        }
    }
}

/// A running cloud. Dropped, it ends its daemons and their guests; [`Cloud::let_go`] leaves them running.
#[derive(Debug)]
pub struct Cloud {
    /// What it is made of.
    pub plan: Plan,
    children: Vec<Child>,
    keep: bool,
}

impl Plan {
    /// A cloud for tests: a namespace of its own, and a folder.
    #[must_use]
    pub fn private(programs: Programs, folder: &Path, namespace: &str) -> Self {
        Self {
            programs,
            firmware: "/nonexistent".into(),
            folder: folder.to_owned(),
            namespace: Some(namespace.to_owned()),
            address: "127.0.0.1".to_owned(),
            federation: "127.0.0.1".to_owned(),
            port: 8443,
            password: "secret".to_owned(),
            resources: (0, 0, 0),
            hostname: String::new(),
            traces: String::new(),
            controller_lines: String::new(),
        }
    }

    /// The administrator.
    #[must_use]
    pub fn login(&self) -> Login {
        Login {
            url: self.identity_url(),
            ca: Some(self.ca()),
            user: "admin".to_owned(),
            password: self.password.clone(),
            project: "admin".to_owned(),
        }
    }

    /// Identity's URL.
    #[must_use]
    pub fn identity_url(&self) -> String {
        format!("https://{}:{}/identity/v3", self.address, self.port)
    }

    /// The certificate authority's file.
    #[must_use]
    pub fn ca(&self) -> PathBuf {
        self.folder.join("controller/ca.pem")
    }

    /// The file with which the OpenStack client logs in, as cloud `humilis`.
    #[must_use]
    pub fn clouds_yaml(&self) -> PathBuf {
        self.folder.join("controller/clouds.yaml")
    }

    /// Writes both configuration files.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn write(&self) -> Result<()> {
        fs::create_dir_all(&self.folder).context("cannot make the cloud's folder")?;
        fs::write(self.folder.join("controller.toml"), self.controller())?;
        fs::write(self.folder.join("hostd.toml"), self.hostd())?;
        Ok(())
    }

    fn controller(&self) -> String {
        let (folder, address, password, dialled) =
            (self.folder.display(), &self.address, &self.password, &self.federation);
        let [api, federation, metrics, admin] = [self.port, self.port + 1, self.port + 2, self.port + 4];
        format!(
            "state_directory = '{folder}/controller'\n\
             [api]\nlisten = '{address}:{api}'\npublic_url = 'https://{address}:{api}'\n\
             [federation]\nlisten = '{dialled}:{federation}'\n\
             [metrics]\nlisten = '127.0.0.1:{metrics}'\n\
             [admin]\nlisten = '127.0.0.1:{admin}'\n\
             [trace]\nendpoint = '{}'\n\
             [identity]\nadmin_password = '{password}'\n{}",
            self.traces, self.controller_lines
        )
    }

    fn hostd(&self) -> String {
        let (folder, vmm, firmware) = (self.folder.display(), self.programs.vmm.display(), self.firmware.display());
        let (vcpus, memory, disk) = self.resources;
        let group = self.cgroup();
        let [federation, metrics] = [self.port + 1, self.port + 3];
        format!(
            "state_dir = '{folder}/hostd'\nhostname = '{}'\n\
             [controller]\nurl = 'https://{}:{federation}'\n\
             [resources]\nvcpus = {vcpus}\nmemory_mib = {memory}\ndisk_gib = {disk}\n\
             [guests]\nvmm = '{vmm}'\nfirmware = '{firmware}'\ncgroup_parent = '{group}'\n\
             [network.physical.public]\ninterface = 'br-ex'\ncreate = true\nhost_addresses = ['{EXTERNAL_GATEWAY}/24']\nmasquerade = true\n\
             [local]\nmetrics = '127.0.0.1:{metrics}'\n\
             [trace]\nendpoint = '{}'\n",
            self.hostname, self.federation, self.traces
        )
    }

    /// The cgroup of its guests' cgroups: the folder's name, so that clouds on one machine have nothing in common.
    #[must_use]
    pub fn cgroup(&self) -> String {
        self.folder.file_name().map_or_else(|| "humilis".to_owned(), |name| name.to_string_lossy().into_owned())
    }

    /// A program that runs where the cloud runs.
    #[must_use]
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        match &self.namespace {
            None => Command::new(program),
            Some(name) => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", name]).arg(program);
                command
            }
        }
    }

    fn config(&self, daemon: Daemon) -> PathBuf {
        self.folder.join(format!("{}.toml", daemon.name()))
    }
}

impl Cloud {
    /// The cloud of this plan as it is, running or not; dropped, it is left so.
    #[must_use]
    pub fn attach(plan: Plan) -> Self {
        Self { plan, children: Vec::new(), keep: true }
    }

    /// Ends it.
    pub fn down(mut self) {
        self.keep = false;
        let config = self.plan.config(Daemon::Hostd);
        if config.exists() {
            self.end(Daemon::Hostd, Signal::SIGTERM);
            let mut hostd = Command::new(&self.plan.programs.hostd);
            // What it cannot take away it says, and nobody needs it.
            drop(exec::show(hostd.arg("--config").arg(config).args(["dismantle", "--seconds", "10"])));
        }
    }

    /// Starts both daemons and waits until they answer; the host enrols at the first start.
    ///
    /// # Errors
    /// When a daemon does not come up; the error ends with its log's end.
    pub fn start(plan: Plan) -> Result<Self> {
        let mut cloud = Self::start_controller(plan)?;
        cloud.enrol(&[])?;
        cloud.launch(Daemon::Hostd, &[])?;
        Ok(cloud)
    }

    /// Starts the controller alone, and waits until it answers.
    ///
    /// # Errors
    /// When it does not come up; the error ends with its log's end.
    pub fn start_controller(plan: Plan) -> Result<Self> {
        plan.write()?;
        if let Some(name) = &plan.namespace {
            exec::read(Command::new("ip").args(["netns", "add", name]))?;
            exec::read(plan.command("ip").args(["link", "set", "lo", "up"]))?;
        }
        let mut cloud = Self { plan, children: Vec::new(), keep: false };
        cloud.launch(Daemon::Controller, &[])?;
        cloud.await_controller()?;
        Ok(cloud)
    }

    /// Starts a daemon, with further variables in its environment.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn launch(&mut self, daemon: Daemon, variables: &[(&str, &str)]) -> Result<()> {
        let program = match daemon {
            Daemon::Controller => &self.plan.programs.controller,
            Daemon::Hostd => &self.plan.programs.hostd,
        };
        let log = self.plan.folder.join(format!("{}.log", daemon.name()));
        let log = fs::OpenOptions::new().create(true).append(true).open(log)?;
        let mut command = self.plan.command(program);
        command.arg("--config").arg(self.plan.config(daemon));
        if daemon == Daemon::Controller {
            command.arg("serve");
        }
        command.envs(variables.iter().copied());
        let child = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn();
        let child = child.with_context(|| format!("cannot start {}", daemon.name()))?;
        fs::write(self.pid_file(daemon), child.id().to_string())?;
        self.children.push(child);
        Ok(())
    }

    fn pid_file(&self, daemon: Daemon) -> PathBuf {
        self.plan.folder.join(format!("{}.pid", daemon.name()))
    }

    /// A daemon's process.
    #[must_use]
    pub fn pid(&self, daemon: Daemon) -> Option<i32> {
        fs::read_to_string(self.pid_file(daemon)).ok()?.trim().parse().ok()
    }

    /// Whether a daemon's process is there.
    pub fn runs(&mut self, daemon: Daemon) -> bool {
        let Some(pid) = self.pid(daemon) else { return false };
        let ours = self.children.iter_mut().find(|child| child.id().cast_signed() == pid);
        match ours {
            Some(child) => matches!(child.try_wait(), Ok(None)),
            None => Path::new(&format!("/proc/{pid}")).exists(),
        }
    }

    /// Ends a daemon by a signal and waits until it is gone.
    pub fn end(&mut self, daemon: Daemon, signal: Signal) {
        let Some(pid) = self.pid(daemon) else { return };
        // It may be gone already.
        let _ = kill(Pid::from_raw(pid), signal);
        let deadline = Instant::now() + Duration::from_secs(15);
        while self.runs(daemon) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.children.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
    }

    /// Waits until identity answers.
    ///
    /// # Errors
    /// When it ends or takes longer than a minute.
    pub fn await_controller(&mut self) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(60);
        let probe = ["-s", "-o", "/dev/null", "--max-time", "5", "--cacert"];
        while Instant::now() < deadline {
            let url = self.plan.identity_url();
            if exec::read(self.plan.command("curl").args(probe).arg(self.plan.ca()).arg(url)).is_ok() {
                return Ok(());
            }
            if !self.runs(Daemon::Controller) {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        bail!("the controller does not answer: {}", self.log_end(Daemon::Controller))
    }

    /// Makes the host a member, with further variables in the environment of the program that does it; nothing if it is one.
    ///
    /// # Errors
    /// When the controller does not let it in, or that program ends early.
    pub fn enrol(&self, variables: &[(&str, &str)]) -> Result<()> {
        if self.plan.folder.join("hostd/identity").join("certificate.pem").exists() {
            return Ok(());
        }
        let (token, fingerprint) = self.join_token()?;
        let mut enrol = self.plan.command(&self.plan.programs.hostd);
        enrol.arg("--config").arg(self.plan.config(Daemon::Hostd)).arg("enrol");
        enrol.args(["--controller", &self.federation_url()]);
        enrol.args(["--ca-fingerprint", &fingerprint, "--token", &token]);
        exec::read(enrol.envs(variables.iter().copied())).map(drop).context("the host could not join")
    }

    /// A join token, and the fingerprint of the authority.
    ///
    /// # Errors
    /// When the controller gives none.
    pub fn join_token(&self) -> Result<(String, String)> {
        let said =
            exec::read(self.controller(&["join-token"]).arg("--config").arg(self.plan.config(Daemon::Controller)))?;
        // The line is: token, then the authority's fingerprint.
        let (token, fingerprint) = said.trim().split_once(" sha256:").context("join-token printed no fingerprint")?;
        Ok((token.to_owned(), fingerprint.to_owned()))
    }

    /// Where hosts dial in.
    #[must_use]
    pub fn federation_url(&self) -> String {
        format!("https://{}:{}", self.plan.federation, self.plan.port + 1)
    }

    /// The controller's command line.
    #[must_use]
    pub fn controller(&self, words: &[&str]) -> Command {
        let mut command = self.plan.command(&self.plan.programs.controller);
        command.args(words);
        command
    }

    /// What `controller audit` finds: nothing, if all is well.
    ///
    /// # Errors
    /// When something does not fit; the error is its findings.
    pub fn audit(&self) -> Result<()> {
        let mut audit = self.controller(&["audit"]);
        let output = audit.arg("--config").arg(self.plan.config(Daemon::Controller)).output()?;
        if !output.status.success() {
            let said = [output.stdout, output.stderr].concat();
            bail!("the audit finds: {}", String::from_utf8_lossy(&said).trim());
        }
        Ok(())
    }

    /// A client that is logged in as the administrator. The namespace must be entered by who calls.
    ///
    /// # Errors
    /// When identity refuses.
    pub async fn client(&self) -> Result<Client> {
        Client::login(&self.plan.login()).await
    }

    /// The end of a daemon's log.
    #[must_use]
    pub fn log_end(&self, daemon: Daemon) -> String {
        let text = fs::read_to_string(self.plan.folder.join(format!("{}.log", daemon.name()))).unwrap_or_default();
        let lines: Vec<_> = text.lines().rev().take(15).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    /// Leaves everything running when this program ends.
    pub fn let_go(mut self) {
        self.keep = true;
    }
}

/// Removes a cgroup with those in it; a process that has just ended keeps its own busy for a moment.
pub(crate) fn drop_cgroups(name: &str) {
    for mount in CGROUPS {
        let parent = Path::new(mount).join(name);
        let groups = fs::read_dir(&parent).into_iter().flatten().flatten().map(|entry| entry.path());
        let groups: Vec<_> = groups.filter(|group| group.is_dir()).chain([parent.clone()]).collect();
        for _ in 0..20 {
            groups.iter().for_each(|group| drop(fs::remove_dir(group)));
            if !parent.exists() {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        if self.keep {
            return;
        }
        for daemon in [Daemon::Hostd, Daemon::Controller] {
            self.end(daemon, Signal::SIGTERM);
        }
        for guest in GuestProcess::all(&self.plan.folder) {
            guest.kill();
        }
        drop_cgroups(&self.plan.cgroup());
        if let Some(name) = &self.plan.namespace {
            drop(exec::read(Command::new("ip").args(["netns", "del", name])));
        }
    }
}

/// Processes of guests whose files lie in this folder.
#[must_use]
pub fn guests(folder: &Path) -> Vec<i32> {
    GuestProcess::all(folder).into_iter().map(|guest| guest.pid).collect()
}
