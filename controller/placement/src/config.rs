//! Section `placement` of the configuration.

use controller_ports::placement::Resources;

/// The section: what is kept back, allocation ratios, and in which order hosts are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    vcpus_percent: u64,
    memory_percent: u64,
    disk_percent: u64,
    reserved_memory_mib: u64,
    /// In which order hosts are taken.
    pub order: Order,
}

impl Default for Config {
    fn default() -> Self {
        let Ratios { vcpus_percent, memory_percent, disk_percent, .. } = Ratios::default();
        Self { vcpus_percent, memory_percent, disk_percent, reserved_memory_mib: 512, order: Order::default() }
    }
}

impl Config {
    /// How much of what it has a host may promise.
    #[must_use]
    pub fn ratios(&self) -> Ratios {
        let Self { vcpus_percent, memory_percent, disk_percent, reserved_memory_mib, .. } = *self;
        let reserved = Resources { memory_mib: reserved_memory_mib, ..Resources::default() };
        Ratios { vcpus_percent, memory_percent, disk_percent, reserved }
    }

    /// Refuses ratios of zero.
    ///
    /// # Errors
    /// One of them is zero.
    pub fn validated(self) -> Result<Self, Rejected> {
        let all = [self.vcpus_percent, self.memory_percent, self.disk_percent];
        if all.contains(&0) { Err(Rejected) } else { Ok(self) }
    }
}

/// In which order hosts are taken that have the room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// The emptiest first: servers get most of their hosts.
    #[default]
    Spread,
    /// The fullest first: hosts stay empty, for large servers or to be switched off.
    Pack,
}

/// Allocation ratios in hundredths, of what is not kept back: 1600 promises sixteen vCPUs for each thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ratios {
    /// vCPUs per hardware thread.
    pub vcpus_percent: u64,
    /// Guests' memory per memory.
    pub memory_percent: u64,
    /// Guests' disks per disk.
    pub disk_percent: u64,
    /// What each host keeps for its system and daemons.
    pub reserved: Resources,
}

impl Default for Ratios {
    fn default() -> Self {
        Self { vcpus_percent: 1600, memory_percent: 100, disk_percent: 100, reserved: Resources::default() }
    }
}

/// A ratio that would promise nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an allocation ratio must not be zero")]
pub struct Rejected;

impl Ratios {
    /// What a host with so much may promise.
    #[must_use]
    pub(crate) fn capacity(&self, total: Resources) -> Resources {
        let scale =
            |total: u64, reserved: u64, percent: u64| total.saturating_sub(reserved).saturating_mul(percent) / 100;
        Resources {
            vcpus: scale(total.vcpus, self.reserved.vcpus, self.vcpus_percent),
            memory_mib: scale(total.memory_mib, self.reserved.memory_mib, self.memory_percent),
            disk_gib: scale(total.disk_gib, self.reserved.disk_gib, self.disk_percent),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zero_ratio_is_refused() {
        assert!(Config::default().validated().is_ok());
        let none = Config { disk_percent: 0, ..Config::default() };
        assert_eq!(none.validated(), Err(Rejected));
    }

    #[test]
    fn what_is_kept_back_is_promised_to_nobody() {
        let ratios = Config { memory_percent: 150, reserved_memory_mib: 1024, ..Config::default() }.ratios();
        let capacity = |memory_mib| ratios.capacity(Resources { vcpus: 2, memory_mib, disk_gib: 1 });
        assert_eq!(capacity(3072), Resources { vcpus: 32, memory_mib: 3072, disk_gib: 1 });
        assert_eq!(capacity(512).memory_mib, 0, "a host smaller than that");
    }
}
