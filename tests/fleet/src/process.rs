//! A controller that can be started again on the same ports.

use anyhow::{Context as _, Result, bail};
use humilis_harness::{
    exec,
    rest::{Client, Login},
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command},
    time::Duration,
};

/// The administrator's password.
const PASSWORD: &str = "secret";
/// How long a start may take.
const START: Duration = Duration::from_secs(120);

/// The process and where it is.
pub struct Process {
    program: PathBuf,
    folder: PathBuf,
    child: Option<Child>,
    api: u16,
    federation: u16,
}

impl Process {
    /// Starts one in this folder, on a database or its own.
    pub fn start(program: &Path, folder: &Path, database: &str) -> Result<Self> {
        let ports: Vec<TcpListener> = (0..4).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<Result<_, _>>()?;
        let ports: Vec<u16> = ports.iter().map(|port| Ok(port.local_addr()?.port())).collect::<Result<_>>()?;
        let [api, federation, metrics, admin] = ports.as_slice() else { bail!("four ports are wanted") };
        let config = format!(
            "state_directory = '{}'\n[database]\nurl = '{database}'\n[api]\nlisten = '127.0.0.1:{api}'\ntls = 'off'\n\
             [federation]\nlisten = '127.0.0.1:{federation}'\n[metrics]\nlisten = '127.0.0.1:{metrics}'\n\
             [admin]\nlisten = '127.0.0.1:{admin}'\n[identity]\nadmin_password = '{PASSWORD}'\n[log]\nfilter = 'warn'\n",
            folder.join("state").display()
        );
        fs::write(folder.join("controller.toml"), config)?;
        let (program, folder) = (program.to_owned(), folder.to_owned());
        let mut process = Self { program, folder, child: None, api: *api, federation: *federation };
        process.launch()?;
        Ok(process)
    }

    /// Starts it anew, as it was.
    pub fn launch(&mut self) -> Result<()> {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.folder.join("log"))?;
        let mut command = self.command();
        command.arg("serve").stdout(log.try_clone()?).stderr(log);
        self.child = Some(command.spawn().with_context(|| format!("cannot start {}", self.program.display()))?);
        Ok(())
    }

    /// Ends it in an orderly way.
    pub fn stop(&mut self) -> Result<()> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGTERM)?;
        child.wait()?;
        Ok(())
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("--config").arg(self.folder.join("controller.toml"));
        command
    }

    /// The federation's address.
    pub fn federation(&self) -> String {
        format!("https://127.0.0.1:{}", self.federation)
    }

    /// The federation's authority.
    pub fn ca(&self) -> Result<String> {
        fs::read_to_string(self.folder.join("state/ca.pem")).context("the controller made no authority")
    }

    /// A join token for so many machines.
    pub fn token(&self, uses: usize) -> Result<String> {
        let said = exec::read(self.command().args(["join-token", "--uses", &uses.to_string()]))?;
        said.split_whitespace().next().map(str::to_owned).context("there is no token")
    }

    /// The administrator, as soon as identity answers.
    pub async fn login(&self) -> Result<Client> {
        self.login_to("admin").await
    }

    /// The administrator in another project.
    pub async fn login_to(&self, project: &str) -> Result<Client> {
        let login = Login {
            url: format!("http://127.0.0.1:{}/identity/v3", self.api),
            ca: None,
            user: "admin".to_owned(),
            password: PASSWORD.to_owned(),
            project: project.to_owned(),
        };
        Client::login_when_up(&login, START, &self.folder.join("log")).await
    }

    /// Processor time so far, seconds.
    pub fn cpu(&self) -> Result<f64> {
        let stat = self.read("stat")?;
        let (_, fields) = stat.rsplit_once(')').context("stat is malformed")?;
        let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<f64>);
        Ok(ticks.sum::<Result<f64, _>>()? / 100.0)
    }

    /// Resident memory now and at most so far, MiB.
    pub fn memory(&self) -> Result<(f64, f64)> {
        let status = self.read("status")?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
            kib.map(|kib| kib / 1024.0).with_context(|| format!("status has no {name}"))
        };
        Ok((field("VmRSS:")?, field("VmHWM:")?))
    }

    fn read(&self, file: &str) -> Result<String> {
        let pid = self.child.as_ref().context("the controller does not run")?.id();
        fs::read_to_string(format!("/proc/{pid}/{file}")).context("the controller has ended")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // It may have ended already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
