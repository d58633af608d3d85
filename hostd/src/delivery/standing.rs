//! Where a version stands on this machine, read from the boot loader's entries. Pure.
//!
//! Source: systemd's Automatic Boot Assessment: `NAME+LEFT-DONE.efi` counts tries, `NAME.efi` was found healthy.

/// Where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It runs and stays.
    Kept,
    /// It runs, and was not found healthy yet.
    OnTrial,
    /// It is in its slot; the next start tries it.
    Installed,
    /// It was tried as often as it may, and something else runs.
    Left,
    /// The machine does not have it, or has it as an older version.
    Absent,
}

/// What `running` and the names of entries say of a version.
#[must_use]
pub fn standing<'a>(version: &str, running: &str, entries: impl Iterator<Item = &'a str>) -> Standing {
    let found = entries.filter_map(|entry| counter(entry, version)).next();
    match (running == version, found) {
        (true, Some(Some(_))) => Standing::OnTrial,
        // Started from a network, it has no entry, and nothing that could go back.
        (true, Some(None) | None) => Standing::Kept,
        (false, Some(Some(0))) => Standing::Left,
        (false, Some(Some(_))) => Standing::Installed,
        (false, Some(None) | None) => Standing::Absent,
    }
}

/// If the entry is the version's: how many tries are left, if they are counted.
fn counter(entry: &str, version: &str) -> Option<Option<u32>> {
    let rest = entry.strip_prefix("humilis_")?.strip_suffix(".efi")?.strip_prefix(version)?;
    if rest.is_empty() {
        return Some(None);
    }
    let counters = rest.strip_prefix('+')?;
    let left = counters.split_once('-').map_or(counters, |(left, _)| left);
    left.parse().ok().map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(running: &str, entries: &[&str]) -> Standing {
        standing("1.1", running, entries.iter().copied())
    }

    #[test]
    fn a_version_is_tried_and_stays_or_is_left() {
        assert_eq!(of("1.0", &["humilis_1.0.efi"]), Standing::Absent);
        assert_eq!(of("1.0", &["humilis_1.0.efi", "humilis_1.1+3.efi"]), Standing::Installed);
        assert_eq!(of("1.0", &["humilis_1.0.efi", "humilis_1.1+3-0.efi"]), Standing::Installed);
        assert_eq!(of("1.1", &["humilis_1.0.efi", "humilis_1.1+2-1.efi"]), Standing::OnTrial);
        assert_eq!(of("1.1", &["humilis_1.0.efi", "humilis_1.1.efi"]), Standing::Kept);
        assert_eq!(of("1.0", &["humilis_1.0.efi", "humilis_1.1+0-3.efi"]), Standing::Left);
        assert_eq!(of("1.2", &["humilis_1.2.efi", "humilis_1.1.efi"]), Standing::Absent);
    }

    #[test]
    fn other_versions_and_files_say_nothing() {
        let others =
            ["humilis_1.10.efi", "humilis_1.1.1+3.efi", "humilis_1.1+x.efi", "1.1.efi", "humilis_1.1.efi.part"];
        assert_eq!(of("1.0", &others), Standing::Absent);
        assert_eq!(of("1.1", &[]), Standing::Kept, "it may come from a network");
    }
}
