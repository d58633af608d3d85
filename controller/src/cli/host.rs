//! `controller host`: the members of the federation, and the tokens with which machines become members.

use super::{
    table::{moment, shown, table},
    token, update,
};
use crate::{admin::client, config::Config};
use humilis_proto::admin::{
    ChangeHostRequest, GetHostRequest, Host, HostState, ListHostsRequest, NumaNode, hosts_client::HostsClient,
};
use serde_json::{Value, json};
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// All hosts.
    List {
        /// A JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// One host.
    Show {
        /// Its name or id.
        host: String,
        /// As a JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Let a host in that waits for it, or one whose disk is in another machine now.
    Approve {
        /// Its name or id.
        host: String,
    },
    /// No new guests there; those that are there run on.
    Drain {
        /// Its name or id.
        host: String,
        /// Why, for other operators.
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// New guests there again.
    Undrain {
        /// Its name or id.
        host: String,
    },
    /// Cut a host off: its stream ends, and it gets no new one and no new certificate. Its guests are left alone.
    Fence {
        /// Its name or id.
        host: String,
        /// Why, for other operators.
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Let a fenced host in again.
    Unfence {
        /// Its name or id.
        host: String,
    },
    /// Let hosts run another version of the appliance, one after another.
    Update(update::Update),
    /// Forget a host without servers; its certificate opens nothing any more.
    Remove {
        /// Its name or id.
        host: String,
    },
    /// Join tokens.
    Token(token::Arguments),
}

pub async fn run(arguments: Arguments, config: Config) -> anyhow::Result<ExitCode> {
    let asked = |host: String, reason: String| ChangeHostRequest { host, reason };
    let plain = |host: String| asked(host, String::new());
    let command = match arguments.command {
        Command::Token(arguments) => return token::run(arguments, config).await,
        Command::Update(arguments) => return update::update(arguments, config).await,
        command => command,
    };
    let mut hosts = HostsClient::new(client::connect(&config).await?).max_decoding_message_size(usize::MAX);
    let changed = match command {
        Command::List { json } => {
            let listed = hosts.list_hosts(ListHostsRequest {}).await.map_err(client::told)?;
            list(&listed.into_inner().hosts, json);
            return Ok(ExitCode::SUCCESS);
        }
        Command::Show { host, json } => {
            let found = hosts.get_host(GetHostRequest { host }).await.map_err(client::told)?;
            show(&found.into_inner(), json);
            return Ok(ExitCode::SUCCESS);
        }
        Command::Approve { host } => hosts.approve_host(plain(host)).await,
        Command::Drain { host, reason } => hosts.drain_host(asked(host, reason)).await,
        Command::Undrain { host } => hosts.undrain_host(plain(host)).await,
        Command::Fence { host, reason } => hosts.fence_host(asked(host, reason)).await,
        Command::Unfence { host } => hosts.unfence_host(plain(host)).await,
        Command::Remove { host } => hosts.remove_host(plain(host)).await,
        // Asked above.
        Command::Token(_) | Command::Update(_) => return Ok(ExitCode::SUCCESS),
    };
    let changed = changed.map_err(client::told)?.into_inner();
    println!("{} is {}", changed.name, changed.host.map_or("removed", |host| word(host.state())));
    Ok(ExitCode::SUCCESS)
}

fn list(hosts: &[Host], json: bool) {
    if json {
        return hosts.iter().for_each(|host| println!("{}", object(host)));
    }
    let mut rows = vec![
        ["NAME", "ID", "STATE", "ADDRESS", "VERSION", "GUESTS", "CLOCK", "CERTIFICATE UNTIL", "LAST SEEN"]
            .map(str::to_owned)
            .to_vec(),
    ];
    for host in hosts {
        let (clock, host) = (clock(host), object(host));
        let columns = ["name", "id", "state", "address", "version", "guests", "certificate_expires_at", "last_seen"];
        let mut row = columns.map(|name| shown(&host[name])).to_vec();
        row.insert(6, clock);
        rows.push(row);
    }
    print!("{}", table(&rows));
}

fn show(host: &Host, json: bool) {
    let host = object(host);
    if json {
        return println!("{host}");
    }
    let fields = host.as_object().into_iter().flatten();
    let mut rows: Vec<_> = fields.map(|(name, value)| vec![name.clone(), shown(value)]).collect();
    if let Some(row) = rows.iter_mut().find(|row| row[0] == "numa_nodes" && row[1] != "-") {
        let nodes = host["numa_nodes"].as_array().into_iter().flatten();
        let words =
            nodes.map(|node| format!("{}: {}, {} MiB", node["number"], shown(&node["cpus"]), node["memory_mib"]));
        row[1] = words.collect::<Vec<_>>().join("; ");
    }
    print!("{}", table(&rows));
}

fn word(state: HostState) -> &'static str {
    match state {
        HostState::Unspecified => "unknown",
        HostState::Pending => "pending",
        HostState::Fenced => "fenced",
        HostState::Away => "away",
        HostState::Drained => "drained",
        HostState::Connected => "connected",
    }
}

/// How far its clock is ahead of the controller's, as exactly as that is known.
fn clock(host: &Host) -> String {
    let Some(offset) = host.clock_offset else { return "-".to_owned() };
    let (micros, error) = (offset.micros as f64, offset.error_micros as f64);
    if micros.abs().max(error) < 1e6 { format!("{:+.1} ms", micros / 1e3) } else { format!("{:+.1} s", micros / 1e6) }
}

fn numa_node(node: &NumaNode) -> Value {
    json!({"number": node.number, "cpus": node.cpus, "memory_mib": node.memory_mib})
}

fn object(host: &Host) -> Value {
    let (total, used) = (host.total.unwrap_or_default(), host.used.unwrap_or_default());
    json!({
        "name": host.name,
        "id": host.id,
        "state": word(host.state()),
        "connected": host.connected,
        "drained": host.drained,
        "fenced": host.fenced,
        "reason": host.reason,
        "address": host.address,
        "underlay_address": host.underlay_address,
        "physical_networks": host.physical_networks,
        "version": host.version,
        "appliance_version": host.appliance_version,
        "guests": host.guests,
        "vcpus": total.vcpus,
        "vcpus_used": used.vcpus,
        "memory_mib": total.memory_mib,
        "memory_mib_used": used.memory_mib,
        "disk_gib": total.disk_gib,
        "disk_gib_used": used.disk_gib,
        "enrolled_at": moment(host.enrolled_at.as_ref()),
        "last_seen": moment(host.last_seen_at.as_ref()),
        "certificate": host.certificate,
        "certificate_expires_at": moment(host.certificate_expires_at.as_ref()),
        "cpu_model": host.cpu_model,
        "cpu_features": host.cpu_features,
        "numa_nodes": host.numa_nodes.iter().map(numa_node).collect::<Vec<_>>(),
        "clock_offset_seconds": host.clock_offset.map(|offset| offset.micros as f64 / 1e6),
        "clock_error_seconds": host.clock_offset.map(|offset| offset.error_micros as f64 / 1e6),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use humilis_proto::admin::ClockOffset;

    #[test]
    fn a_clock_is_shown_with_its_sign() {
        let host = |micros| Host { clock_offset: Some(ClockOffset { micros, error_micros: 150 }), ..Host::default() };
        assert_eq!(clock(&host(320)), "+0.3 ms");
        assert_eq!(clock(&host(-90_000_000)), "-90.0 s");
        assert_eq!(clock(&Host::default()), "-");
    }
}
