//! What a cloud has on this machine, seen by the machine's own tools: compared before the first server and after the last.

use anyhow::Result;
use humilis_harness::{
    cloud::{CGROUPS, Cloud, Daemon},
    exec,
};
use std::{collections::BTreeSet, fs, path::Path, process::Command};

/// Everything that is there, one text each.
pub fn list(cloud: &Cloud) -> Result<BTreeSet<String>> {
    let mut all = BTreeSet::new();
    let links = exec::read(Command::new("ip").args(["-br", "link"]))?;
    all.extend(links.lines().filter_map(|line| line.split_whitespace().next()).map(|name| {
        let name = name.split('@').next().unwrap_or(name);
        format!("link {name}")
    }));
    let namespaces = exec::read(Command::new("ip").args(["netns", "list"]))?;
    all.extend(namespaces.lines().filter_map(|line| line.split_whitespace().next()).map(|n| format!("namespace {n}")));
    all.extend(filters(&exec::read(Command::new("nft").args(["--stateless", "list", "ruleset"]))?));
    let groups = CGROUPS.iter().map(|mount| Path::new(mount).join(cloud.plan.cgroup()));
    let groups = groups.flat_map(|parent| entries(&parent)).filter(|entry| Path::new(entry).is_dir());
    all.extend(groups.map(|group| format!("cgroup {group}")));
    all.extend(entries(&cloud.plan.folder.join("hostd/guests")).map(|entry| format!("file {entry}")));
    all.extend(processes(cloud).map(|process| format!("process {process}")));
    Ok(all)
}

/// Every line, with its table and its chain, set or map.
fn filters(ruleset: &str) -> BTreeSet<String> {
    let mut within: Vec<&str> = Vec::new();
    let mut all = BTreeSet::new();
    for line in ruleset.lines().map(str::trim).filter(|line| !line.is_empty()) {
        all.insert(format!("filter {} {line}", within.join(" ")));
        if let Some(name) = line.strip_suffix('{') {
            within.push(name.trim());
        } else if line == "}" {
            within.pop();
        }
    }
    all
}

fn entries(folder: &Path) -> impl Iterator<Item = String> + use<> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path().display().to_string())
}

/// Processes that name a folder of guests, but for the two daemons.
fn processes(cloud: &Cloud) -> impl Iterator<Item = String> + use<> {
    let folder = cloud.plan.folder.join("hostd/guests").display().to_string();
    let daemons = [Daemon::Controller, Daemon::Hostd].map(|daemon| cloud.pid(daemon));
    let numbers = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = numbers.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    numbers.filter(move |pid| !daemons.contains(&Some(*pid))).filter_map(move |pid| {
        let words = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let words = String::from_utf8_lossy(&words).replace('\0', " ");
        words.contains(&folder).then(|| format!("{pid} {words}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_told_with_their_chain() {
        let text = "table inet a {\n\tset s {\n\t\ttype ether_addr\n\t}\n\tchain c {\n\t\tjump d\n\t}\n}\n";
        let found = filters(text);
        assert!(found.contains("filter table inet a set s type ether_addr"));
        assert!(found.contains("filter table inet a chain c jump d"));
        assert!(found.contains("filter  table inet a {"));
    }
}
