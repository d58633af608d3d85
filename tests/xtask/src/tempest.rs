//! `cargo xtask tempest`: OpenStack's own test suite, by the runner that lies beside the checkout, against a cloud of its own
//! that starts as `up --here` starts one, in a network that nobody else sees; or against a cloud that runs already.

use crate::{
    demo::{self, DemoImage},
    setup::{self, Need},
};
use anyhow::{Context as _, Result, bail};
use humilis_harness::{
    build::{self, Profile, Programs},
    cloud::{Cloud, Plan},
    exec, isolate, paths,
    rest::Client,
};
use serde_json::json;
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Nobody answers here: the runner makes its virtual environment first and only then looks for a cloud.
const NOWHERE: &str = "http://127.0.0.1:1/v3";
/// What the runner cannot find out: the small guest has no SSH server for which to wait long.
const OPTIONS: &[&str] = &["validation.ssh_timeout=20"];
/// Bytes of the disks that the small guest gets.
const DISK: u64 = 1 << 20;

#[derive(clap::Args)]
pub struct Arguments {
    /// A service, `smoke`, or a regular expression over test ids
    #[arg(default_value = "smoke")]
    what: String,
    /// Identity's URL of a cloud that runs already; else one is started for the tests
    #[arg(long)]
    url: Option<String>,
    /// Where the started cloud's files lie, and stay; else they go when the tests are done
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Further options for the runner, after `--`
    #[arg(last = true)]
    options: Vec<String>,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let runner = runner()?;
    if let Some(url) = &arguments.url {
        return exec::show(tempest(&runner).args(["--url", url]).args(&arguments.options).arg(&arguments.what));
    }
    setup::run(Need::Cloud)?;
    environment(&runner, &arguments.what)?;
    let programs = build::programs(Profile::Dev)?;
    isolate::enter()?;
    match &arguments.folder {
        Some(folder) => against_own(&runner, programs, folder, arguments),
        None => {
            let folder = tempfile::Builder::new().prefix("humilis-tempest-").tempdir()?;
            against_own(&runner, programs, folder.path(), arguments)
        }
    }
}

/// `tempest-run`: `HUMILIS_TEMPEST`, else in `shared/tempest` beside the checkout.
fn runner() -> Result<PathBuf> {
    let named = std::env::var_os("HUMILIS_TEMPEST").map(PathBuf::from);
    let beside = paths::root().parent().map(|p| p.join("shared/tempest/tempest-run"));
    match named.or(beside).context("the checkout has no folder beside it")? {
        path if path.is_file() => Ok(path),
        path => bail!("{} is missing; name tempest-run in HUMILIS_TEMPEST", path.display()),
    }
}

/// Where the runner keeps its virtual environments and its runs' logs.
fn work() -> PathBuf {
    std::env::var_os("TEMPEST_WORK").map_or_else(|| paths::cache().join("tempest"), PathBuf::from)
}

fn tempest(runner: &Path) -> Command {
    let mut command = Command::new(runner);
    command.env("TEMPEST_WORK", work());
    command
}

/// Has the runner install what it needs as long as registries can be reached: the tests' own network has no way out.
fn environment(runner: &Path, what: &str) -> Result<()> {
    let stamps = || -> Vec<_> {
        let made = fs::read_dir(work()).into_iter().flatten().filter_map(Result::ok);
        made.map(|entry| entry.path().join("stamp")).filter(|stamp| stamp.is_file()).collect()
    };
    fs::create_dir_all(work()).context("cannot make tempest's folder")?;
    if stamps().is_empty() {
        println!("Installing tempest (a minute, the first time) ...");
    }
    let log = work().join("install.log");
    let output = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    let mut command = tempest(runner);
    command.args(["--url", NOWHERE, "--password", "none", "--list", what]);
    // It fails in any case, there being no cloud; what counts is what it left.
    command
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .status()
        .context("cannot start tempest-run")?;
    if stamps().is_empty() {
        bail!("tempest could not be installed: see {}", log.display());
    }
    Ok(())
}

fn against_own(runner: &Path, programs: Programs, folder: &Path, arguments: &Arguments) -> Result<()> {
    let cloud = Cloud::start(Plan { namespace: None, ..Plan::private(programs, folder, "") })?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async { furnish(&cloud.client().await?, &cloud).await })?;
    let ca = format!("identity.ca_certificates_file={}", cloud.plan.ca().display());
    let mut command = tempest(runner);
    command.args(["--url", &cloud.plan.identity_url(), "--password", &cloud.plan.password, "--set", &ca]);
    for option in OPTIONS {
        command.args(["--set", option]);
    }
    exec::show(command.args(&arguments.options).arg(&arguments.what))
}

/// What the tests take as given: flavors, an external network, and two public images that boot, each with a disk.
async fn furnish(client: &Client, cloud: &Cloud) -> Result<()> {
    demo::flavors(client).await?;
    demo::networks(client).await?;
    let kernel =
        DemoImage { name: "demo", file: &cloud.plan.programs.guest, disk_format: "aki", properties: json!({}) };
    let kernel = demo::image(client, &kernel).await?;
    let disk = cloud.plan.folder.join("disk");
    File::create(&disk).and_then(|file| file.set_len(DISK)).context("cannot make a disk")?;
    // The runner takes the first two public images; the newest come first.
    for name in ["tempest-image", "tempest-image-alt"] {
        let properties = json!({"kernel_id": kernel});
        demo::image(client, &DemoImage { name, file: &disk, disk_format: "raw", properties }).await?;
    }
    Ok(())
}
