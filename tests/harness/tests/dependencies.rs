//! The architecture's rules of who may touch what, read from `cargo metadata` and the sources' imports.
#![expect(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// The services: each may use what lies below it, none of its neighbours.
const SERVICES: &[&str] = &[
    "controller-fleet",
    "controller-identity",
    "controller-image",
    "controller-network",
    "controller-placement",
    "controller-compute",
];
/// What lies below the services, lowest first.
const LAYERS: &[&str] = &["controller-base", "controller-db", "controller-web", "controller-work", "controller-ports"];

/// A crate and the places where it may be named: beginnings or pieces of paths.
const OWNERS: &[(&str, &[&str])] = &[
    ("sqlx", &["controller/db/", "/store.rs", "/store/", "/sql.rs"]),
    ("sqlx_core", &["controller/db/"]),
    ("rusqlite", &["controller/db/"]),
    (
        "axum",
        &["controller/web/", "/api.rs", "_api.rs", "/api/", "/failure.rs", "/tests/", "/testing.rs", "controller/src/"],
    ),
    ("tonic", &["proto/", "controller/fleet/", "controller/src/admin/", "hostd/src/federation/", "hostd/tests/"]),
    ("opentelemetry", &["trace/"]),
    ("kvm_ioctls", &["vmm/sys/", "vmm/src/"]),
];

/// Where unsafe code may be.
const UNSAFE: &[&str] = &["vmm/sys/", "vmm/jail/", "hostd/net/src/"];

fn metadata() -> Metadata {
    MetadataCommand::new().manifest_path(root().join("Cargo.toml")).no_deps().exec().unwrap()
}

fn root() -> PathBuf {
    humilis_harness::paths::root()
}

fn needs(package: &Package) -> BTreeSet<String> {
    let needed = package.dependencies.iter().filter(|d| d.kind != DependencyKind::Development);
    needed.map(|d| d.name.clone()).collect()
}

fn sources() -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = ["proto", "vmm", "hostd", "controller"].iter().map(|f| root().join(f)).collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap().map(|e| e.unwrap().path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else if entry.extension().is_some_and(|e| e == "rs") && !entry.ends_with("tests.rs") {
                found.push((shown(&entry), product_code(&entry)));
            }
        }
    }
    found
}

/// A file without its tests, which may look behind every curtain.
fn product_code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default().to_owned()
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().to_string_lossy().into_owned()
}

/// Whether a line of code has a path that begins with this crate.
fn names(text: &str, name: &str) -> bool {
    let path = format!("{name}::");
    text.lines().map(str::trim_start).filter(|line| !line.starts_with("//")).any(|line| {
        line.match_indices(&path).any(|(at, _)| {
            let before = line[..at].chars().next_back();
            before.is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != ':')
        })
    })
}

#[test]
fn a_service_imports_no_other_service() {
    for package in metadata().packages.iter().filter(|p| SERVICES.contains(&p.name.as_str())) {
        let needs = needs(package);
        let others = needs.iter().filter(|n| n.starts_with("controller-") && !LAYERS.contains(&n.as_str()));
        let others: Vec<_> = others.collect();
        assert!(others.is_empty(), "{} depends on {others:?}; ask through controller-ports", package.name);
    }
}

#[test]
fn the_controllers_layers_point_one_way() {
    for package in metadata().packages.iter().filter(|p| LAYERS.contains(&p.name.as_str())) {
        let own = LAYERS.iter().position(|n| *n == package.name.as_str()).unwrap();
        for need in needs(package).iter().filter(|n| n.starts_with("controller")) {
            let other = LAYERS.iter().position(|n| n == need);
            assert!(other.is_some_and(|other| other < own), "{} may not depend on {need}", package.name);
        }
    }
}

#[test]
fn monitor_host_and_controller_know_their_place() {
    for package in &metadata().packages {
        let (name, needs) = (package.name.as_str(), needs(package));
        let forbidden: &[&str] = match name.split('-').next() {
            Some("vmm") => &["tokio", "tonic", "sqlx", "axum", "hyper"],
            Some("hostd") => &["sqlx", "axum", "kvm-ioctls"],
            Some("controller") => &["kvm-ioctls", "rtnetlink", "vmm"],
            _ => &[],
        };
        let wrong: Vec<_> = forbidden.iter().filter(|f| needs.contains(**f)).collect();
        assert!(wrong.is_empty(), "{name} may not depend on {wrong:?}");
        let knows = |side: &str| needs.iter().any(|n| n.starts_with(side));
        assert!(!(name.starts_with("hostd") && knows("controller")), "{name} may not know the controller");
        assert!(!(name.starts_with("controller") && knows("hostd")), "{name} may not know hostd");
    }
}

#[test]
fn a_crate_is_named_only_where_it_belongs() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        for (name, owners) in OWNERS {
            if !owners.iter().any(|owner| path.contains(owner)) && names(&text, name) {
                wrong.push(format!("{path} names {name}, which belongs to {owners:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn unsafe_code_stays_in_its_few_files() {
    for (path, text) in sources() {
        let may = UNSAFE.iter().any(|u| path.starts_with(u)) && !path.ends_with("lib.rs");
        assert!(may || !text.contains("expect(unsafe_code"), "{path} may hold no unsafe code");
        assert!(!text.contains("allow(unsafe_code"), "{path}: write expect(unsafe_code, reason = ..)");
    }
}

#[test]
fn the_rule_on_names_can_fail() {
    assert!(names("use sqlx::Row;", "sqlx"));
    assert!(names("    sqlx::query(\"\")", "sqlx"));
    assert!(!names("// sqlx::query", "sqlx"));
    assert!(!names("my_sqlx::query", "sqlx"));
}
