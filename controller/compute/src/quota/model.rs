//! Limits and what is used of them.

/// What a project may have; -1: as much as it wants.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Servers.
    pub instances: i64,
    /// vCPUs.
    pub cores: i64,
    /// Memory, MiB.
    pub ram: i64,
    /// Entries of a server's metadata.
    pub metadata_items: i64,
    /// Key pairs of a user.
    pub key_pairs: i64,
    /// Server groups.
    pub server_groups: i64,
    /// Servers in a group.
    pub server_group_members: i64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            instances: 10,
            cores: 20,
            ram: 51_200,
            metadata_items: 128,
            key_pairs: 100,
            server_groups: 10,
            server_group_members: 10,
        }
    }
}

/// What a project has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) instances: i64,
    pub(crate) cores: i64,
    pub(crate) ram: i64,
    pub(crate) server_groups: i64,
}

/// Which limit is in the way, in Nova's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Quota exceeded for {resource}: Requested {wanted}, but already used {used} of {limit} {resource}")]
pub(crate) struct Exceeded {
    pub(crate) resource: &'static str,
    pub(crate) wanted: i64,
    pub(crate) used: i64,
    pub(crate) limit: i64,
}

/// The limits by Nova's names, those of things that this cloud does not have included (their limits are kept, nothing uses them).
pub(crate) const NAMES: [&str; 7] =
    ["instances", "cores", "ram", "metadata_items", "key_pairs", "server_groups", "server_group_members"];

impl Limits {
    /// One of [`NAMES`].
    pub(crate) fn get(&self, name: &str) -> Option<i64> {
        let mut copy = self.clone();
        copy.slot(name).map(|slot| *slot)
    }

    /// Sets one of [`NAMES`]; other names are ignored.
    pub(crate) fn set(&mut self, name: &str, amount: i64) {
        if let Some(slot) = self.slot(name) {
            *slot = amount;
        }
    }

    fn slot(&mut self, name: &str) -> Option<&mut i64> {
        Some(match name {
            "instances" => &mut self.instances,
            "cores" => &mut self.cores,
            "ram" => &mut self.ram,
            "metadata_items" => &mut self.metadata_items,
            "key_pairs" => &mut self.key_pairs,
            "server_groups" => &mut self.server_groups,
            "server_group_members" => &mut self.server_group_members,
            _ => return None,
        })
    }

    /// How many servers of a size, at most `most` and at least `least`, still fit.
    pub(crate) fn fitting(&self, used: &Usage, size: (i64, i64), least: i64, most: i64) -> Result<i64, Exceeded> {
        let (cores, ram) = size;
        let mut count = most;
        for (resource, each, used, limit) in self.rows(used, cores, ram) {
            if limit < 0 || each == 0 {
                continue;
            }
            let room = (limit - used).max(0) / each;
            if room < least {
                let wanted = each.saturating_mul(least);
                return Err(Exceeded { resource, wanted, used, limit });
            }
            count = count.min(room);
        }
        Ok(count)
    }

    fn rows(&self, used: &Usage, cores: i64, ram: i64) -> [(&'static str, i64, i64, i64); 3] {
        [
            ("instances", 1, used.instances, self.instances),
            ("cores", cores, used.cores, self.cores),
            ("ram", ram, used.ram, self.ram),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USED: Usage = Usage { instances: 8, cores: 8, ram: 1024, server_groups: 0 };

    #[test]
    fn as_many_as_fit_but_not_fewer_than_wanted() {
        let limits = Limits::default();
        assert_eq!(limits.fitting(&USED, (1, 512), 1, 5), Ok(2));
        assert_eq!(limits.fitting(&USED, (1, 512), 1, 1), Ok(1));
        let refusal = limits.fitting(&USED, (1, 512), 3, 5).unwrap_err();
        assert_eq!(
            refusal.to_string(),
            "Quota exceeded for instances: Requested 3, but already used 8 of 10 instances"
        );
        assert_eq!(limits.fitting(&USED, (13, 512), 1, 1).unwrap_err().resource, "cores");
    }

    #[test]
    fn minus_one_is_no_limit() {
        let mut limits = Limits::default();
        for name in NAMES {
            limits.set(name, -1);
            assert_eq!(limits.get(name), Some(-1));
        }
        assert_eq!(limits.fitting(&USED, (1000, 1_000_000), 100, 100), Ok(100));
    }
}
