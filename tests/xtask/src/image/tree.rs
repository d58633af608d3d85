//! Debian trees of the appliance's release, with packages that are fetched once.

use super::{EPOCH, RELEASE};
use anyhow::{Context as _, Result};
use humilis_harness::exec;
use humilis_lab::debian;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// What nobody reads on the appliance. Licences stay.
const UNREAD: &[&str] = &[
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
    "path-exclude=/usr/share/locale/*",
    "path-exclude=/usr/share/info/*",
    "path-exclude=/usr/share/i18n/*",
];
/// An older mmdebstrap than the release needs to be told that `/bin` is a link.
const MERGED: &str = "/usr/share/mmdebstrap/hooks/merged-usr";

/// A tree to be made.
pub struct Tree<'a> {
    pub title: &'a str,
    /// mmdebstrap's: which packages it has besides.
    pub variant: &'a str,
    pub packages: &'a [String],
    /// Where packages are kept for the next time.
    pub cache: &'a Path,
}

impl Tree<'_> {
    /// Makes it, and gives nothing back that only the making needed.
    pub fn make(&self, root: &Path) -> Result<()> {
        if root.exists() {
            fs::remove_dir_all(root).context("cannot remove the old tree")?;
        }
        fs::create_dir_all(self.cache).context("cannot make the folder of packages")?;
        let cache = self.cache.display();
        let mut make = Command::new("mmdebstrap");
        make.env("SOURCE_DATE_EPOCH", EPOCH).args(["--mode=root", "--format=directory"]);
        make.arg(format!("--variant={}", self.variant));
        make.args(["--aptopt=APT::Install-Recommends \"false\"", "--aptopt=Acquire::Languages \"none\""]);
        make.args(UNREAD.iter().map(|option| format!("--dpkgopt={option}")));
        make.args(["--skip=download/empty", "--skip=essential/unlink", "--skip=cleanup/apt"]);
        make.arg(format!("--setup-hook={}", fill(&cache.to_string())));
        make.arg(format!("--customize-hook=cp -aln \"$1\"/var/cache/apt/archives/*.deb '{cache}'/ || true"));
        if Path::new(MERGED).exists() {
            make.arg(format!("--hook-dir={MERGED}"));
        }
        make.arg(format!("--include={}", self.packages.join(",")));
        make.arg(RELEASE).arg(root).args(debian::sources(RELEASE)?);
        exec::step(self.title, &log(root), &mut make)?;
        for left in ["var/lib/apt/lists", "var/cache/apt"] {
            fs::remove_dir_all(root.join(left)).context("cannot clean the tree")?;
        }
        Ok(())
    }
}

/// Packages of earlier builds, by links: apt takes those that are still the newest.
fn fill(cache: &str) -> String {
    format!(
        "mkdir -p \"$1\"/var/cache/apt/archives && cp -al '{cache}'/*.deb \"$1\"/var/cache/apt/archives/ 2>/dev/null || true"
    )
}

fn log(root: &Path) -> PathBuf {
    root.with_extension("log")
}
