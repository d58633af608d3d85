//! Initial RAM disks of our own: a busybox, a few modules in the order in which they need each other, and a script. They start in
//! a fraction of the time that a distribution's take.

use anyhow::{Context as _, Result};
use std::{
    collections::BTreeSet,
    fs,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

const BUSYBOX: &str = "/bin/busybox";
/// `S_IFDIR`, `S_IFREG` and `S_IFCHR` with permissions.
const FOLDER: u32 = 0o040_755;
const PROGRAM: u32 = 0o100_755;
const CONSOLE: u32 = 0o020_600;

/// What goes in.
pub struct Initrd {
    /// Modules by name, from this folder (`lib/modules/VERSION`); the script finds them as `/modules/0.ko` and so on.
    pub modules: Option<(PathBuf, Vec<String>)>,
    /// Files, and where they go.
    pub files: Vec<(PathBuf, String)>,
    /// `/init`, run by busybox's shell; without it there is no busybox, and `/init` is one of the files.
    pub init: Option<String>,
}

impl Initrd {
    /// Writes it, uncompressed: unpacking costs an emulated processor more than reading.
    ///
    /// # Errors
    /// When a file is missing or the archive cannot be written.
    pub fn write(&self, to: &Path) -> Result<()> {
        let mut archive = Archive::new(to)?;
        archive.node("dev/console", CONSOLE, (5, 1))?;
        if let Some(init) = &self.init {
            archive.file("bin/busybox", &fs::read(BUSYBOX).context("busybox is missing")?)?;
            archive.file("init", init.as_bytes())?;
        }
        if let Some((folder, names)) = &self.modules {
            for (number, module) in in_order(folder, names)?.iter().enumerate() {
                let bytes = fs::read(folder.join(module)).with_context(|| format!("cannot read {module}"))?;
                archive.file(&format!("modules/{number:03}.ko"), &bytes)?;
            }
        }
        for (from, at) in &self.files {
            let bytes = fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
            archive.file(at.trim_start_matches('/'), &bytes)?;
        }
        archive.finish()
    }
}

/// The modules and what they need, each after all that it needs; those that the kernel has built in are not there.
fn in_order(folder: &Path, names: &[String]) -> Result<Vec<String>> {
    let table = fs::read_to_string(folder.join("modules.dep")).context("cannot read modules.dep")?;
    let mut order = Vec::new();
    for name in names {
        let file = format!("/{name}.ko");
        let Some((module, needs)) = table.lines().filter_map(|l| l.split_once(':')).find(|(m, _)| m.ends_with(&file))
        else {
            continue;
        };
        // modules.dep names the nearest need first.
        let all = needs.split_whitespace().rev().chain([module]).map(str::to_owned);
        order.extend(all);
    }
    let mut seen = BTreeSet::new();
    order.retain(|module| seen.insert(module.clone()));
    Ok(order)
}

/// An archive in cpio's `newc` form (Documentation/driver-api/early-userspace/buffer-format.rst).
struct Archive {
    file: BufWriter<fs::File>,
    folders: BTreeSet<String>,
    inode: u32,
}

impl Archive {
    fn new(to: &Path) -> Result<Self> {
        let file = fs::File::create(to).with_context(|| format!("cannot write {}", to.display()))?;
        Ok(Self { file: BufWriter::new(file), folders: BTreeSet::new(), inode: 0 })
    }

    fn file(&mut self, path: &str, bytes: &[u8]) -> Result<()> {
        self.parents(path)?;
        self.entry(path, PROGRAM, (0, 0), bytes)
    }

    fn node(&mut self, path: &str, mode: u32, device: (u32, u32)) -> Result<()> {
        self.parents(path)?;
        self.entry(path, mode, device, &[])
    }

    fn parents(&mut self, path: &str) -> Result<()> {
        for (end, _) in path.match_indices('/') {
            if self.folders.insert(path[..end].to_owned()) {
                self.entry(&path[..end], FOLDER, (0, 0), &[])?;
            }
        }
        Ok(())
    }

    fn entry(&mut self, path: &str, mode: u32, (major, minor): (u32, u32), bytes: &[u8]) -> Result<()> {
        self.inode += 1;
        let (size, name) = (u32::try_from(bytes.len())?, path.len() + 1);
        write!(self.file, "070701{:08x}{mode:08x}{:08x}{:08x}{:08x}{:08x}", self.inode, 0, 0, 1, 0)?;
        write!(self.file, "{size:08x}{:08x}{:08x}{major:08x}{minor:08x}{name:08x}{:08x}", 0, 0, 0)?;
        const HEADER: usize = 110;
        self.file.write_all(path.as_bytes())?;
        self.pad(HEADER + path.len(), 1)?;
        self.file.write_all(bytes)?;
        self.pad(bytes.len(), 0)
    }

    /// At least `least` zeroes, up to the next multiple of four.
    fn pad(&mut self, length: usize, least: usize) -> Result<()> {
        let zeroes = least + (4 - (length + least) % 4) % 4;
        Ok(self.file.write_all(&[0; 4][..zeroes])?)
    }

    fn finish(mut self) -> Result<()> {
        self.entry("TRAILER!!!", 0, (0, 0), &[])?;
        Ok(self.file.flush()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_come_after_what_they_need() {
        let folder = tempfile::tempdir().unwrap();
        let table = "k/blk.ko: k/ring.ko k/bus.ko\nk/ring.ko: k/bus.ko\nk/bus.ko:\nk/net.ko: k/ring.ko k/bus.ko\n";
        fs::write(folder.path().join("modules.dep"), table).unwrap();
        let order = in_order(folder.path(), &["blk", "builtin", "net"].map(str::to_owned)).unwrap();
        assert_eq!(order, ["k/bus.ko", "k/ring.ko", "k/blk.ko", "k/net.ko"]);
    }

    #[test]
    fn cpio_reads_the_archive() {
        let folder = tempfile::tempdir().unwrap();
        let (archive, payload) = (folder.path().join("archive"), folder.path().join("payload"));
        fs::write(&payload, "12345").unwrap();
        let files = vec![(payload, "/deep/er/file".to_owned())];
        Initrd { modules: None, files, init: Some("#!/bin/busybox sh\n".into()) }.write(&archive).unwrap();
        let list = std::process::Command::new("cpio").args(["-t", "-F"]).arg(&archive).output().unwrap();
        assert!(list.status.success(), "{}", String::from_utf8_lossy(&list.stderr));
        let list = String::from_utf8(list.stdout).unwrap();
        let expected = ["dev", "dev/console", "bin", "bin/busybox", "init", "deep", "deep/er", "deep/er/file"];
        assert_eq!(list.lines().collect::<Vec<_>>(), expected);
    }
}
