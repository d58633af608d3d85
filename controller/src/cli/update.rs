//! `controller update` and `controller host update`: new versions of the appliance, and the hosts that shall run them.

use super::table::{moment, table};
use crate::{admin::client, config::Config};
use anyhow::{Context as _, bail};
use humilis_proto::admin::{
    AddUpdateRequest, HostUpdate, HostUpdateState, ListUpdatesRequest, ListUpdatesResponse, RemoveUpdateRequest,
    StopUpdatesRequest, Update as Bundle, UpdateHostsRequest, updates_client::UpdatesClient,
};
use serde_json::json;
use std::{
    collections::HashMap,
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

/// Bytes of a piece.
const PIECE: usize = 256 * 1024;
/// Between two looks at hosts that are updated.
const LOOK: Duration = Duration::from_secs(1);
/// How long the controller may be away meanwhile: its own machine is one of them.
const AWAY: Duration = Duration::from_secs(1800);

#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Hand over a signed bundle.
    Add {
        /// The bundle: humilis_VERSION.update.
        file: PathBuf,
    },
    /// What is there, and how far hosts are.
    List {
        /// A JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// Forget a bundle.
    Remove {
        /// Its version.
        version: String,
    },
    /// Update no further host. What a host has begun, it ends.
    Stop,
}

#[derive(Debug, clap::Args)]
pub struct Update {
    /// Their names or ids, in the order in which they are updated; none: all that do not run the version.
    hosts: Vec<String>,
    /// The version; without it the one that was added last.
    #[arg(long, default_value = "")]
    version: String,
    /// Say how far they are until all have ended; exit with 1 if one failed.
    #[arg(long)]
    wait: bool,
}

pub async fn run(arguments: Arguments, config: Config) -> anyhow::Result<ExitCode> {
    let mut updates = UpdatesClient::new(client::connect(&config).await?).max_decoding_message_size(usize::MAX);
    match arguments.command {
        Command::Add { file } => {
            let pieces = pieces(&file)?;
            let added = updates.add_update(pieces).await.map_err(client::told)?.into_inner();
            println!("version {} was added", added.version);
        }
        Command::List { json } => {
            list(&updates.list_updates(ListUpdatesRequest {}).await.map_err(client::told)?.into_inner(), json);
        }
        Command::Remove { version } => {
            let asked = RemoveUpdateRequest { version: version.clone() };
            updates.remove_update(asked).await.map_err(client::told)?;
            println!("version {version} was removed");
        }
        Command::Stop => {
            let stopped = updates.stop_updates(StopUpdatesRequest {}).await.map_err(client::told)?.into_inner();
            println!(
                "stopped: {}",
                if stopped.hosts.is_empty() { "nothing".to_owned() } else { stopped.hosts.join(", ") }
            );
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// `controller host update`.
pub async fn update(arguments: Update, config: Config) -> anyhow::Result<ExitCode> {
    let mut updates = UpdatesClient::new(client::connect(&config).await?).max_decoding_message_size(usize::MAX);
    let asked = UpdateHostsRequest { hosts: arguments.hosts, version: arguments.version };
    let ordered = updates.update_hosts(asked).await.map_err(client::told)?.into_inner().hosts;
    for host in &ordered {
        println!("{} shall run {}", host.host, host.version);
    }
    drop(updates);
    if arguments.wait { wait(&config, &ordered).await } else { Ok(ExitCode::SUCCESS) }
}

/// Says each change, until nothing changes any more.
async fn wait(config: &Config, ordered: &[HostUpdate]) -> anyhow::Result<ExitCode> {
    let mut known: HashMap<String, HostUpdateState> = HashMap::new();
    let (began, mut answered) = (Instant::now(), Instant::now());
    loop {
        match look(config).await {
            Ok(listed) => {
                answered = Instant::now();
                let own =
                    |host: &&HostUpdate| ordered.iter().any(|o| o.host_id == host.host_id && o.version == host.version);
                let own: Vec<_> = listed.hosts.iter().filter(own).collect();
                for host in &own {
                    if known.insert(host.host_id.clone(), host.state()) != Some(host.state()) {
                        let reason = if host.reason.is_empty() { String::new() } else { format!(": {}", host.reason) };
                        println!(
                            "{:7.1} s  {} {}{reason}",
                            began.elapsed().as_secs_f64(),
                            host.host,
                            word(host.state())
                        );
                    }
                }
                if own.iter().all(|host| ended(host.state())) {
                    let done = own.iter().all(|host| host.state() == HostUpdateState::Done);
                    return Ok(if done { ExitCode::SUCCESS } else { ExitCode::FAILURE });
                }
            }
            Err(error) if answered.elapsed() > AWAY => return Err(error.context("the controller did not come back")),
            Err(_) => {}
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn look(config: &Config) -> anyhow::Result<ListUpdatesResponse> {
    let asking = async {
        let mut updates = UpdatesClient::new(client::connect(config).await?).max_decoding_message_size(usize::MAX);
        Ok(updates.list_updates(ListUpdatesRequest {}).await.map_err(client::told)?.into_inner())
    };
    // A machine that is switched off does not even refuse.
    tokio::time::timeout(Duration::from_secs(10), asking).await.context("the controller does not answer")?
}

fn pieces(path: &Path) -> anyhow::Result<impl futures::Stream<Item = AddUpdateRequest> + Send + 'static + use<>> {
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    if !file.metadata()?.is_file() {
        bail!("{} is no file", path.display());
    }
    // A file that cannot be read to its end is a bundle that is cut short, which the controller refuses.
    Ok(futures::stream::unfold(file, |mut file| async move {
        let mut data = Vec::with_capacity(PIECE);
        (&mut file).take(PIECE as u64).read_to_end(&mut data).ok()?;
        (!data.is_empty()).then_some((AddUpdateRequest { data }, file))
    }))
}

fn list(listed: &ListUpdatesResponse, json: bool) {
    if json {
        listed.updates.iter().for_each(|bundle| println!("{}", bundle_object(bundle)));
        return listed.hosts.iter().for_each(|host| println!("{}", host_object(host)));
    }
    let mut rows = vec![["VERSION", "MIB", "ADDED"].map(str::to_owned).to_vec()];
    rows.extend(listed.updates.iter().map(|bundle| {
        vec![
            bundle.version.clone(),
            (bundle.size >> 20).to_string(),
            moment(bundle.added_at.as_ref()).unwrap_or_default(),
        ]
    }));
    print!("{}", table(&rows));
    if listed.hosts.is_empty() {
        return;
    }
    let mut rows = vec![["HOST", "VERSION", "STATE", "SINCE", "REASON"].map(str::to_owned).to_vec()];
    rows.extend(listed.hosts.iter().map(|host| {
        let since = moment(host.changed_at.as_ref()).unwrap_or_default();
        vec![host.host.clone(), host.version.clone(), word(host.state()).to_owned(), since, host.reason.clone()]
    }));
    print!("\n{}", table(&rows));
}

fn bundle_object(bundle: &Bundle) -> serde_json::Value {
    json!({"version": bundle.version, "size": bundle.size, "added_at": moment(bundle.added_at.as_ref())})
}

fn host_object(host: &HostUpdate) -> serde_json::Value {
    json!({"host": host.host, "host_id": host.host_id, "version": host.version, "state": word(host.state()),
        "reason": host.reason, "changed_at": moment(host.changed_at.as_ref())})
}

fn ended(state: HostUpdateState) -> bool {
    matches!(state, HostUpdateState::Done | HostUpdateState::Failed | HostUpdateState::Stopped)
}

fn word(state: HostUpdateState) -> &'static str {
    match state {
        HostUpdateState::Unspecified => "unknown",
        HostUpdateState::Waiting => "waiting",
        HostUpdateState::Ordered => "ordered",
        HostUpdateState::Fetching => "fetching",
        HostUpdateState::Installing => "installing",
        HostUpdateState::Restarting => "restarting",
        HostUpdateState::Trial => "on trial",
        HostUpdateState::Done => "done",
        HostUpdateState::Failed => "failed",
        HostUpdateState::Stopped => "stopped",
    }
}
