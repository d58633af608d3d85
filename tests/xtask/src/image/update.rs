//! `cargo xtask image update`: updates of one emulated machine from a medium: one that stays, one that is broken, and power cuts in
//! between.

use super::{
    BuildArguments,
    build::{self, Image},
    bundle, check,
};
use crate::bench::{self, Better, Figure};
use anyhow::{Context as _, Result, ensure};
use humilis_lab::appliance::{Appliance, Start};
use std::{
    fs,
    io::{Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// An emulated machine beside other work is slow.
const PATIENCE: Duration = Duration::from_secs(900);
/// Bytes of the broken root's beginning.
const BROKEN: usize = 1 << 20;

#[derive(clap::Args)]
pub struct Arguments {
    /// How often the power is cut in an update
    #[arg(long, default_value_t = 5)]
    cuts: u32,
    /// What the moments of the cuts follow from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// One JSON object a line instead of a table
    #[arg(long)]
    json: bool,
}

/// Three versions of the appliance in a folder: the one that is installed, the next, and one whose root is damaged.
pub struct Versions(PathBuf);

pub const OLD: &str = "1.0.0";
pub const NEW: &str = "1.0.1";
pub const DAMAGED: &str = "1.0.2";

pub fn run(arguments: &Arguments) -> Result<()> {
    let folder = tempfile::Builder::new().prefix("humilis-update-").tempdir()?;
    let versions = Versions::make(folder.path())?;
    let (old, new) = (versions.file(OLD, "raw"), versions.file(NEW, "update.raw"));
    let broken = versions.file(DAMAGED, "update.raw");
    let (machine, mut figures) = (folder.path().join("machine"), Vec::new());
    let mut started = start(&old, &machine, None)?;
    ready(&mut started, OLD)?;
    drop(started);

    let began = Instant::now();
    let mut started = start(&old, &machine, Some(&new))?;
    let (_, found) = started.line("found the update", PATIENCE)?;
    let (_, installed) = started.line(&format!("version {NEW} is installed"), PATIENCE)?;
    let (_, up) = ready(&mut started, NEW)?;
    eprintln!("Updated to {NEW} ({:.0} s).", began.elapsed().as_secs_f64());
    drop(started);
    figures.push(figure("installing an update", installed - found));
    figures.push(figure("from installed to ready in the new version", up - installed));

    let mut started = start(&old, &machine, Some(&broken))?;
    ready(&mut started, NEW)?;
    started.line(&format!("version {DAMAGED} is installed"), PATIENCE)?;
    let back = started.line_after(check::READY, 1, PATIENCE)?;
    ensure!(back.contains(&format!("version {NEW},")), "the machine went back to another version: {back}");
    eprintln!("A damaged {DAMAGED} was tried and left; {NEW} runs again.");
    drop(started);

    let mut random = arguments.seed.max(1);
    for cut in 0..arguments.cuts {
        let machine = folder.path().join(format!("cut-{cut}"));
        drop(start(&old, &machine, None).and_then(|mut first| ready(&mut first, OLD))?);
        cut_short((&old, &new), &machine, up, &mut random).with_context(|| format!("power cut {cut}"))?;
        fs::remove_dir_all(&machine)?;
    }
    bench::print(&figures, arguments.json);
    Ok(())
}

/// Cuts the power at some moment of an update, and looks what starts then: the old version or the new one, which then updates whole.
fn cut_short((old, new): (&Path, &Path), machine: &Path, whole: Duration, random: &mut u64) -> Result<()> {
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    let moment = Duration::from_millis(*random % u64::try_from(whole.as_millis())?);
    let mut started = start(old, machine, Some(new))?;
    while started.age() < moment {
        started.runs()?;
        std::thread::sleep(Duration::from_millis(20));
    }
    drop(started);
    let mut started = start(old, machine, Some(new))?;
    let (line, _) = started.line(check::READY, PATIENCE)?;
    eprintln!("Power cut after {:.1} s: {line}", moment.as_secs_f64());
    ensure!(line.contains(OLD) || line.contains(NEW), "neither the old nor the new version");
    ready(&mut started, NEW).map(drop)
}

fn start(disk: &Path, folder: &Path, medium: Option<&Path>) -> Result<Appliance> {
    Appliance::start(&Start::Disk(disk.to_owned()), folder, check::MEMORY_MIB, "", medium)
}

/// Waits until this version does what it is for.
fn ready(machine: &mut Appliance, version: &str) -> Result<(String, Duration)> {
    let text = format!("s, version {version},");
    machine.line(&text, PATIENCE)
}

fn figure(name: &'static str, time: Duration) -> Figure {
    Figure { name, value: time.as_secs_f64(), unit: "s", goal: None, better: Better::Lower, peers: &[] }
}

impl Versions {
    /// Builds them.
    pub fn make(folder: &Path) -> Result<Self> {
        let key = folder.join("key");
        drop(fs::remove_file(&key));
        bundle::key(&bundle::KeyArguments::of(key.clone()))?;
        let build = |version: &str| -> Result<Image> {
            let output = folder.join(version);
            build::prepare(&BuildArguments::of(version, &output, &key))?.make("image")
        };
        build(OLD)?;
        build(NEW)?;
        let damaged = build(DAMAGED)?;
        let mut root = fs::OpenOptions::new().write(true).open(&damaged.root)?;
        root.seek(SeekFrom::Start(0))?;
        root.write_all(&[0xff; BROKEN])?;
        build::sign(&damaged, DAMAGED, &bundle::read(&key)?)?;
        Ok(Self(folder.to_owned()))
    }

    /// Those that were built before.
    pub fn found(folder: &Path) -> Result<Self> {
        let found = Self(folder.to_owned());
        let last = found.file(DAMAGED, "update");
        ensure!(last.exists(), "{} is not there: nothing was built before", last.display());
        Ok(found)
    }

    /// What was built of a version.
    pub fn file(&self, version: &str, kind: &str) -> PathBuf {
        self.0.join(version).join(format!("humilis_{version}.{kind}"))
    }
}
