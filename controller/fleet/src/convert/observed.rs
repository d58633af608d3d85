//! What hosts say, inward.

use controller_base::{Generation, Timestamp};
use controller_ports::fleet::{Cpu, GuestState, HostResources, NumaNode, ObservedGuest};
use humilis_proto::federation as wire;

/// A host said something that cannot be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Malformed {
    /// An id is none.
    #[error(transparent)]
    Id(#[from] controller_base::id::InvalidId),
    /// A number is outside its range.
    #[error("{0} is out of range")]
    Range(&'static str),
    /// An enum's number is unknown.
    #[error("unknown guest state {0}")]
    State(i32),
}

/// The longest reason that is kept.
const REASON_CHARS: usize = 1000;

pub(crate) fn guest(guest: wire::ObservedGuest) -> Result<ObservedGuest, Malformed> {
    Ok(ObservedGuest {
        id: guest.id.parse()?,
        generation: Generation(i64::try_from(guest.generation).map_err(|_| Malformed::Range("generation"))?),
        state: state(guest.state)?,
        reason: guest.reason.chars().take(REASON_CHARS).collect(),
        boot_count: guest.boot_count,
        since: Timestamp(guest.since),
    })
}

fn state(number: i32) -> Result<GuestState, Malformed> {
    use wire::GuestState as W;
    match W::try_from(number) {
        Ok(W::Preparing) => Ok(GuestState::Preparing),
        Ok(W::Running) => Ok(GuestState::Running),
        Ok(W::Stopped) => Ok(GuestState::Stopped),
        Ok(W::Crashed) => Ok(GuestState::Crashed),
        Ok(W::Failed) => Ok(GuestState::Failed),
        Ok(W::Gone) => Ok(GuestState::Gone),
        Ok(W::Unspecified) | Err(_) => Err(Malformed::State(number)),
    }
}

/// The most nodes of a machine, and the longest list of one's processors.
const NUMA_NODES: usize = 64;
const CPUS_CHARS: usize = 1024;

/// The host's NUMA nodes by number; what is no list of processors is left empty.
pub(crate) fn numa(nodes: Vec<wire::NumaNode>) -> Vec<NumaNode> {
    let list = |cpus: &String| {
        cpus.len() <= CPUS_CHARS && cpus.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-' || byte == b',')
    };
    let node = |node: wire::NumaNode| NumaNode {
        number: node.number,
        cpus: Some(node.cpus).filter(list).unwrap_or_default(),
        memory_mib: node.memory_mib,
    };
    let mut nodes: Vec<_> = nodes.into_iter().take(NUMA_NODES).map(node).collect();
    nodes.sort_by_key(|node| node.number);
    nodes.dedup_by_key(|node| node.number);
    nodes
}

/// The most features of a processor, and the longest word about one.
const FEATURES: usize = 1024;
const FEATURE_CHARS: usize = 32;
const CPU_CHARS: usize = 128;

/// The host's processors; what is no word of Linux's for a feature is left out.
pub(crate) fn cpu(cpu: wire::Cpu) -> Cpu {
    let word = |feature: &String| {
        feature.len() <= FEATURE_CHARS && feature.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    let text = |text: String| text.chars().filter(|char| !char.is_control()).take(CPU_CHARS).collect();
    let features = cpu.features.into_iter().filter(word).take(FEATURES).collect();
    Cpu { vendor: text(cpu.vendor), model: text(cpu.model), features }
}

pub(crate) fn resources(resources: wire::HostResources) -> HostResources {
    HostResources { vcpus: resources.vcpus, memory_mib: resources.memory_mib, disk_gib: resources.disk_gib }
}
