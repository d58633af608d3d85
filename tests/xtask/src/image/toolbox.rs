//! The tool box: a Debian tree whose programs make file systems, partitions and boot files. It is made once and kept in the cache.

use super::{EPOCH, RELEASE, recipe, tree::Tree};
use anyhow::{Context as _, Result};
use humilis_harness::paths;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Enters the tree with what its programs expect, and the folder of the build at the place where it is outside.
const ENTER: &str = r#"set -e
root=$1 work=$2; shift 2
mkdir -p "$root$work"
mount --bind "$work" "$root$work"
mount --rbind /dev "$root/dev"
mount -t proc proc "$root/proc"
exec chroot "$root" "$@""#;

/// The tool box and the folder on which it works.
#[derive(Clone, Debug)]
pub struct Toolbox {
    root: PathBuf,
    work: PathBuf,
}

impl Toolbox {
    /// The tool box; made when there is none, or another list.
    pub fn get(cache: &Path, work: &Path) -> Result<Self> {
        let (root, stamp) = (cache.join("tools"), cache.join("tools.stamp"));
        let packages = recipe::lines("tools")?;
        let wanted = format!("{RELEASE} {}", packages.join(" "));
        if !fs::read_to_string(&stamp).is_ok_and(|made| made == wanted) {
            let title = "Making the tool box (once)";
            Tree { title, variant: "apt", packages: &packages, cache: &cache.join("packages") }.make(&root)?;
            fs::write(&stamp, wanted).context("cannot note the tool box's packages")?;
        }
        fs::create_dir_all(work).context("cannot make the build's folder")?;
        Ok(Self { root, work: work.to_owned() })
    }

    /// A program of the tool box; it sees the build's folder alone.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", ENTER, "sh"]).arg(&self.root).arg(&self.work).arg(program);
        command
            .env("SOURCE_DATE_EPOCH", EPOCH)
            .env("PATH", "/usr/sbin:/usr/bin")
            .env("LC_ALL", "C.UTF-8")
            .env("TZ", "UTC");
        command.env_remove("TMPDIR");
        command
    }

    /// A file of the tool box.
    pub fn file(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }
}

/// Where everything lies that can be made again.
pub fn cache() -> Result<PathBuf> {
    let folder = paths::cache().join("image");
    fs::create_dir_all(&folder).context("cannot make the images' cache")?;
    Ok(folder)
}
