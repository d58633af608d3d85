//! `cargo xtask lab update`: a new version, brought to two machines by their controller, and power cuts.

use super::update::{DAMAGED, NEW, OLD, Versions};
use crate::setup;
use anyhow::{Context as _, Result};
use humilis_harness::{
    build::{self, Profile},
    paths,
};
use humilis_lab::update::{self, Subjects};
use std::{fs, path::PathBuf};

#[derive(clap::Args)]
pub struct Arguments {
    /// How often the power is cut at random moments of updates and, one in four, installs
    #[arg(long, default_value_t = 20)]
    cuts: u32,
    /// What the moments of the cuts follow from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Cut the power and do nothing else
    #[arg(long)]
    only_cuts: bool,
    /// Where the three versions go; without it `lab-update` in the target directory
    #[arg(long)]
    output: Option<PathBuf>,
    /// Use the versions that were built before
    #[arg(long)]
    built: bool,
    /// A folder in which the two installed machines are kept, and found again with the same versions
    #[arg(long)]
    kept: Option<PathBuf>,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let output = arguments.output.clone().unwrap_or_else(|| paths::target().join("lab-update"));
    fs::create_dir_all(&output).with_context(|| format!("cannot make {}", output.display()))?;
    let output = output.canonicalize().context("the output folder is gone")?;
    let versions = if arguments.built { Versions::found(&output)? } else { Versions::make(&output)? };
    let programs = build::product(Profile::Release)?;
    let (guest, client) = (build::guest()?, setup::client()?);
    update::run(Subjects {
        installer: &versions.file(OLD, "installer.raw"),
        versions: [OLD, NEW, DAMAGED],
        next: &versions.file(NEW, "update"),
        broken: &versions.file(DAMAGED, "update"),
        guest: &guest,
        client: &client,
        controller: &programs.controller,
        kept: arguments.kept.as_deref(),
        cuts: arguments.cuts,
        seed: arguments.seed,
        only_cuts: arguments.only_cuts,
    })
}
