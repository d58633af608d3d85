//! `cargo xtask image start`: a built appliance in emulation, with its console.

use super::{BuildArguments, check};
use anyhow::{Result, bail, ensure};
use humilis_lab::appliance::{Appliance, Start};
use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    build: BuildArguments,
    /// As from a network: kernel and initial RAM disk, all state in memory
    #[arg(long)]
    network: bool,
    /// Further words for the kernel's command line, such as `humilis.role=controller`
    #[arg(long, default_value = "", allow_hyphen_values = true)]
    words: String,
    /// A folder for its disk, which is kept; without it the disk is made anew and thrown away
    #[arg(long)]
    folder: Option<PathBuf>,
    /// How long to wait until it is ready, seconds
    #[arg(long, default_value_t = 900)]
    seconds: u64,
    /// Until what its console says
    #[arg(long, default_value = check::READY)]
    until: String,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let built = arguments.build.built()?;
    let temporary = tempfile::Builder::new().prefix("humilis-image-").tempdir()?;
    let folder = arguments.folder.as_deref().unwrap_or(temporary.path());
    let start = if arguments.network { network(&built)? } else { Start::Disk(file(&built, ".raw")?) };
    let mut machine = Appliance::start(&start, folder, check::MEMORY_MIB, &arguments.words, None)?;
    let (end, mut shown) = (Instant::now() + Duration::from_secs(arguments.seconds), 0);
    loop {
        let console = machine.console();
        for line in console.lines().skip(shown) {
            println!("{:7.1}  {line}", machine.age().as_secs_f64());
            shown += 1;
        }
        if console.contains(&arguments.until) {
            break;
        }
        machine.runs()?;
        if Instant::now() > end {
            bail!("the console does not say {:?} within {} s", arguments.until, arguments.seconds);
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    println!("The controller answers: {}", machine.ask(check::API)?.trim());
    Ok(())
}

/// What was built for a start from a network.
pub fn network(built: &Path) -> Result<Start> {
    let cmdline = fs::read_to_string(file(built, ".netboot.cmdline")?)?.trim().to_owned();
    Ok(Start::Network { kernel: file(built, ".vmlinuz")?, initrd: file(built, ".netboot.initrd")?, cmdline })
}

/// A file that was built.
pub fn file(built: &Path, end: &str) -> Result<PathBuf> {
    let file = PathBuf::from(format!("{}{end}", built.display()));
    ensure!(file.exists(), "{} is not there: cargo xtask image build", file.display());
    Ok(file)
}
