//! The command line; a file per command.

mod audit;
mod authority;
mod bootstrap;
mod config;
mod events;
mod host;
mod operations;
mod policy;
mod rotate_keys;
mod routes;
mod serve;
mod support_bundle;
mod table;
mod token;
mod update;

use crate::config::Config;
use clap::{Parser, Subcommand};
use std::{path::PathBuf, process::ExitCode};

/// Humilis's controller: OpenStack's APIs over a federation of hosts.
#[derive(Debug, Parser)]
#[command(version)]
pub struct Arguments {
    /// The configuration; without it /etc/humilis/controller.toml or the defaults.
    #[arg(long, short, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the controller.
    Serve,
    /// Make the administrator, the usual roles and the catalog, or give the administrator a new password.
    Bootstrap,
    /// Show or check who may do what.
    Policy(policy::Arguments),
    /// Compare database, hosts, guests, networks and files; exit with 1 if something is not as it should be.
    Audit(audit::Arguments),
    /// Show who changed what, and who got or was refused a token.
    Events(events::Arguments),
    /// Show what is under way and has not ended.
    Operations(operations::Arguments),
    /// Show and change the hosts of the federation.
    Host(host::Arguments),
    /// Print a one-time token with which a host joins: `host token create`.
    JoinToken(token::Create),
    /// Show and replace the federation's certificate authority.
    Authority(authority::Arguments),
    /// New versions of the appliance: what is there, and how far hosts are; `host update` begins.
    Update(update::Arguments),
    /// Make the staged key of tokens or credentials the primary one.
    RotateKeys(rotate_keys::Arguments),
    /// Collect what is needed to find out what is wrong, without secrets, into one file.
    SupportBundle(support_bundle::Arguments),
    /// Show or check the configuration.
    Config(config::Arguments),
    /// Show every route with its policy rules.
    Routes(routes::Arguments),
}

impl Arguments {
    /// Does it.
    ///
    /// # Errors
    /// What went wrong, for the operator.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        if let Command::Config(arguments) = self.command {
            return config::run(&arguments, self.config.as_deref());
        }
        let config = Config::load(self.config.as_deref())?;
        match self.command {
            Command::Serve => block_on(config.worker_threads, serve::run(config)),
            Command::Bootstrap => block_on(1, bootstrap::run(config)),
            Command::Policy(arguments) => policy::run(arguments, &config),
            Command::Audit(arguments) => block_on(1, audit::run(arguments, config)),
            Command::Events(arguments) => block_on(1, events::run(arguments, config)),
            Command::Operations(arguments) => block_on(1, operations::run(arguments, config)),
            Command::SupportBundle(arguments) => block_on(1, support_bundle::run(arguments, config)),
            Command::Host(arguments) => block_on(1, host::run(arguments, config)),
            Command::JoinToken(arguments) => block_on(1, token::create(arguments, config)),
            Command::Authority(arguments) => block_on(1, authority::run(arguments, config)),
            Command::Update(arguments) => block_on(1, update::run(arguments, config)),
            Command::RotateKeys(arguments) => block_on(1, rotate_keys::run(arguments, config)),
            Command::Routes(arguments) => Ok(routes::run(&arguments)),
            Command::Config(_) => Ok(ExitCode::SUCCESS),
        }
    }
}

fn block_on(threads: usize, work: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    // Another provider may be linked in by a dependency's default features: say which.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(threads).max_blocking_threads(16).enable_all().build()?;
    runtime.block_on(work)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn no_two_words_of_a_command_mean_the_same() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn an_update_names_its_version() {
        let words = ["controller", "host", "update", "node-1", "--version", "1.0.1", "--wait"];
        assert!(Arguments::try_parse_from(words).is_ok());
    }
}
