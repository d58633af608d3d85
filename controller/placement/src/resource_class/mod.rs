//! Resource classes: what can be counted. Upstream's standard ones exist; hosts here have the first three, and their NUMA nodes threads and
//! memory. There are no custom ones, as nobody but the hosts makes inventories.

pub(crate) mod api;
pub(crate) mod policy;

use crate::Ratios;
use controller_ports::placement::Resources;

/// Upstream's standard classes, in its order (os-resource-classes).
pub(crate) const STANDARD: &[&str] = &[
    "VCPU",
    "MEMORY_MB",
    "DISK_GB",
    "PCI_DEVICE",
    "SRIOV_NET_VF",
    "NUMA_SOCKET",
    "NUMA_CORE",
    "NUMA_THREAD",
    "NUMA_MEMORY_MB",
    "IPV4_ADDRESS",
    "VGPU",
    "VGPU_DISPLAY_HEAD",
    "NET_BW_EGR_KILOBIT_PER_SEC",
    "NET_BW_IGR_KILOBIT_PER_SEC",
    "PCPU",
    "MEM_ENCRYPTION_CONTEXT",
    "FPGA",
    "PGPU",
    "NET_PACKET_RATE_KILOPACKET_PER_SEC",
    "NET_PACKET_RATE_EGR_KILOPACKET_PER_SEC",
    "NET_PACKET_RATE_IGR_KILOPACKET_PER_SEC",
];

/// A class of which hosts or their NUMA nodes have something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    Vcpu,
    MemoryMb,
    DiskGb,
    NumaThread,
    NumaMemoryMb,
}

/// Of what a host has something.
pub(crate) const OF_HOST: &[Class] = &[Class::Vcpu, Class::MemoryMb, Class::DiskGb];
/// Of what a NUMA node has something.
pub(crate) const OF_NODE: &[Class] = &[Class::NumaThread, Class::NumaMemoryMb];

impl Class {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Vcpu => "VCPU",
            Self::MemoryMb => "MEMORY_MB",
            Self::DiskGb => "DISK_GB",
            Self::NumaThread => "NUMA_THREAD",
            Self::NumaMemoryMb => "NUMA_MEMORY_MB",
        }
    }

    pub(crate) fn of(self, resources: Resources) -> u64 {
        match self {
            Self::Vcpu | Self::NumaThread => resources.vcpus,
            Self::MemoryMb | Self::NumaMemoryMb => resources.memory_mib,
            Self::DiskGb => resources.disk_gib,
        }
    }

    pub(crate) fn percent(self, ratios: &Ratios) -> u64 {
        match self {
            Self::Vcpu | Self::NumaThread => ratios.vcpus_percent,
            Self::MemoryMb | Self::NumaMemoryMb => ratios.memory_percent,
            Self::DiskGb => ratios.disk_percent,
        }
    }
}

/// Amounts by class, without the classes of which there is nothing: a claim on a host or a node as the API shows it.
pub(crate) fn amounts(classes: &[Class], resources: Resources) -> serde_json::Value {
    let some = classes.iter().filter(|class| class.of(resources) > 0);
    some.map(|class| (class.name().to_owned(), class.of(resources).into())).collect::<serde_json::Map<_, _>>().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hosts_have_is_of_standard_classes() {
        assert!(OF_HOST.iter().chain(OF_NODE).all(|class| STANDARD.contains(&class.name())));
        let diskless = Resources { vcpus: 1, memory_mib: 2, disk_gib: 0 };
        assert_eq!(amounts(OF_HOST, diskless).to_string(), r#"{"MEMORY_MB":2,"VCPU":1}"#);
        assert_eq!(amounts(OF_NODE, diskless).to_string(), r#"{"NUMA_MEMORY_MB":2,"NUMA_THREAD":1}"#);
    }
}
