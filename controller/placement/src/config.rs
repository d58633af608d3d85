//! Section `placement` of the configuration.

use controller_ports::placement::Resources;

/// The section: allocation ratios, and in which order hosts are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    vcpus_percent: u64,
    memory_percent: u64,
    disk_percent: u64,
    /// In which order hosts are taken.
    pub order: Order,
}

impl Default for Config {
    fn default() -> Self {
        let Ratios { vcpus_percent, memory_percent, disk_percent } = Ratios::default();
        Self { vcpus_percent, memory_percent, disk_percent, order: Order::default() }
    }
}

impl Config {
    /// How much more than it has a host may promise.
    #[must_use]
    pub fn ratios(&self) -> Ratios {
        let Self { vcpus_percent, memory_percent, disk_percent, .. } = *self;
        Ratios { vcpus_percent, memory_percent, disk_percent }
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

/// Allocation ratios in hundredths: 1600 promises sixteen vCPUs for each thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ratios {
    /// vCPUs per hardware thread.
    pub vcpus_percent: u64,
    /// Guests' memory per memory.
    pub memory_percent: u64,
    /// Guests' disks per disk.
    pub disk_percent: u64,
}

impl Default for Ratios {
    fn default() -> Self {
        Self { vcpus_percent: 1600, memory_percent: 100, disk_percent: 100 }
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
        let scale = |amount: u64, percent: u64| amount.saturating_mul(percent) / 100;
        Resources {
            vcpus: scale(total.vcpus, self.vcpus_percent),
            memory_mib: scale(total.memory_mib, self.memory_percent),
            disk_gib: scale(total.disk_gib, self.disk_percent),
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
}
