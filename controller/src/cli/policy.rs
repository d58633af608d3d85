//! `controller policy list` and `controller policy check`.

use crate::{config::Config, wiring};
use clap::Subcommand;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Every rule as it is in force; `*` marks those that the configuration changes.
    List,
    /// Whether the configuration's rules can be used.
    Check,
}

pub fn run(arguments: &Arguments, config: &Config) -> anyhow::Result<ExitCode> {
    wiring::policy(config)?;
    match arguments.command {
        Command::List => {
            for (service, rules) in wiring::rules() {
                for rule in controller_web::policy::texts(service, &rules, &config.policy)? {
                    let mark = if rule.overridden { '*' } else { ' ' };
                    println!("{mark} {service}  {}  \"{}\"  # {}", rule.name, rule.check, rule.description);
                }
            }
        }
        Command::Check => println!("ok"),
    }
    Ok(ExitCode::SUCCESS)
}
