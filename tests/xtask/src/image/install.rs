//! `cargo xtask image install`: the ways to a disk that `lab install`, which has a stick with answers, does not go: a CD, the network, and
//! answers that are typed. Each installs on an empty disk of an emulated machine and switches it off; then the disk starts by itself. The
//! last one is given further settings on a medium after that.

use super::{BuildArguments, build, check, start};
use anyhow::{Context as _, Result, ensure};
use humilis_harness::exec;
use humilis_lab::appliance::{Appliance, Start};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

/// Where the EFI system partition begins on the CD, as mtools say it.
const PARTITION: &str = "@@1M";
/// What lies there beside the answers.
const SETTINGS: &str = "[metrics]\nlisten = \"0.0.0.0:8445\"\n";
/// What the installer asks, and what a person types; nothing where what it offers will do.
const TYPED: [(&str, &str); 8] = [
    ("Press Enter to begin:", ""),
    ("Disk [/dev/vda]:", "/dev/sr0"),
    ("There is no disk /dev/sr0.", ""),
    ("What the machine shall be:", "controller"),
    ("Address by which other machines reach this one;", ""),
    ("Network device of floating addresses;", ""),
    ("Type /dev/vda again to go on:", "/dev/vda"),
    ("Then poweroff or reboot [poweroff]:", ""),
];
const METRICS: &str = "http://127.0.0.1:8445/metrics";

#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    pub(super) build: BuildArguments,
    /// Use what was built before
    #[arg(long)]
    pub(super) built: bool,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    if !arguments.built {
        build::prepare(&arguments.build)?.make("image")?;
    }
    let built = arguments.build.built()?;
    let folder = tempfile::Builder::new().prefix("humilis-image-").tempdir()?;
    let machine = folder.path().join("cd");
    fs::create_dir_all(&machine)?;
    let cd = start::file(&built, ".installer.iso")?;
    let cd = answered(&cd, &machine)?;
    install("a CD", &Start::Cd(cd), &machine, "", &[])?.ask(METRICS).context("its metrics are not to be had")?;
    let words = "systemd.unit=humilis-install.target humilis.disk=only humilis.role=controller";
    install("the network", &start::network(&built)?, &folder.path().join("network"), words, &[])?;
    let machine = folder.path().join("typed");
    let cd = Start::Cd(start::file(&built, ".installer.iso")?);
    install("typed answers", &cd, &machine, "", &TYPED)?.ask(METRICS).err().context("it has metrics already")?;
    settled(&machine)
}

/// Gives an installed machine settings on a medium.
fn settled(machine: &Path) -> Result<()> {
    let (medium, file) = (machine.join("settings.raw"), machine.join("controller.toml"));
    exec::read(Command::new("mkfs.vfat").args(["-C", "-n", "HUMILIS"]).arg(&medium).arg("4096"))?;
    fs::write(&file, SETTINGS)?;
    exec::read(Command::new("mcopy").arg("-i").args([&medium, &file]).arg("::controller.toml"))?;
    let mut machine = Appliance::start(&Start::Own, machine, check::MEMORY_MIB, "", Some(&medium))?;
    let (_, taken) = machine.line("humilis: the settings are taken", check::PATIENCE)?;
    machine.line(check::READY, check::PATIENCE)?;
    let end = Instant::now() + check::PATIENCE;
    while let Err(error) = machine.ask(METRICS) {
        ensure!(Instant::now() < end, "its metrics are not to be had: {error:#}");
    }
    println!("Settings from a medium: taken {:.0} s after power-on", taken.as_secs_f64());
    Ok(())
}

/// The CD, with answers and settings.
fn answered(cd: &Path, folder: &Path) -> Result<PathBuf> {
    let copy = folder.join("installer.iso");
    exec::read(Command::new("cp").arg("--sparse=always").args([cd, &copy]))?;
    for (name, text) in [("humilis.conf", "disk=only\n"), ("controller.toml", SETTINGS)] {
        let file = folder.join(name);
        fs::write(&file, text)?;
        let place = format!("{}{PARTITION}", copy.display());
        exec::read(Command::new("mcopy").args(["-i", &place]).arg(file).arg(format!("::{name}")))?;
    }
    Ok(copy)
}

/// Installs, and starts what was installed.
fn install(from: &str, start: &Start, folder: &Path, words: &str, typed: &[(&str, &str)]) -> Result<Appliance> {
    let mut machine = Appliance::start(start, folder, check::MEMORY_MIB, words, None)?;
    machine.converse(typed, check::PATIENCE)?;
    let (_, installed) = machine.line("humilis: installed on", check::PATIENCE)?;
    machine.ends(check::PATIENCE)?;
    drop(machine);
    let mut machine = Appliance::start(&Start::Own, folder, check::MEMORY_MIB, "", None)?;
    let (line, _) = machine.line(check::READY, check::PATIENCE)?;
    machine.ask(check::API).context("its controller does not answer")?;
    println!("From {from}: installed {:.0} s after power-on; then by itself: {line}", installed.as_secs_f64());
    Ok(machine)
}
