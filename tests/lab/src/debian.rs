//! Debian's packages: trees made by mmdebstrap, from the mirror that this machine's apt already uses.

use anyhow::{Context as _, Result};
use humilis_harness::{exec, paths};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The release of lab hosts and guests.
pub const SUITE: &str = "bookworm";

/// What no machine here reads.
const UNREAD: &[&str] =
    &["/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*", "/usr/share/info/*", "/usr/share/i18n/*"];

/// Where the lab's images lie.
///
/// # Errors
/// When the folder cannot be made.
pub fn folder() -> Result<PathBuf> {
    let folder = paths::cache().join("lab");
    fs::create_dir_all(&folder).context("cannot make the lab's folder")?;
    Ok(folder)
}

/// The machine's own Debian mirror.
///
/// # Errors
/// When apt knows none.
pub fn mirror() -> Result<String> {
    repository(|codename| !codename.ends_with("-security")).context("this machine's apt knows no Debian mirror")
}

/// Where this machine has a suite from, as apt knows it.
fn repository(suite: impl Fn(&str) -> bool) -> Option<String> {
    let known =
        exec::read(Command::new("apt-get").args(["indextargets", "--format", "$(REPO_URI) $(CODENAME)"])).ok()?;
    let mut known = known.lines().filter_map(|line| line.split_once(' '));
    known.find(|(uri, codename)| uri.contains("/debian") && suite(codename)).map(|(uri, _)| uri.to_owned())
}

/// A release's suites, as lines of `sources.list`: itself, its updates, and its security updates where this machine has its own
/// from somewhere.
///
/// # Errors
/// When apt knows no mirror.
pub fn sources(release: &str) -> Result<Vec<String>> {
    let mirror = mirror()?;
    let mut lines = vec![format!("deb {mirror} {release} main"), format!("deb {mirror} {release}-updates main")];
    if let Some(security) = repository(|codename| codename.ends_with("-security")) {
        lines.push(format!("deb {security} {release}-security main"));
    }
    Ok(lines)
}

/// Makes a tree with these packages and what they need.
///
/// # Errors
/// When mmdebstrap fails.
pub fn tree(title: &str, root: &Path, packages: &[&str]) -> Result<()> {
    if root.exists() {
        fs::remove_dir_all(root).context("cannot remove the old tree")?;
    }
    let mut make = Command::new("mmdebstrap");
    make.args([
        "--mode=root",
        "--variant=apt",
        "--aptopt=APT::Install-Recommends \"false\"",
        "--aptopt=Acquire::Languages \"none\"",
    ]);
    for path in UNREAD {
        make.arg(format!("--dpkgopt=path-exclude={path}"));
    }
    make.arg(format!("--include={}", packages.join(",")));
    make.arg(SUITE).arg(root).arg(format!("deb {} {SUITE} main", mirror()?));
    exec::step(title, &root.with_extension("log"), &mut make)?;
    for left in ["var/lib/apt/lists", "var/cache/apt"] {
        fs::remove_dir_all(root.join(left)).context("cannot clean the tree")?;
    }
    Ok(())
}

/// The newest kernel in a tree, and its initial RAM disk.
///
/// # Errors
/// When there is none.
pub fn kernel(root: &Path) -> Result<(PathBuf, PathBuf)> {
    let newest = |prefix: &str| {
        let mut found: Vec<_> = fs::read_dir(root.join("boot"))?.filter_map(Result::ok).map(|e| e.path()).collect();
        found.retain(|p| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with(prefix)));
        found.sort();
        found.pop().with_context(|| format!("the tree has no {prefix}"))
    };
    Ok((newest("vmlinuz-")?, newest("initrd.img-")?))
}

/// A file system image of a tree, sparse.
///
/// # Errors
/// When mke2fs fails.
pub fn ext4(title: &str, tree: Option<&Path>, image: &Path, size: &str, options: &[&str]) -> Result<()> {
    let mut make = Command::new("mke2fs");
    make.args(["-q", "-F", "-t", "ext4", "-O", "^metadata_csum_seed,^orphan_file"]).args(options);
    if let Some(tree) = tree {
        make.arg("-d").arg(tree);
    }
    exec::step(title, &image.with_extension("log"), make.arg(image).arg(size))
}
