//! `cargo xtask image`: the appliance from Debian's packages and the product's programs, and what is measured of it.
//!
//! The recipe is data in `images/` and `systemd/`; here is how it is followed. Nothing of the building machine goes into an image:
//! file systems and partitions are made by a tool box, a Debian tree of its own, and every time stamp, number and order is given,
//! so that the same inputs make the same bytes.
//!
//! ```text
//! packages -> root tree -> erofs + verity = ROOT -+-> disk: ESP (boot loader, EFI) | ROOT | empty slot
//! kernel package -> modules, vmlinuz             -+-> EFI: vmlinuz + initial RAM disk + command line with ROOT's hash
//!                                                 +-> installer: ESP (boot loader, EFI) | ROOT, as a stick and as a CD
//!                                                 +-> network: vmlinuz; initial RAM disk + ROOT + EFI
//! ```

mod build;
mod bundle;
mod check;
mod disk;
mod initial;
mod install;
mod iso;
mod kernel;
pub mod lab_install;
pub mod lab_update;
mod manifest;
mod recipe;
mod root;
mod start;
mod toolbox;
mod tree;
mod update;

use anyhow::{Context as _, Result};
use clap::Subcommand;
use humilis_harness::paths;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// The release that the appliance and its tools are made of.
pub const RELEASE: &str = "trixie";
/// Every file's time: an image tells when its version was made by its version.
pub const EPOCH: &str = "1767225600";

#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Build the appliance: a disk, and the parts for updates and network boot
    Build(BuildArguments),
    /// Build it twice, compare the bytes, start it, and print its figures beside their aims
    Check(check::Arguments),
    /// Make a key that signs updates, and print the public half
    Key(bundle::KeyArguments),
    /// Build three versions, update an emulated machine from a medium, let it reject a damaged one, and cut its power in between
    Update(update::Arguments),
    /// Install from a CD and over the network, each on an empty disk of an emulated machine, which then starts by itself
    Install(install::Arguments),
    /// Start what was built in emulation, and show its console until its controller answers
    Start(start::Arguments),
}

#[derive(clap::Args, Clone, Debug)]
pub struct BuildArguments {
    /// Where the images go; without it `image` in the target directory
    #[arg(long)]
    output: Option<PathBuf>,
    /// The image's version
    #[arg(long, default_value = env!("CARGO_PKG_VERSION"))]
    version: String,
    /// The key that signs updates (`cargo xtask image key`): the image trusts it. Without it no update is made, and none is taken
    #[arg(long)]
    key: Option<PathBuf>,
}

impl BuildArguments {
    fn of(version: &str, output: &Path, key: &Path) -> Self {
        Self { output: Some(output.to_owned()), version: version.to_owned(), key: Some(key.to_owned()) }
    }

    /// What all files of a build begin with.
    fn built(&self) -> Result<PathBuf> {
        Ok(self.output()?.join(format!("humilis_{}", self.version)))
    }

    fn version(&self) -> &str {
        &self.version
    }

    /// Where images go, made if it is not there.
    fn output(&self) -> Result<PathBuf> {
        let output = self.output.clone().unwrap_or_else(|| paths::target().join("image"));
        fs::create_dir_all(&output).with_context(|| format!("cannot make {}", output.display()))?;
        output.canonicalize().context("the output folder is gone")
    }
}

pub fn run(arguments: &Arguments) -> Result<()> {
    match &arguments.what {
        What::Build(arguments) => {
            let image = build::prepare(arguments)?.make("image")?;
            println!("{}", image.summary()?);
            Ok(())
        }
        What::Check(arguments) => check::run(arguments),
        What::Key(arguments) => bundle::key(arguments),
        What::Update(arguments) => update::run(arguments),
        What::Install(arguments) => install::run(arguments),
        What::Start(arguments) => start::run(arguments),
    }
}
