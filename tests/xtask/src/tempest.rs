//! `cargo xtask tempest`: OpenStack's own test suite, by the runner that lies beside the checkout, against clouds of its own
//! that start as `up` starts one, in a network that nobody else sees; or against a cloud that runs already.
//!
//! Scenarios log in to their guests. Where this machine's KVM runs no ordinary ones they have the lab's cloud, and all other tests
//! a cloud on the machine's own KVM with the small guest.

use crate::{
    demo::{self, DemoImage},
    setup::{self, Need},
    up::{debian_image, lab_login},
};
use anyhow::{Context as _, Result, bail, ensure};
use humilis_harness::{
    build::{self, Profile, Programs},
    cloud::{Cloud, Plan},
    exec, isolate,
    kvm::{self, Kvm},
    paths,
    rest::{Client, Login},
};
use humilis_lab::{hang::Watch, machine::Place};
use serde_json::json;
use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader, Read},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Mutex, PoisonError, mpsc},
    time::Duration,
};

/// Nobody answers here: the runner makes its virtual environment first and only then looks for a cloud.
const NOWHERE: &str = "http://127.0.0.1:1/v3";
/// The rules of passwords that the tests are configured for.
const COMPLIANCE: &str = "[identity.security_compliance]\nlockout_failure_attempts = 2\nlockout_duration = 5\nunique_last_password_count = 2\n";
/// How long the runner shall wait for emulated guests.
const PATIENCE: &[&str] = &[
    "compute.build_timeout=900",
    "validation.ssh_timeout=1200",
    "validation.ping_timeout=600",
    "validation.connect_timeout=60",
];
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
    let parts = parts(&arguments.what, kvm::probe());
    let ordinary = parts.iter().any(|part| part.guests == Guests::Debian);
    setup::run(if ordinary { Need::All } else { Need::Cloud })?;
    environment(&runner, &arguments.what)?;
    let programs = build::programs(Profile::Dev)?;
    if ordinary {
        // The tests' own network has no way out.
        humilis_lab::guest_disk::get()?;
        humilis_lab::host_disk::get()?;
    }
    isolate::enter()?;
    let temporary = tempfile::Builder::new().prefix("humilis-tempest-").tempdir()?;
    let folder = arguments.folder.as_deref().unwrap_or(temporary.path());
    // Each part is worth running whatever became of the others.
    let ran: Vec<_> = parts.iter().map(|part| part.run(&runner, &programs, folder, &arguments.options)).collect();
    ran.into_iter().collect()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Guests {
    /// Our own: any KVM runs it, nobody can log in to it.
    Small,
    /// Ordinary ones.
    Debian,
}

/// Tests that run against the same cloud.
#[derive(Debug, PartialEq, Eq)]
struct Part {
    /// What the runner is asked for.
    what: String,
    guests: Guests,
    in_lab: bool,
}

fn parts(what: &str, kvm: Kvm) -> Vec<Part> {
    let part = |what: &str, guests, in_lab| Part { what: what.to_owned(), guests, in_lab };
    match (what, kvm) {
        (_, Kvm::Hardware) => vec![part(what, Guests::Debian, false)],
        // The lab's part comes first: what hostd makes for the other one stays, the external network's bridge among it.
        ("smoke", _) => vec![
            part(r"^tempest\.scenario\..*\[.*\bsmoke\b.*\]", Guests::Debian, true),
            part(r"^tempest\.api\..*\[.*\bsmoke\b.*\]", Guests::Small, false),
        ],
        ("scenario", _) => vec![part(what, Guests::Debian, true)],
        _ => vec![part(what, Guests::Small, false)],
    }
}

impl Part {
    fn run(&self, runner: &Path, programs: &Programs, folder: &Path, options: &[String]) -> Result<()> {
        if self.in_lab {
            // Once more where the emulated machine itself dies of it, or a guest hangs in it.
            let folders = ["lab", "lab-again"].map(|name| folder.join(name));
            for folder in folders {
                fs::create_dir_all(&folder)?;
                let cloud = humilis_lab::cloud::Cloud::start(programs, &folder, Place::Here)?;
                let login = lab_login(&cloud.authority());
                let watch = Mutex::new(Watch::default());
                let hangs = || watch.lock().unwrap_or_else(PoisonError::into_inner).sees(cloud.machine());
                let gone = || cloud.machine().has_ended() || hangs();
                let ran = self.against(runner, &login, programs, &folder, options, &gone);
                if ran.is_ok() || !(cloud.died() || hangs()) {
                    return ran;
                }
            }
            bail!("the emulation failed twice");
        }
        let controller_lines = COMPLIANCE.to_owned();
        let plan = Plan { namespace: None, controller_lines, ..Plan::private(programs.clone(), folder, "") };
        let cloud = Cloud::start(plan)?;
        self.against(runner, &cloud.plan.login(), programs, folder, options, &|| false)
    }

    fn against(
        &self,
        runner: &Path,
        login: &Login,
        programs: &Programs,
        folder: &Path,
        options: &[String],
        gone: &(dyn Fn() -> bool + Sync),
    ) -> Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let chosen = runtime.block_on(async { self.furnish(&Client::login(login).await?, programs, folder).await })?;
        let mut command = tempest(runner);
        command.args(["--url", &login.url, "--password", &login.password]);
        if self.guests == Guests::Debian {
            command.args(["--ssh", "--ssh-user", "debian"]);
        }
        if self.in_lab {
            // The emulator bears one nested guest at a time better than two.
            command.args(["--concurrency", "1"]);
        }
        let ca = login.ca.iter().map(|ca| format!("identity.ca_certificates_file={}", ca.display()));
        let patience = PATIENCE.iter().filter(|_| self.in_lab).map(|&option| option.to_owned());
        for option in ca.chain(patience).chain(chosen) {
            command.args(["--set", &option]);
        }
        let (lines, passed) = table(command.args(options).arg(&self.what), gone)?;
        if self.what.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_') {
            note(&self.what, &lines)?;
        }
        ensure!(passed, "tempest {} failed", self.what);
        Ok(())
    }

    /// What the tests take as given: flavors, an external network, and images that boot. Gives what the runner must be told of them.
    async fn furnish(&self, client: &Client, programs: &Programs, folder: &Path) -> Result<Vec<String>> {
        demo::flavors(client).await?;
        demo::networks(client).await?;
        match self.guests {
            Guests::Small => small_images(client, programs, folder).await.map(|()| Vec::new()),
            Guests::Debian => {
                let image = debian_image(client, &humilis_lab::guest_disk::get()?).await?;
                let mut chosen = vec![format!("compute.image_ref={image}"), format!("compute.image_ref_alt={image}")];
                for (option, name, memory) in [("flavor_ref", "tempest", 512), ("flavor_ref_alt", "tempest-alt", 640)] {
                    let flavor = json!({"flavor": {"name": name, "ram": memory, "vcpus": 1, "disk": 4}});
                    let made = client.call("POST", "compute", "/flavors", Some(flavor)).await?;
                    let id = made["flavor"]["id"].as_str().context("a flavor has no id")?;
                    chosen.push(format!("compute.{option}={id}"));
                }
                Ok(chosen)
            }
        }
    }
}

/// Runs the runner and shows what it says; gives its table's lines, and whether all was well. Ends it when the cloud is gone.
fn table(command: &mut Command, gone: &(dyn Fn() -> bool + Sync)) -> Result<(Vec<String>, bool)> {
    let mut child = command.process_group(0).stdout(Stdio::piped()).spawn().context("cannot start tempest-run")?;
    let (output, group) = (child.stdout.take().context("no output")?, child.id());
    let lines = std::thread::scope(|scope| {
        let (ended, wait) = mpsc::channel::<()>();
        scope.spawn(move || {
            while wait.recv_timeout(Duration::from_secs(1)) == Err(mpsc::RecvTimeoutError::Timeout) {
                if gone() {
                    // The runner's tests would wait long for a cloud that answers no more.
                    drop(exec::read(Command::new("kill").args(["-KILL", "--", &format!("-{group}")])));
                    return;
                }
            }
        });
        let lines = shown(output);
        drop(ended);
        lines
    })?;
    Ok((lines, child.wait()?.success()))
}

/// Shows what a runner says; its table's lines.
fn shown(output: impl Read) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    for line in BufReader::new(output).lines() {
        let line = line?;
        println!("{line}");
        let words: Vec<&str> = line.split(' ').collect();
        if words.len() == 4 && words[1..].iter().all(|word| word.parse::<u32>().is_ok()) {
            lines.push(line);
        }
    }
    Ok(lines)
}

/// Keeps the table of a service's tests among the documents.
fn note(what: &str, lines: &[String]) -> Result<()> {
    let rows: String = lines.iter().map(|line| format!("| {} |\n", line.replace(' ', " | "))).collect();
    let text = format!(
        "# Tempest: {what}\n\nWhat `cargo xtask tempest {what}` found when it ran last; it writes this page.\n\n\
         | service | passed | failed | skipped |\n|---|---|---|---|\n{rows}"
    );
    let path = paths::root().join(format!("docs/tempest-{what}.md"));
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// Two public images of the small guest, each with a disk.
async fn small_images(client: &Client, programs: &Programs, folder: &Path) -> Result<()> {
    let kernel = DemoImage { name: "demo", file: &programs.guest, disk_format: "aki", properties: json!({}) };
    let kernel = demo::image(client, &kernel).await?;
    let disk = folder.join("disk");
    File::create(&disk).and_then(|file| file.set_len(DISK)).context("cannot make a disk")?;
    // The runner takes the first two public images; the newest come first.
    for name in ["tempest-image", "tempest-image-alt"] {
        let properties = json!({"kernel_id": kernel});
        demo::image(client, &DemoImage { name, file: &disk, disk_format: "raw", properties }).await?;
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_logs_in_to_guests_gets_ordinary_ones() {
        let smoke = parts("smoke", Kvm::Restricted);
        assert_eq!(
            smoke.iter().map(|part| (part.guests, part.in_lab)).collect::<Vec<_>>(),
            [(Guests::Debian, true), (Guests::Small, false)]
        );
        assert_eq!(parts("identity", Kvm::Restricted)[0].guests, Guests::Small);
        assert_eq!(
            parts("smoke", Kvm::Hardware),
            [Part { what: "smoke".into(), guests: Guests::Debian, in_lab: false }]
        );
    }
}
