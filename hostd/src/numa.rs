//! The machine's NUMA nodes, as the kernel tells them below `/sys/devices/system/node`.

use humilis_proto::federation::NumaNode;
use std::{fs, path::Path};

/// The nodes of this machine by number; none where the kernel tells none.
#[must_use]
pub fn nodes() -> Vec<NumaNode> {
    below(Path::new("/sys/devices/system/node"))
}

fn below(folder: &Path) -> Vec<NumaNode> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut nodes: Vec<_> = entries.filter_map(|entry| node(&entry.path())).collect();
    nodes.sort_by_key(|node| node.number);
    nodes
}

fn node(folder: &Path) -> Option<NumaNode> {
    let number = folder.file_name()?.to_str()?.strip_prefix("node")?.parse().ok()?;
    let cpus = fs::read_to_string(folder.join("cpulist")).ok()?.trim().to_owned();
    let memory = fs::read_to_string(folder.join("meminfo")).ok()?;
    let total = memory.lines().find_map(|line| line.split_once("MemTotal:")).map(|(_, rest)| rest.trim());
    let kib: u64 = total?.split(' ').next()?.parse().ok()?;
    Some(NumaNode { number, cpus, memory_mib: kib / 1024 })
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
        let node = |number, cpus: &str, memory_mib| NumaNode { number, cpus: cpus.to_owned(), memory_mib };
        assert_eq!(below(dir.path()), [node(0, "0-3", 1000), node(1, "4-7,12", 2000), node(10, "", 0)]);
        assert_eq!(below(Path::new("/nonexistent")), []);
    }
}
