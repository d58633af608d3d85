//! Power cuts at random moments of updates and installs: what is switched on again always starts.

use super::story::{Installed, Operator, Subjects, story};
use crate::install::{
    machine::Machine,
    story::{BOOT, Story},
    wire::mac,
};
use anyhow::{Context as _, Result, ensure};
use std::{fs, path::Path, thread, time::Duration};

/// Of so many cuts one is of an install.
const INSTALLS: u32 = 4;
/// What a machine says that does what it is for.
const READY: &str = "humilis: ready";

/// All that is cut.
pub(super) struct Cuts<'a> {
    pub(super) installed: &'a Installed,
    pub(super) kept: &'a Path,
    pub(super) subjects: Subjects<'a>,
}

/// Moments that look random.
struct Random(u64);

impl Random {
    /// Some time up to this.
    fn up_to(&mut self, most: Duration) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        Duration::from_millis(self.0 % u64::try_from(most.as_millis()).unwrap_or(u64::MAX).max(1))
    }
}

impl Cuts<'_> {
    pub(super) fn tell(&self) -> Result<()> {
        let all = self.subjects.cuts;
        if all == 0 {
            return Ok(());
        }
        println!("{all} power cuts, --seed {}", self.subjects.seed);
        let mut random = Random(self.subjects.seed.max(1));
        let installs = all / INSTALLS;
        let folder = tempfile::Builder::new().prefix("humilis-cuts-").tempdir()?;
        let mut story = story(folder.path(), self.subjects)?;
        let told = self.updates(&mut story, all - installs, &mut random);
        told.and_then(|()| self.installs(&mut story, installs, &mut random))
            .map_err(|error| error.context(story.consoles()))?;
        story.say(&format!("{all} power cuts; each time the machine started"));
        Ok(())
    }

    /// A machine whose controller wants it to run the next version. Each start is the proof of the cut before, and goes on with the update
    /// by itself until the next one.
    fn updates(&self, story: &mut Story<'_>, cuts: u32, random: &mut Random) -> Result<()> {
        let ordered = self.ordered(story)?;
        let new = self.subjects.versions[1];
        let mut attempt = 0;
        let fresh = |story: &mut Story<'_>, attempt: &mut u32| -> Result<()> {
            *attempt += 1;
            let folder = story.folder.join(format!("layer-{attempt}"));
            // The one before is switched off with it.
            story.machines.clear();
            story.machines.push(Machine::over(1, &ordered, &folder)?);
            start(story)
        };
        fresh(story, &mut attempt)?;
        // Without a cut, to know how long it takes.
        let machine = story.machine(1)?;
        let (_, first) = machine.says(READY, BOOT)?;
        let (_, all) = machine.says(&format!("s, version {new},"), BOOT)?;
        let whole = all - first;
        story.say(&format!("an update takes {:.0} s, from ready to ready", whole.as_secs_f64()));
        fresh(story, &mut attempt)?;
        story.machine(1)?.says(READY, BOOT)?;
        for cut in 1..=cuts {
            let moment = random.up_to(whole);
            let version = self.cut(story, moment)?;
            story.say(&format!("cut {cut}: {:.1} s into an update; {version} starts", moment.as_secs_f64()));
            if version == new && cut < cuts {
                fresh(story, &mut attempt)?;
                story.machine(1)?.says(READY, BOOT)?;
            }
        }
        // No cut may have ended the update that was going on.
        story.machine(1)?.says(&format!("s, version {new},"), BOOT)?;
        story.say(&format!("left alone, it runs {new}"));
        Ok(())
    }

    /// Cuts the power in a moment, and gives the version that starts then.
    fn cut(&self, story: &mut Story<'_>, moment: Duration) -> Result<String> {
        thread::sleep(moment);
        story.machine(1)?.cut();
        start(story)?;
        let (ready, _) = story.machine(1)?.says(READY, BOOT)?;
        let version = ready.split("version ").nth(1).and_then(|rest| rest.split(',').next());
        let version = version.with_context(|| format!("the machine tells no version: {ready}"))?;
        ensure!(self.subjects.versions[..2].contains(&version), "neither the old nor the new version: {ready}");
        Ok(version.to_owned())
    }

    /// The folder of a machine that was told to update, and cut off then and there.
    fn ordered(&self, story: &mut Story<'_>) -> Result<std::path::PathBuf> {
        let folder = story.folder.join("ordered");
        story.machines.push(Machine::over(1, &self.kept.join("machine-1"), &folder)?);
        start(story)?;
        story.machine(1)?.says(READY, BOOT)?;
        story.trust(&self.installed.pair)?;
        story.log_in(&self.installed.password)?;
        let operator = Operator::log_in(story, self.subjects.controller)?;
        operator.does(&["update", "add", &self.subjects.next.to_string_lossy()])?;
        operator.does(&["host", "update", "node-1"])?;
        story.machine(1)?.cut();
        story.machines.clear();
        Ok(folder.join("machine-1"))
    }

    /// Empty disks: each install is cut once, and ends the next time.
    fn installs(&self, story: &mut Story<'_>, cuts: u32, random: &mut Random) -> Result<()> {
        let answers = format!(
            "role=controller,host\nhostname=node-1\ndisk=/dev/vda\ndata=/dev/vdb\nafter=reboot\nexternal={}\n",
            mac(1, 1)
        );
        let whole = Duration::from_secs_f64(self.installed.took);
        for cut in 1..=cuts {
            let folder = story.folder.join(format!("install-{cut}"));
            story.machines.clear();
            story.machines.push(Machine::new(1, &folder, self.subjects.installer, &answers)?);
            start(story)?;
            let moment = random.up_to(whole);
            thread::sleep(moment);
            story.machine(1)?.cut();
            start(story)?;
            let (_, took) = story.machine(1)?.says(READY, BOOT)?;
            let (moment, took) = (moment.as_secs_f64(), took.as_secs_f64());
            story.say(&format!("install {cut}: cut {moment:.1} s after power-on; ready {took:.0} s after the next"));
            story.machines.clear();
            fs::remove_dir_all(&folder)?;
        }
        Ok(())
    }
}

fn start(story: &mut Story<'_>) -> Result<()> {
    let Story { wire, machines, .. } = story;
    machines.last_mut().context("there is no machine")?.switch_on(wire)
}
