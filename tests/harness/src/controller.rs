//! A controller alone, over plain HTTP on loopback: for what needs no host.

use crate::rest::{Client, Login};
use anyhow::{Context as _, Result};
use std::{
    fs::{self, File},
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command},
    time::Duration,
};

/// The administrator's password.
pub const PASSWORD: &str = "secret";
/// How long a start may take, on a busy machine.
const START: Duration = Duration::from_secs(60);

/// A running controller; killed when it is dropped.
#[derive(Debug)]
pub struct Controller {
    child: Child,
    folder: PathBuf,
    /// Where its REST APIs are.
    pub address: SocketAddr,
}

impl Controller {
    /// Starts one whose configuration, state and log lie in the folder. `settings` are further lines of its configuration.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(program: &Path, folder: &Path, settings: &str) -> Result<Self> {
        let [api, federation, metrics, admin] = free_ports()?;
        let (config, state) = (folder.join("controller.toml"), folder.join("state"));
        let text = format!(
            "state_directory = '{}'\n[api]\nlisten = '{api}'\ntls = 'off'\n[federation]\nlisten = '{federation}'\n\
             [metrics]\nlisten = '{metrics}'\n[admin]\nlisten = '{admin}'\n[identity]\nadmin_password = '{PASSWORD}'\n{settings}\n",
            state.display()
        );
        fs::write(&config, text).with_context(|| format!("cannot write {}", config.display()))?;
        let log = File::create(folder.join("controller.log"))?;
        let mut command = Command::new(program);
        command.arg("--config").arg(config).arg("serve").stdout(log.try_clone()?).stderr(log);
        let child = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        Ok(Self { child, folder: folder.to_owned(), address: api })
    }

    /// Identity's URL.
    #[must_use]
    pub fn identity_url(&self) -> String {
        format!("http://{}/identity/v3", self.address)
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The file with which the OpenStack client logs in as the administrator.
    #[must_use]
    pub fn clouds_yaml(&self) -> PathBuf {
        self.folder.join("state/clouds.yaml")
    }

    /// Where its identity service is, as the catalog would say.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}/identity", self.address)
    }

    /// Logs the administrator in, as soon as it answers. Identity is asked here, whatever a shared catalog says.
    ///
    /// # Errors
    /// When it does not in time; the error holds its log.
    pub async fn login(&self) -> Result<Client> {
        let login = Login {
            url: self.identity_url(),
            ca: None,
            user: "admin".to_owned(),
            password: PASSWORD.to_owned(),
            project: "admin".to_owned(),
        };
        let client = Client::login_when_up(&login, START, &self.folder.join("controller.log")).await?;
        Ok(client.at("identity", self.endpoint()))
    }

    /// `kill -9`, at once.
    pub fn kill(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Ports of loopback that nobody has; somebody may be quicker, which the start then tells.
fn free_ports() -> Result<[SocketAddr; 4]> {
    let listener = || TcpListener::bind("127.0.0.1:0");
    let listeners = [listener()?, listener()?, listener()?, listener()?];
    let [api, federation, metrics, admin] = listeners.each_ref().map(TcpListener::local_addr);
    Ok([api?, federation?, metrics?, admin?])
}
