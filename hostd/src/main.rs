//! `hostd`: the daemon of a host, and its few commands.

use anyhow::Context;
use clap::{Parser, Subcommand};
use hostd::{
    config::{Config, DEFAULT_FILE},
    daemon,
    federation::enrol::{Invitation, enrol},
    local,
    screen::{self, Machine},
    update::{self, Outcome},
};
use hostd_kit::fault::Point;
use humilis_trace::{Service, TraceError, Traces, start_logs};
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

/// Threads that do the work; nothing of hostd computes for long.
const WORKERS: usize = 2;
/// The exit status of an update that changed nothing.
const NOTHING_NEW: u8 = 3;
/// Threads for files.
const BLOCKING: usize = 16;

/// Runs guests for a controller.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The configuration file; without it the defaults hold.
    #[arg(long, global = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Makes this host a member of a federation.
    Enrol {
        /// The controller's address, https://name:port.
        #[arg(long)]
        controller: Option<String>,
        /// SHA-256 of the CA's certificate.
        #[arg(long)]
        ca_fingerprint: String,
        /// The join token.
        #[arg(long, env = "HOSTD_JOIN_TOKEN", hide_env_values = true)]
        token: String,
    },
    /// Lists what hostd has on this host, and what nothing explains (exit status 1 then).
    Audit {
        /// One JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// Tells how this machine is: services, membership, guests, pool, links.
    Status {
        /// What stands above it.
        #[arg(long)]
        head: Option<String>,
        /// A unit of systemd's that shall run here.
        #[arg(long = "unit")]
        units: Vec<String>,
        /// A file with what the machine's health check found.
        #[arg(long)]
        health: Option<PathBuf>,
        /// A terminal that shall show it from now on, as it changes.
        #[arg(long = "console")]
        consoles: Vec<PathBuf>,
    },
    /// Puts a new version of the appliance where the next start takes it; ends with 3 when the bundle has nothing new.
    Update {
        /// The signed bundle.
        bundle: PathBuf,
    },
    /// Before the machine goes down, with hostd ended: asks every guest to power itself off, and ends those that do not. They run
    /// again when the machine does.
    ShutDownGuests {
        /// How long they may take.
        #[arg(long, default_value_t = 60)]
        seconds: u64,
    },
    /// Takes the host out of use, with hostd ended: shuts the guests down likewise, then takes away the networks, namespaces and
    /// filters that were set up for them. Files stay; the next start sets all up again.
    Dismantle {
        /// How long guests may take.
        #[arg(long, default_value_t = 60)]
        seconds: u64,
    },
    /// Prints the default configuration.
    Config,
    /// Lists the fault points that HOSTD_FAULT takes.
    Faults,
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let config = match &arguments.config {
        Some(path) => Config::load(path)?,
        None => Config::default(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .max_blocking_threads(BLOCKING)
        .enable_all()
        .build()?;
    let code = runtime.block_on(command(arguments.command, config));
    // What waits for files or names must not hold up the end.
    runtime.shutdown_background();
    code
}

async fn command(command: Option<Command>, config: Config) -> anyhow::Result<ExitCode> {
    match command {
        None => {
            let traces = traces(&config)?;
            start_logs(&config.log, traces.as_ref())?;
            let ended = daemon::run(config).await;
            if let Some(traces) = traces {
                traces.finish();
            }
            ended?;
        }
        Some(Command::Enrol { controller, ca_fingerprint, token }) => {
            start_logs(&config.log, None)?;
            let url = controller.unwrap_or_else(|| config.controller.enrolment_url());
            let layout = config.layout();
            layout.create()?;
            let identity =
                enrol(&layout, &Invitation { url, ca_fingerprint, token, hostname: config.hostname() }).await?;
            println!("{}", identity.host_id);
        }
        Some(Command::Audit { json }) => return audit(&config, json).await,
        Some(Command::Status { head, units, health, consoles }) => {
            let machine = Machine { head, units, health, layout: config.layout() };
            match consoles.as_slice() {
                [] => print!("{}", machine.text().await),
                consoles => screen::keep(&machine, consoles).await?,
            }
        }
        Some(Command::Update { bundle }) => return update(bundle).await,
        Some(Command::ShutDownGuests { seconds }) => {
            start_logs(&config.log, None)?;
            let ended = daemon::shut_down_guests(&config, Duration::from_secs(seconds)).await?;
            println!("{} guests powered off, {} were ended", ended.gracefully, ended.forced);
        }
        Some(Command::Dismantle { seconds }) => {
            start_logs(&config.log, None)?;
            daemon::dismantle(&config, Duration::from_secs(seconds)).await?;
        }
        Some(Command::Config) => print!("{DEFAULT_FILE}"),
        Some(Command::Faults) => Point::ALL.iter().for_each(|point| println!("{}", point.name())),
    }
    Ok(ExitCode::SUCCESS)
}

async fn update(bundle: PathBuf) -> anyhow::Result<ExitCode> {
    match update::install(bundle, &humilis_update::key_files(), Path::new(update::FOLDER)).await? {
        Outcome::Installed(version) => {
            println!("version {version} is installed; the next start takes it");
            Ok(ExitCode::SUCCESS)
        }
        Outcome::NothingNew(version) => {
            println!("version {version} is nothing new");
            Ok(ExitCode::from(NOTHING_NEW))
        }
    }
}

async fn audit(config: &Config, json: bool) -> anyhow::Result<ExitCode> {
    let socket = daemon::local_socket(&config.layout());
    let text = local::ask(&socket, "/audit").await.context("hostd does not answer")?;
    let mut found = false;
    for line in text.lines() {
        let item: hostd::audit::Line = serde_json::from_str(line)?;
        found |= !item.explained;
        if json {
            println!("{line}");
        } else {
            println!("{:<10} {:<12} {}", item.kind, if item.explained { "" } else { "unexplained" }, item.name);
        }
    }
    Ok(if found { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The daemon's traces; a short command has none.
fn traces(config: &Config) -> Result<Option<Traces>, TraceError> {
    let machine = config.hostname();
    Traces::start(&config.trace, Service { name: "hostd", version: env!("CARGO_PKG_VERSION"), machine: &machine })
}
