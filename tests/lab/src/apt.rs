//! Single packages of any release, by an apt state of its own: this machine's own packages stay as they are.

use anyhow::{Context as _, Result};
use humilis_harness::exec;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Debian's keys.
const KEYS: &str = "[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]";

/// An apt state in a folder.
#[derive(Clone, Debug)]
pub struct Apt {
    folder: PathBuf,
}

impl Apt {
    /// Reads the lists of these sources (lines of `sources.list`).
    ///
    /// # Errors
    /// When a list cannot be had.
    pub fn update(folder: &Path, title: &str, sources: &[String]) -> Result<Self> {
        for inside in ["state/lists/partial", "cache/archives/partial", "etc"] {
            fs::create_dir_all(folder.join(inside)).context("cannot make the folder of an apt state")?;
        }
        let apt = Self { folder: folder.to_owned() };
        let lines: String =
            sources.iter().map(|line| format!("{}\n", line.replacen("deb ", &format!("deb {KEYS} "), 1))).collect();
        fs::write(folder.join("etc/sources.list"), lines).context("cannot name the suites")?;
        exec::step(title, &folder.join("update.log"), apt.command("apt-get").arg("update"))?;
        Ok(apt)
    }

    /// Fetches the newest version of a package; one that is there already is not fetched again.
    ///
    /// # Errors
    /// When there is no such package.
    pub fn download(&self, title: &str, package: &str) -> Result<PathBuf> {
        let version = self.show(package, "Version")?;
        let place = self.folder.join("packages").join(format!("{package}_{}", version.replace(':', "-")));
        if let Some(package) = archive(&place) {
            return Ok(package);
        }
        fs::create_dir_all(&place).context("cannot make a package's folder")?;
        let log = self.folder.join("download.log");
        exec::step(title, &log, self.command("apt-get").current_dir(&place).args(["download", package]))?;
        archive(&place).with_context(|| format!("{package} was not downloaded"))
    }

    /// A field of the newest version of a package.
    ///
    /// # Errors
    /// When there is no such package or field.
    pub fn show(&self, package: &str, field: &str) -> Result<String> {
        let text = exec::read(self.command("apt-cache").args(["show", "--no-all-versions", package]))?;
        let start = format!("{field}: ");
        let value = text.lines().find_map(|line| line.strip_prefix(&start));
        value.map(str::to_owned).with_context(|| format!("{package} says no {field}"))
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.arg("-q");
        for (option, value) in
            [("Dir::State", "state"), ("Dir::Cache", "cache"), ("Dir::Etc::sourcelist", "etc/sources.list")]
        {
            command.arg("-o").arg(format!("{option}={}", self.folder.join(value).display()));
        }
        command.args(["-o", "Dir::Etc::sourceparts=/dev/null", "-o", "Dir::Etc::preferencesparts=/dev/null"]);
        command.args(["-o", "APT::Sandbox::User=root", "-o", "Acquire::Languages=none"]);
        command
    }
}

/// The package in a folder.
fn archive(folder: &Path) -> Option<PathBuf> {
    let mut files = fs::read_dir(folder).ok()?.filter_map(Result::ok).map(|entry| entry.path());
    files.find(|path| path.extension().is_some_and(|extension| extension == "deb"))
}

/// Unpacks a package.
///
/// # Errors
/// When dpkg cannot.
pub fn unpack(package: &Path, to: &Path) -> Result<()> {
    exec::read(Command::new("dpkg-deb").arg("-x").arg(package).arg(to)).map(drop)
}
