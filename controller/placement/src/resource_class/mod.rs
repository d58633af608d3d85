//! Resource classes: what can be counted. Upstream's standard ones exist; hosts here have the first three. There are no custom
//! ones, as nobody but the hosts makes inventories.

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

/// A class of which hosts have something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    Vcpu,
    MemoryMb,
    DiskGb,
}

impl Class {
    pub(crate) const ALL: [Self; 3] = [Self::Vcpu, Self::MemoryMb, Self::DiskGb];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Vcpu => "VCPU",
            Self::MemoryMb => "MEMORY_MB",
            Self::DiskGb => "DISK_GB",
        }
    }

    pub(crate) fn of(self, resources: Resources) -> u64 {
        match self {
            Self::Vcpu => resources.vcpus,
            Self::MemoryMb => resources.memory_mib,
            Self::DiskGb => resources.disk_gib,
        }
    }

    pub(crate) fn percent(self, ratios: &Ratios) -> u64 {
        match self {
            Self::Vcpu => ratios.vcpus_percent,
            Self::MemoryMb => ratios.memory_percent,
            Self::DiskGb => ratios.disk_percent,
        }
    }
}

/// Amounts by class, without the classes of which there is nothing: a claim as the API shows it.
pub(crate) fn amounts(resources: Resources) -> serde_json::Value {
    let some = Class::ALL.into_iter().filter(|class| class.of(resources) > 0);
    some.map(|class| (class.name().to_owned(), class.of(resources).into())).collect::<serde_json::Map<_, _>>().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hosts_have_is_of_standard_classes() {
        assert!(Class::ALL.iter().all(|class| STANDARD.contains(&class.name())));
        let diskless = Resources { vcpus: 1, memory_mib: 2, disk_gib: 0 };
        assert_eq!(amounts(diskless).to_string(), r#"{"MEMORY_MB":2,"VCPU":1}"#);
    }
}
