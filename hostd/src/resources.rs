//! What this host is and offers, for its greeting.

use crate::{config::Config, cpu, update};
use hostd_kit::numa;
use humilis_proto::federation as wire;
use nix::sys::statvfs::statvfs;
use sha2::{Digest, Sha256};
use std::{fs, sync::OnceLock};

/// The greeting.
pub fn hello(config: &Config) -> wire::Hello {
    wire::Hello {
        hostname: config.hostname(),
        version: env!("CARGO_PKG_VERSION").into(),
        resources: Some(resources(config)),
        underlay_address: config.network.underlay_address.map(|address| address.to_string()).unwrap_or_default(),
        boot_id: fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned(),
        physical_networks: config.network.physical.keys().cloned().collect(),
        instance: instance().to_owned(),
        machine: machine(),
        appliance_version: update::running().ok().flatten().unwrap_or_default(),
        numa_nodes: numa::nodes().into_iter().map(numa_node).collect(),
        cpu: Some(cpu::found()),
    }
}

fn numa_node(node: numa::Node) -> wire::NumaNode {
    wire::NumaNode { number: node.number, cpus: node.cpus, memory_mib: node.memory_mib }
}

/// This process: the kernel's random word, taken once.
fn instance() -> &'static str {
    static WORD: OnceLock<String> = OnceLock::new();
    WORD.get_or_init(|| fs::read_to_string("/proc/sys/kernel/random/uuid").unwrap_or_default().trim().to_owned())
}

/// This machine: its board's id, which is nobody's business as it is; empty where there is none.
fn machine() -> String {
    let id = fs::read_to_string("/sys/class/dmi/id/product_uuid").unwrap_or_default();
    let id = id.trim();
    if id.bytes().all(|byte| matches!(byte, b'0' | b'-')) { String::new() } else { hex::encode(Sha256::digest(id)) }
}

fn resources(config: &Config) -> wire::HostResources {
    let own = config.resources;
    let or = |configured: u64, found: fn(&Config) -> u64| if configured == 0 { found(config) } else { configured };
    wire::HostResources {
        vcpus: if own.vcpus == 0 { processors() } else { own.vcpus },
        memory_mib: or(own.memory_mib, |_| memory_mib().unwrap_or(0)),
        disk_gib: or(own.disk_gib, |config| disk_gib(config).unwrap_or(0)),
    }
}

fn processors() -> u32 {
    std::thread::available_parallelism().ok().and_then(|count| u32::try_from(count.get()).ok()).unwrap_or(1)
}

fn memory_mib() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? / 1024)
}

/// What the file system of guests' disks has, used or not: guests' disks are part of what is used.
fn disk_gib(config: &Config) -> Option<u64> {
    let found = statvfs(config.layout().data()).ok()?;
    Some((found.blocks() * found.fragment_size()) >> 30)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_stays_the_same() {
        assert_eq!((instance().len(), instance()), (36, instance()));
    }

    #[test]
    fn what_is_configured_counts_and_what_is_not_is_found() {
        let mut config = Config { state_dir: "/".into(), ..Config::default() };
        config.resources.vcpus = 7;
        let found = resources(&config);
        assert_eq!(found.vcpus, 7);
        assert!(found.memory_mib > 0 && found.disk_gib > 0);
    }
}
