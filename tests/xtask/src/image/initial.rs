//! The initial RAM disks: a busybox, the modules that reach a disk, and what opens the verified root.

use super::{disk::Files, recipe, toolbox::Toolbox};
use anyhow::{Context as _, Result};
use humilis_harness::exec;
use humilis_lab::initrd::Initrd;
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Command,
};

const DMSETUP: &str = "/usr/sbin/dmsetup";
/// Where the first process looks for a root that came with it.
const ROOT: &str = "/root.image";
/// And for what the installer has on its EFI system partition otherwise.
const STICK: &str = "/stick";

/// Makes that of a machine that starts from its disk.
pub fn make(tree: &Path, release: &str, work: &Path, tools: &Toolbox) -> Result<PathBuf> {
    let mut files = vec![
        (tools.file("usr/bin/busybox"), "/bin/busybox".to_owned()),
        (recipe::folder().join("initrd/init"), "/init".to_owned()),
        (tree.join(DMSETUP.trim_start_matches('/')), DMSETUP.to_owned()),
    ];
    files.extend(libraries(tree)?.into_iter().map(|library| (tree.join(library.trim_start_matches('/')), library)));
    let modules = tree.join("usr/lib/modules").join(release);
    let names = recipe::lines("initrd.modules")?;
    let small = Initrd { modules: Some((modules, names)), files, init: None };
    let [plain, packed] = ["initrd.cpio", "initrd.zst"].map(|name| work.join(name));
    small.write(&plain)?;
    let mut zstd = tools.command("zstd");
    exec::read(zstd.args(["-q", "-f", "-19"]).arg(&plain).arg("-o").arg(&packed))?;
    Ok(packed)
}

/// Makes that of a machine that starts from a network: the other, with the root and the files of the installer's EFI system partition.
pub fn network(disk: &Path, root: &Path, stick: Files, work: &Path, to: &Path) -> Result<()> {
    let mut files = vec![(root.to_owned(), ROOT.to_owned())];
    files.extend(stick.into_iter().map(|(from, at)| (from, format!("{STICK}/{at}"))));
    let payload = work.join("payload.cpio");
    Initrd { modules: None, files, init: None }.write(&payload)?;
    // The kernel takes archives one after the other, packed or not; root and kernel are packed in themselves.
    let mut whole = std::fs::File::create(to).context("cannot write the network's initial RAM disk")?;
    for part in [disk, &payload] {
        let mut part = std::fs::File::open(part).with_context(|| format!("cannot read {}", part.display()))?;
        let length = std::io::copy(&mut part, &mut whole)?;
        // Between two archives there may be zeroes, and each begins at a multiple of four.
        std::io::Write::write_all(&mut whole, &[0; 4][..((4 - length % 4) % 4) as usize])?;
    }
    std::fs::remove_file(payload).context("cannot remove what was copied")
}

/// The libraries that the tree's dmsetup is linked with, as the tree names them.
fn libraries(tree: &Path) -> Result<BTreeSet<String>> {
    let text = exec::read(Command::new("chroot").arg(tree).args(["ldd", DMSETUP]))?;
    let words = text.split_whitespace().filter(|word| word.starts_with('/'));
    Ok(words.map(str::to_owned).collect())
}
