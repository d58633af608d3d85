//! `controller config default` and `controller config check`.

use crate::{
    config::{Config, DEFAULT},
    wiring,
};
use clap::Subcommand;
use std::{path::Path, process::ExitCode};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print a commented file with every default.
    Default,
    /// Whether the configuration can be used.
    Check,
}

pub fn run(arguments: &Arguments, path: Option<&Path>) -> anyhow::Result<ExitCode> {
    match arguments.command {
        Command::Default => print!("{DEFAULT}"),
        Command::Check => {
            wiring::policy::sources(&Config::load(path)?)?.load()?;
            println!("ok");
        }
    }
    Ok(ExitCode::SUCCESS)
}
