//! The machine's NUMA nodes, as the kernel tells them below `/sys/devices/system/node`.

use std::{fs, path::Path};

/// Processors and the memory that is near to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// The kernel's number.
    pub number: u32,
    /// Hardware threads as the kernel lists them: `0-3,8-11`.
    pub cpus: String,
    /// MiB.
    pub memory_mib: u64,
}

impl Node {
    /// The hardware threads, by number.
    #[must_use]
    pub fn threads(&self) -> Vec<u16> {
        let range = |part: &str| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            Some(first.parse::<u16>().ok()?..=last.parse().ok()?)
        };
        self.cpus.split(',').filter_map(range).flatten().collect()
    }
}

/// The nodes of this machine by number; none where the kernel tells none.
#[must_use]
pub fn nodes() -> Vec<Node> {
    below(Path::new("/sys/devices/system/node"))
}

fn below(folder: &Path) -> Vec<Node> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut nodes: Vec<_> = entries.filter_map(|entry| node(&entry.path())).collect();
    nodes.sort_by_key(|node| node.number);
    nodes
}

fn node(folder: &Path) -> Option<Node> {
    let number = folder.file_name()?.to_str()?.strip_prefix("node")?.parse().ok()?;
    let cpus = fs::read_to_string(folder.join("cpulist")).ok()?.trim().to_owned();
    let memory = fs::read_to_string(folder.join("meminfo")).ok()?;
    let total = memory.lines().find_map(|line| line.split_once("MemTotal:")).map(|(_, rest)| rest.trim());
    let kib: u64 = total?.split(' ').next()?.parse().ok()?;
    Some(Node { number, cpus, memory_mib: kib / 1024 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_read_in_the_order_of_their_numbers() {
        let dir = tempfile::tempdir().unwrap();
        for (name, cpus, kib) in [("node10", "", 0), ("node1", "4-7,12\n", 2_048_000), ("node0", "0-3\n", 1_024_000)] {
            let folder = dir.path().join(name);
            fs::create_dir(&folder).unwrap();
            fs::write(folder.join("cpulist"), cpus).unwrap();
            fs::write(folder.join("meminfo"), format!("Node 0 MemTotal:       {kib} kB\nNode 0 MemFree: 1 kB\n"))
                .unwrap();
        }
        fs::write(dir.path().join("online"), "0-1").unwrap();
        fs::create_dir(dir.path().join("power")).unwrap();
        let node = |number, cpus: &str, memory_mib| Node { number, cpus: cpus.to_owned(), memory_mib };
        assert_eq!(node(1, "4-7,12", 0).threads(), [4, 5, 6, 7, 12]);
        assert_eq!(node(10, "", 0).threads(), []);
        assert_eq!(below(dir.path()), [node(0, "0-3", 1000), node(1, "4-7,12", 2000), node(10, "", 0)]);
        assert_eq!(below(Path::new("/nonexistent")), []);
    }
}
