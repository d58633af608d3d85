//! What is in an image: packages with versions and licences, and the hashes of its files.

use anyhow::{Context as _, Result};
use humilis_harness::exec;
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// A package and the licences that its copyright file names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Package {
    pub name: String,
    pub version: String,
    /// Empty where the file is not written for machines.
    pub licences: BTreeSet<String>,
}

impl Package {
    /// Reads its licences from a copyright file.
    pub fn new(name: String, version: String, copyright: &Path) -> Self {
        let text = fs::read(copyright).unwrap_or_default();
        Self { name, version, licences: licences(&String::from_utf8_lossy(&text)) }
    }
}

/// The packages of a tree.
pub fn packages(tree: &Path) -> Result<Vec<Package>> {
    let mut query = Command::new("dpkg-query");
    query.arg(format!("--admindir={}", tree.join("var/lib/dpkg").display()));
    let text = exec::read(query.args(["-W", "-f", "${Package} ${Version}\\n"]))?;
    let lines = text.lines().filter_map(|line| line.split_once(' '));
    let documents = tree.join("usr/share/doc");
    let read = |(name, version): (&str, &str)| {
        Package::new(name.to_owned(), version.to_owned(), &documents.join(name).join("copyright"))
    };
    let mut packages: Vec<_> = lines.map(read).collect();
    packages.sort();
    Ok(packages)
}

/// The short names of the licences in a copyright file (DEP-5).
fn licences(text: &str) -> BTreeSet<String> {
    let is_for_machines = text.lines().next().is_some_and(|line| line.starts_with("Format"));
    let lines = text.lines().filter(|_| is_for_machines).filter_map(|line| line.strip_prefix("License:"));
    lines.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
}

/// Writes the manifest of an image.
pub fn write(to: &Path, version: &str, root_hash: &str, packages: &[Package], files: &[PathBuf]) -> Result<()> {
    let packages: Vec<_> = packages
        .iter()
        .map(|package| json!({"name": package.name, "version": package.version, "licences": package.licences}))
        .collect();
    let files = files.iter().map(|file| describe(file)).collect::<Result<Vec<_>>>()?;
    let manifest = json!({"version": version, "root_hash": root_hash, "files": files, "packages": packages});
    fs::write(to, format!("{manifest:#}\n")).context("cannot write the manifest")
}

fn describe(file: &Path) -> Result<Value> {
    let bytes = fs::metadata(file).with_context(|| format!("cannot read {}", file.display()))?.len();
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    Ok(json!({"name": name, "bytes": bytes, "sha256": sha256(file)?}))
}

/// A file's hash.
pub fn sha256(file: &Path) -> Result<String> {
    let text = exec::read(Command::new("sha256sum").arg("--binary").arg(file))?;
    text.split(' ').next().map(str::to_owned).context("sha256sum says nothing")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn licences_are_read_where_they_are_written_for_machines() {
        let text = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\nFiles: *\nLicense: GPL-2+\n \
                    text of it\n\nFiles: a\nLicense: MIT or BSD-3-Clause\n\nLicense: GPL-2+\n";
        assert_eq!(licences(text).into_iter().collect::<Vec<_>>(), ["GPL-2+", "MIT or BSD-3-Clause"]);
        assert!(licences("This package was made by hand.\nLicense: GPL\n").is_empty());
    }
}
