//! A controller, and beside it a program that it must get on with: OpenStack's client, real Keystone, slapd, a provider of OpenID
//! Connect, boto3. What is asked stands in `scripts/`, what is answered in `golden/`; a script fails by itself where an answer is wrong.
//!
//! Owns one controller a test, in a network namespace of its own. The virtual environments are made by `cargo xtask setup` with the
//! versions of `constraints*.txt`.

use anyhow::{Context as _, Result, bail};
use humilis_harness::{
    build::{self, Profile},
    cloud::{Cloud, Daemon, Plan},
    paths,
};
use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

/// A running controller and the folder of its files.
#[derive(Debug)]
pub struct Place {
    /// The cloud; it has no host, unless one was asked for.
    pub cloud: Cloud,
    folder: tempfile::TempDir,
}

/// A program that ends with the test.
#[derive(Debug)]
pub struct Background(Child);

impl Drop for Background {
    fn drop(&mut self) {
        // `ip netns exec` becomes the program itself: this ends it, or it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Place {
    /// A controller with these lines at the end of its configuration.
    ///
    /// # Errors
    /// When it cannot be built or does not answer.
    pub fn new(name: &str, configuration: &str) -> Result<Self> {
        let (mut plan, folder) = plan(name)?;
        configuration.clone_into(&mut plan.controller_lines);
        Ok(Self { cloud: Cloud::start_controller(plan)?, folder })
    }

    /// A controller and a host, `host-1` with 2 vCPUs, 8 GiB and 100 GiB of disk.
    ///
    /// # Errors
    /// When they cannot be built or do not find each other.
    pub fn with_host(name: &str) -> Result<Self> {
        let (plan, folder) = plan(name)?;
        let plan = Plan { hostname: "host-1".to_owned(), resources: (2, 8192, 100), ..plan };
        let place = Self { cloud: Cloud::start(plan)?, folder };
        for _ in 0..120 {
            let mut show = place.program("openstackclient", "openstack");
            let shown = show.args(["hypervisor", "show", "host-1", "-f", "value", "-c", "state"]).output()?;
            if shown.stdout.starts_with(b"up") {
                return Ok(place);
            }
            std::thread::sleep(Duration::from_millis(500));
        }
        bail!("the host does not come up: {}", place.cloud.log_end(Daemon::Hostd))
    }

    /// A folder for a program's own files.
    #[must_use]
    pub fn folder(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A program of a virtual environment, where the controller is.
    #[must_use]
    pub fn program(&self, environment: &str, program: &str) -> Command {
        let mut command = self.cloud.plan.command(paths::cache().join(environment).join("bin").join(program));
        command.env("OS_CLIENT_CONFIG_FILE", self.cloud.plan.clouds_yaml()).env("OS_CLOUD", "humilis");
        command.current_dir(root().join("golden/files"));
        command
    }

    /// Starts a program that ends with the test, and waits until its port answers.
    ///
    /// # Errors
    /// When it does not.
    pub fn background(&self, command: &mut Command, port: u16) -> Result<Background> {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let child = Background(child.context("cannot start a program")?);
        let url = format!("http://127.0.0.1:{port}/");
        let mut probe = self.cloud.plan.command("curl");
        let probe =
            probe.args(["-s", "-o", "/dev/null", "--retry", "60", "--retry-connrefused", "--retry-delay", "1", &url]);
        if !probe.status()?.success() {
            bail!("nothing answers at {url}");
        }
        Ok(child)
    }

    /// Runs a script with the client's environment, or another; what it prints.
    ///
    /// # Errors
    /// When it fails; the error holds what it said.
    pub fn script(&self, environment: &str, name: &str, arguments: &[&str]) -> Result<String> {
        let mut python = self.program(environment, "python");
        let output = python.args(["-W", "ignore"]).arg(root().join("scripts").join(name)).args(arguments).output()?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            bail!("{name}: {}\n{said}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
        }
        Ok(said)
    }
}

/// A cloud of its own in a folder of its own.
fn plan(name: &str) -> Result<(Plan, tempfile::TempDir)> {
    let folder = tempfile::Builder::new().prefix(&format!("humilis-{name}-")).tempdir()?;
    let programs = build::programs(Profile::Dev)?;
    let namespace = format!("hc-{name}-{}", std::process::id());
    Ok((Plan::private(programs, folder.path(), &namespace), folder))
}

/// `tests/compat`.
#[must_use]
pub fn root() -> PathBuf {
    paths::root().join("tests/compat")
}

/// Compares with a golden file; `HUMILIS_BLESS=1` writes it instead.
///
/// # Errors
/// When they differ; the error names the first lines that do.
pub fn golden(name: &str, found: &str) -> Result<()> {
    let path = root().join("golden").join(name);
    if std::env::var_os("HUMILIS_BLESS").is_some() {
        return std::fs::write(&path, found).context("cannot write the golden file");
    }
    let expected = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    difference(&path, &expected, found)
}

fn difference(path: &Path, expected: &str, found: &str) -> Result<()> {
    if expected == found {
        return Ok(());
    }
    let lines = expected.lines().zip(found.lines()).enumerate();
    let mut command = "";
    for (at, (one, other)) in lines {
        if one.starts_with("$ ") {
            command = one;
        }
        if one != other {
            bail!("{}:{}: {command}\n  expected: {one}\n  found:    {other}", path.display(), at + 1);
        }
    }
    bail!("{}: {} lines expected, {} found", path.display(), expected.lines().count(), found.lines().count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_named_with_its_command() {
        let path = Path::new("golden");
        assert!(difference(path, "$ a\nx\n", "$ a\nx\n").is_ok());
        let error = difference(path, "$ a\nx\n$ b\ny\n", "$ a\nx\n$ b\nz\n").err().map(|error| error.to_string());
        assert!(error.is_some_and(|error| error.starts_with("golden:4: $ b")));
        assert!(difference(path, "x\n", "x\ny\n").is_err());
    }
}
