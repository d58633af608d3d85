//! What an update does to the machine.

use super::{
    bundle,
    standing::{Standing, standing},
};
use crate::update::{self, Outcome};
use anyhow::{Context as _, bail};
use async_trait::async_trait;
use hostd_kit::run::{RunError, run};
use std::{
    fs::{self, DirEntry},
    path::{Path, PathBuf},
    time::Duration,
};

/// A slow disk may take so long.
const PATIENCE: Duration = Duration::from_secs(3600);
/// The unit in which a bundle is installed: outside of hostd's own, so that it ends whatever becomes of hostd.
const UNIT: &str = "humilis-install-update.service";
/// The exit status of `hostd update` with nothing new.
const NOTHING_NEW: i32 = 3;

/// The machine, as [`super::Delivery`] uses it: one call at a time.
#[async_trait]
pub trait Machine: Send + Sync + 'static {
    /// Where a version stands.
    ///
    /// # Errors
    /// When the machine takes no updates.
    fn look(&self, version: &str) -> anyhow::Result<Standing>;
    /// Where the version's bundle is kept while it comes.
    fn place(&self, version: &str) -> PathBuf;
    /// Checks the bundle that lies there and puts it into the slot that does not run; the bundle goes.
    ///
    /// # Errors
    /// When nobody who is trusted signed it, it is damaged, or there is no place for it.
    async fn install(&self, version: &str) -> anyhow::Result<Outcome>;
    /// Starts the machine again, its guests being asked to power off first.
    ///
    /// # Errors
    /// When it cannot be asked for.
    async fn restart(&self) -> anyhow::Result<()>;
}

/// The appliance.
#[derive(Clone, Copy, Debug, Default)]
pub struct Appliance;

#[async_trait]
impl Machine for Appliance {
    fn look(&self, version: &str) -> anyhow::Result<Standing> {
        let Some(running) = update::running()? else { bail!("this host is no appliance: it takes no updates") };
        let name = |entry: DirEntry| entry.file_name().to_string_lossy().into_owned();
        let names = match fs::read_dir(update::ENTRIES) {
            Ok(entries) => entries.flatten().filter(|entry| update::is_program(&entry.path())).map(name).collect(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error).context("cannot read the boot loader's entries"),
        };
        Ok(standing(version, &running, names.iter().map(String::as_str)))
    }

    fn place(&self, version: &str) -> PathBuf {
        // A version is part of a file's name only if a bundle may have it.
        let plain = version.chars().map(|c| if c.is_ascii_alphanumeric() || "~-.".contains(c) { c } else { '_' });
        Path::new(update::FOLDER).join(format!(".{}.fetched", plain.take(64).collect::<String>()))
    }

    async fn install(&self, version: &str) -> anyhow::Result<Outcome> {
        let place = self.place(version);
        let file = place.to_string_lossy().into_owned();
        let unit = format!("--unit={UNIT}");
        let words = ["--quiet", "--wait", "--pipe", "--collect", &unit, "/usr/bin/hostd", "update", &file];
        while is_active().await {
            // A hostd before this one began it.
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        if self.look(version)? == Standing::Installed {
            bundle::discard(&place);
            return Ok(Outcome::Installed(version.to_owned()));
        }
        let done = run("systemd-run", &words, b"", PATIENCE).await;
        // Also one that was refused: the next attempt shall get other bytes.
        bundle::discard(&place);
        match done {
            Ok(_) => Ok(Outcome::Installed(version.to_owned())),
            Err(RunError::Failed { status, .. }) if status.code() == Some(NOTHING_NEW) => {
                Ok(Outcome::NothingNew(version.to_owned()))
            }
            Err(RunError::Failed { message, .. }) => bail!("{message}"),
            Err(error) => Err(error.into()),
        }
    }

    async fn restart(&self) -> anyhow::Result<()> {
        run("systemctl", &["--no-block", "reboot"], b"", PATIENCE).await?;
        Ok(())
    }
}

async fn is_active() -> bool {
    run("systemctl", &["is-active", "--quiet", UNIT], b"", Duration::from_secs(60)).await.is_ok()
}
