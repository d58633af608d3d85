//! `cargo xtask image check`: the appliance's figures beside their aims.

use super::{
    BuildArguments,
    build::{self, Image},
    manifest,
};
use crate::bench::{self, Better, Figure};
use anyhow::{Context as _, Result, ensure};
use humilis_lab::appliance::{Appliance, Start};
use std::{
    collections::BTreeMap,
    fs,
    time::{Duration, Instant},
};

/// Memory of the machine that it is started on, MiB.
pub const MEMORY_MIB: u32 = 2048;
/// An emulated machine beside other work is slow.
pub const PATIENCE: Duration = Duration::from_secs(600);
/// What the appliance says on its console when everything that it is for runs.
pub const READY: &str = "humilis: ready";
/// What its controller answers to whoever asks.
pub const API: &str = "https://127.0.0.1:8443/identity/v3";

#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    build: BuildArguments,
    /// One JSON object a line instead of a table
    #[arg(long)]
    json: bool,
    /// Build once: do not compare the bytes of two builds
    #[arg(long)]
    no_rebuild: bool,
    /// Do not start it
    #[arg(long)]
    no_boot: bool,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let inputs = build::prepare(&arguments.build)?;
    let image = inputs.make("image")?;
    if !arguments.no_rebuild {
        let again = inputs.make("again")?;
        let same = compare(&image, &again);
        fs::remove_dir_all(inputs.output().join("again")).context("cannot remove the second build")?;
        same?;
    }
    let mut figures = built(&image)?;
    if !arguments.no_boot {
        figures.extend(started(&image)?);
    }
    list(&image, arguments.json);
    bench::print(&figures, arguments.json);
    Ok(())
}

/// Both builds have the same bytes, or the names of the files that differ.
fn compare(one: &Image, other: &Image) -> Result<()> {
    let mut differ = Vec::new();
    for (one, other) in one.files().iter().zip(other.files()) {
        if manifest::sha256(one)? != manifest::sha256(&other)? {
            differ.push(one.file_name().unwrap_or_default().to_string_lossy().into_owned());
        }
    }
    ensure!(differ.is_empty(), "two builds of the same inputs differ in {}", differ.join(", "));
    eprintln!("Two builds gave the same bytes.");
    Ok(())
}

fn figure(name: &'static str, value: f64, unit: &'static str, goal: Option<f64>) -> Figure {
    Figure { name, value, unit, goal, better: Better::Lower, peers: &[] }
}

fn built(image: &Image) -> Result<Vec<Figure>> {
    let size = |file: &std::path::Path| Ok::<_, anyhow::Error>(fs::metadata(file)?.len() as f64 / 1_048_576.0);
    let unknown = image.packages.iter().filter(|package| package.licences.is_empty()).count();
    Ok(vec![
        figure("the disk, compressed", size(&image.packed)?, "MiB", Some(100.0)),
        figure("the installer, compressed", size(&image.installer_packed)?, "MiB", None),
        figure("update: root and kernel", size(&image.root)? + size(&image.efi)?, "MiB", None),
        figure("build, from a warm cache", image.time.as_secs_f64(), "s", Some(240.0)),
        figure("packages", image.packages.len() as f64, "", None),
        figure("packages whose licences are for people to read", unknown as f64, "", None),
    ])
}

/// Starts the appliance from its disk and waits until it says that it is ready, and answers.
fn started(image: &Image) -> Result<Vec<Figure>> {
    let folder = tempfile::Builder::new().prefix("humilis-image-").tempdir()?;
    eprintln!("Starting the appliance in emulation ...");
    let mut machine = Appliance::start(&Start::Disk(image.disk.clone()), folder.path(), MEMORY_MIB, "", None)?;
    let (line, first) = machine.line(READY, PATIENCE)?;
    let began = Instant::now();
    machine.ask(API).context("the appliance is ready, but its controller does not answer")?;
    eprintln!("The controller answers ({:.1} s): {line}", began.elapsed().as_secs_f64());
    drop(machine);
    // The second start has its state: what a machine does day by day.
    let mut machine = Appliance::start(&Start::Disk(image.disk.clone()), folder.path(), MEMORY_MIB, "", None)?;
    let (_, second) = machine.line(READY, PATIENCE)?;
    let said = report(&machine.line("humilis: memory", PATIENCE)?.0);
    let part = |name: &str| said.get(name).copied().with_context(|| format!("the console tells no {name}"));
    Ok(vec![
        figure("first start, from power-on to ready", first.as_secs_f64(), "s", None),
        figure("start, from power-on to ready", second.as_secs_f64(), "s", Some(25.0)),
        figure("memory used beyond our daemons, idle", part("used")? - part("daemons")?, "MiB", Some(160.0)),
        figure("memory of our daemons, idle", part("daemons")?, "MiB", None),
        figure("memory that the kernel keeps free", part("reserve")?, "MiB", None),
    ])
}

/// `humilis: memory used=130 daemons=46 reserve=80 MiB`.
fn report(line: &str) -> BTreeMap<String, f64> {
    let words = line.split_whitespace().filter_map(|word| word.split_once('='));
    words.filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?))).collect()
}

/// The packages with their licences.
fn list(image: &Image, as_json: bool) {
    for package in &image.packages {
        let licences: Vec<_> = package.licences.iter().cloned().collect();
        if as_json {
            println!(
                "{}",
                serde_json::json!({"package": package.name, "version": package.version, "licences": licences})
            );
        } else {
            println!("{:<32} {:<28} {}", package.name, package.version, licences.join("; "));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_console_tells_memory() {
        let said = report("[   12.3] humilis: memory used=145 daemons=60.5 reserve=80 MiB");
        assert_eq!(said.get("used"), Some(&145.0));
        assert_eq!(said.get("daemons"), Some(&60.5));
        assert_eq!(said.len(), 3);
    }
}
