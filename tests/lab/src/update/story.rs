//! What is told.

use super::{cuts::Cuts, load::Watch};
use crate::install::{
    machine::Machine,
    story::{BOOT, Guest, PATIENCE, Story},
    wire::{Wire, address},
};
use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};
use std::{
    fs,
    path::Path,
    process::Output,
    time::{Duration, Instant},
};

/// What the story is about.
#[derive(Clone, Copy, Debug)]
pub struct Subjects<'a> {
    /// The installer of the first version.
    pub installer: &'a Path,
    /// The first version, the next, and the broken one.
    pub versions: [&'a str; 3],
    /// The next version's bundle.
    pub next: &'a Path,
    /// The broken one's.
    pub broken: &'a Path,
    /// The small guest of our own.
    pub guest: &'a Path,
    /// The folder of OpenStack's own client.
    pub client: &'a Path,
    /// The operators' command line.
    pub controller: &'a Path,
    /// Where the installed machines are kept; without it they are thrown away.
    pub kept: Option<&'a Path>,
    /// How often the power is cut.
    pub cuts: u32,
    /// What the moments of the cuts follow from.
    pub seed: u64,
    /// Whether to cut the power and nothing else.
    pub only_cuts: bool,
}

/// Tells it; the part with nested guests once more where an emulated machine itself died of it.
///
/// # Errors
/// The first step that fails, with the machines' consoles.
pub fn run(subjects: Subjects<'_>) -> Result<()> {
    let temporary = tempfile::Builder::new().prefix("humilis-update-").tempdir()?;
    let kept = subjects.kept.unwrap_or(temporary.path());
    let installed = Installed::get(kept, subjects)?;
    if !subjects.only_cuts {
        let mut tries = 0;
        while !update(&installed, kept, subjects)? {
            tries += 1;
            ensure!(tries < 3, "an emulated machine died three times");
        }
    }
    Cuts { installed: &installed, kept, subjects }.tell()
}

/// Two machines, installed and switched off.
pub(super) struct Installed {
    pub(super) password: String,
    /// The join token and the authority's fingerprint, as the console showed them.
    pub(super) pair: String,
    /// From power-on to the installer's end, and to ready, seconds.
    pub(super) took: f64,
}

impl Installed {
    fn get(kept: &Path, subjects: Subjects<'_>) -> Result<Self> {
        let file = kept.join("installed.json");
        if !file.exists() {
            let done = Self::install(kept, subjects)?;
            let text = json!({"password": done.password, "pair": done.pair, "took": done.took});
            fs::write(&file, text.to_string())?;
        }
        let known: Value = serde_json::from_str(&fs::read_to_string(&file)?)?;
        let text = |name: &str| known[name].as_str().map(str::to_owned).with_context(|| format!("no {name} is kept"));
        Ok(Self { password: text("password")?, pair: text("pair")?, took: known["took"].as_f64().unwrap_or(120.0) })
    }

    fn install(kept: &Path, subjects: Subjects<'_>) -> Result<Self> {
        fs::create_dir_all(kept)?;
        let mut story = story(kept, subjects)?;
        let began = Instant::now();
        let (password, pair) =
            story.install_both(subjects.installer).map_err(|error| error.context(story.consoles()))?;
        story.machines.iter_mut().for_each(Machine::cut);
        Ok(Self { password, pair, took: began.elapsed().as_secs_f64() / 2.0 })
    }
}

pub(super) fn story<'a>(folder: &'a Path, subjects: Subjects<'_>) -> Result<Story<'a>> {
    let wire = Wire::lay(folder, 2)?;
    let openstack = subjects.client.join("bin/openstack");
    Ok(Story { wire, folder, openstack, machines: Vec::new(), started: Instant::now() })
}

/// Whether the machines lived to its end.
fn update(installed: &Installed, kept: &Path, subjects: Subjects<'_>) -> Result<bool> {
    let folder = tempfile::Builder::new().prefix("humilis-update-").tempdir()?;
    let mut told = Told { story: story(folder.path(), subjects)?, subjects };
    let result = told.tell(installed, kept);
    if result.is_err() && told.story.machines.iter_mut().any(Machine::has_ended) {
        println!("An emulated machine died: {:#}", result.err().context("nothing failed")?);
        return Ok(false);
    }
    result.map_err(|error| error.context(told.story.consoles()))?;
    Ok(true)
}

struct Told<'a> {
    story: Story<'a>,
    subjects: Subjects<'a>,
}

impl Told<'_> {
    fn tell(&mut self, installed: &Installed, kept: &Path) -> Result<()> {
        let [old, new, broken] = self.subjects.versions;
        for number in 1..=2 {
            let base = kept.join(format!("machine-{number}"));
            let mut machine = Machine::over(number, &base, self.story.folder)?;
            machine.switch_on(&self.story.wire)?;
            self.story.machines.push(machine);
        }
        for number in 1..=2 {
            let (ready, _) = self.story.machine(number)?.says("humilis: ready", BOOT)?;
            ensure!(ready.contains(old), "machine {number} does not run {old}: {ready}");
        }
        self.story.trust(&installed.pair)?;
        self.story.log_in(&installed.password)?;
        self.story.hypervisors()?;
        self.story.prepare(self.subjects.guest)?;
        let guests = [self.story.guest(1)?, self.story.guest(2)?];
        self.guests_answer(&guests)?;
        let operator = Operator::log_in(&self.story, self.subjects.controller)?;
        self.refused(&operator)?;
        self.both(&operator, &guests)?;
        self.goes_back(&operator, &guests, new, broken)?;
        self.story.say("told to its end");
        Ok(())
    }

    fn guests_answer(&self, guests: &[Guest]) -> Result<()> {
        guests.iter().try_for_each(|guest| self.story.answers(guest, "status", &format!("instance-id={}", guest.id)))
    }

    /// Bundles that are cut short, or that nobody who is trusted signed.
    fn refused(&self, operator: &Operator<'_>) -> Result<()> {
        let mut bytes = fs::read(self.subjects.next)?;
        let file = self.story.folder.join("bad.update");
        fs::write(&file, &bytes[..bytes.len() / 2])?;
        operator.fails(&["update", "add", &file.to_string_lossy()], "cut short")?;
        let lines: Vec<usize> =
            bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at).collect();
        let signature = lines.get(1).context("the bundle has no signature")? + 1;
        bytes[signature] = if bytes[signature] == b'0' { b'1' } else { b'0' };
        fs::write(&file, &bytes)?;
        operator.fails(&["update", "add", &file.to_string_lossy()], "has signed it")?;
        self.story.say("a bundle that is cut short and one with a wrong signature are refused");
        Ok(())
    }

    /// Both machines, one after the other.
    fn both(&self, operator: &Operator<'_>, guests: &[Guest; 2]) -> Result<()> {
        let new = self.subjects.versions[1];
        operator.does(&["update", "add", &self.subjects.next.to_string_lossy()])?;
        let (wire, folder) = (&self.story.wire, self.story.folder);
        let api = Watch::api(wire, folder, &operator.token)?;
        let watch = |guest: &Guest| Watch::guest(wire, folder, &guest.name, &guest.floating);
        let pings = [watch(&guests[0])?, watch(&guests[1])?];
        std::thread::sleep(Duration::from_secs(5));
        let began = Instant::now();
        operator.does(&["host", "update", "node-2", "node-1", "--version", new, "--wait"])?;
        let took = began.elapsed();
        self.guests_answer(guests)?;
        std::thread::sleep(Duration::from_secs(5));
        self.story.hypervisors()?;
        for number in 1..=2 {
            let shown = operator.does(&["host", "show", &format!("node-{number}"), "--json"])?;
            let shown: Value = serde_json::from_str(shown.trim())?;
            ensure!(shown["appliance_version"] == new, "node-{number} does not run {new}: {shown}");
        }
        self.story.say(&format!("both run {new}, {:.0} s after the operator said so", took.as_secs_f64()));
        for word in ["GET", "POST", "DELETE"] {
            let (times, gap) = api.gap(word)?;
            println!("  API gap, {word}: {:.1} s ({times} answers)", gap.as_secs_f64());
        }
        for (ping, guest) in pings.iter().zip(guests) {
            let (times, gap) = ping.gap("bytes from")?;
            ensure!(times > 0, "{} was never reached", guest.name);
            println!("  guest pause, {}: {:.1} s ({times} answers)", guest.name, gap.as_secs_f64());
        }
        Ok(())
    }

    /// A signed bundle whose root is damaged.
    fn goes_back(&self, operator: &Operator<'_>, guests: &[Guest; 2], new: &str, broken: &str) -> Result<()> {
        operator.does(&["update", "add", &self.subjects.broken.to_string_lossy()])?;
        let began = Instant::now();
        operator
            .fails(&["host", "update", "node-2", "node-1", "--version", broken, "--wait"], "did not become healthy")?;
        let listed = operator.does(&["update", "list", "--json"])?;
        ensure!(listed.contains("\"state\":\"stopped\""), "the other host's turn came: {listed}");
        self.story.hypervisors()?;
        let shown = operator.does(&["host", "show", "node-2", "--json"])?;
        let shown: Value = serde_json::from_str(shown.trim())?;
        ensure!(shown["appliance_version"] == new, "node-2 does not run {new}: {shown}");
        self.guests_answer(guests)?;
        let took = began.elapsed().as_secs_f64();
        self.story
            .say(&format!("a damaged {broken} was tried on node-2 and left again, {took:.0} s; node-1 was spared"));
        Ok(())
    }
}

/// Who has the command line, and a token.
pub(super) struct Operator<'a> {
    story: &'a Story<'a>,
    program: &'a Path,
    pub(super) token: String,
}

impl<'a> Operator<'a> {
    pub(super) fn log_in(story: &'a Story<'a>, program: &'a Path) -> Result<Self> {
        let token = story.openstack("token issue -f value -c id")?.trim().to_owned();
        Ok(Self { story, program, token })
    }

    fn call(&self, words: &[&str]) -> Result<Output> {
        let mut controller = self.story.wire.command(self.program);
        controller.env("HUMILIS_ADMIN_URL", format!("https://{}:8447", address(1)));
        controller.env("HUMILIS_CA_FILE", self.story.folder.join("ca.pem")).env("HUMILIS_TOKEN", &self.token);
        controller.args(words).output().with_context(|| format!("controller {}", words.join(" ")))
    }

    /// Does something, and shows what was said. A controller that comes up answers a moment later.
    pub(super) fn does(&self, words: &[&str]) -> Result<String> {
        let end = Instant::now() + PATIENCE;
        loop {
            let output = self.call(words)?;
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            let errors = String::from_utf8_lossy(&output.stderr).into_owned();
            if output.status.success() {
                said.lines().for_each(|line| println!("  {line}"));
                return Ok(said);
            }
            let away = errors.contains("does not answer");
            if !away || Instant::now() > end {
                bail!("controller {}: {said}{errors}", words.join(" "));
            }
            std::thread::sleep(Duration::from_secs(1));
        }
    }

    /// Tries something that has to fail with these words.
    fn fails(&self, words: &[&str], wanted: &str) -> Result<()> {
        let output = self.call(words)?;
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        ensure!(!output.status.success() && said.contains(wanted), "controller {}: {said}", words.join(" "));
        said.lines().for_each(|line| println!("  {line}"));
        Ok(())
    }
}
