//! `cargo xtask tempest`: OpenStack's own test suite, by the runner that lies beside the checkout.

use anyhow::{Context as _, Result, bail};
use humilis_harness::{exec, paths};
use std::{path::PathBuf, process::Command};

#[derive(clap::Args)]
pub struct Arguments {
    /// A service, `smoke`, or a regular expression over test ids
    #[arg(default_value = "smoke")]
    what: String,
    /// Further options for the runner, after `--`
    #[arg(last = true)]
    options: Vec<String>,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let mut tempest = Command::new(runner()?);
    tempest.args(&arguments.options).arg(&arguments.what);
    exec::show(&mut tempest)
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
