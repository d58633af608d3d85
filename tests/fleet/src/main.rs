//! A real controller with very many hosts that are none: `cargo xtask sim fleet`.
//!
//! The hosts ([`host`]) live in this one process and speak the real protocol over mutual TLS, each with a key, a certificate and a stream of its own;
//! their guests run as soon as they are asked for. What is measured is the controller: a process of its own, over SQLite or PostgreSQL
//! ([`cloud`]). The scheduler alone is measured in this process ([`scheduler`]).

mod cloud;
mod figure;
mod host;
mod process;
mod scheduler;

use anyhow::Result;
use clap::Parser;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::path::PathBuf;

/// Measures a controller with simulated hosts.
#[derive(Debug, Parser)]
struct Arguments {
    /// The controller.
    #[arg(long)]
    controller: PathBuf,
    /// How many hosts.
    #[arg(long, default_value_t = 1000)]
    hosts: usize,
    /// How many servers.
    #[arg(long, default_value_t = 1000)]
    servers: usize,
    /// All servers in one project, members of one group.
    #[arg(long)]
    one_project: bool,
    /// How many hosts the scheduler alone has.
    #[arg(long, default_value_t = 10_000)]
    scheduler_hosts: usize,
    /// Only this: sqlite, postgres or scheduler.
    #[arg(long)]
    only: Option<String>,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    // Two descriptors a host here, one in the controller, which inherits the limit.
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let wanted = |name: &str| arguments.only.as_deref().is_none_or(|only| only == name);
    for database in ["sqlite", "postgres"].into_iter().filter(|name| wanted(name)) {
        let plan = cloud::Plan {
            controller: arguments.controller.clone(),
            hosts: arguments.hosts,
            servers: arguments.servers,
            one_project: arguments.one_project,
            database,
        };
        let figures = runtime.block_on(cloud::measure(&plan))?;
        figure::print(&figures, arguments.json);
    }
    if wanted("scheduler") {
        let figures = runtime.block_on(scheduler::measure(arguments.scheduler_hosts))?;
        figure::print(&figures, arguments.json);
    }
    Ok(())
}
