//! Disks of a story: image files that outlive their guests and go with the story.

use anyhow::{Context, Result, ensure};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;
use tempfile::TempDir;
use vmm_control::spec::DiskFormat;

/// A disk. Clones are the same disk.
#[derive(Clone)]
pub struct Disk {
    folder: Rc<TempDir>,
    layers: Vec<(PathBuf, DiskFormat)>,
    /// Whether guests may write to it.
    pub readonly: bool,
}

impl Disk {
    /// A raw disk of zeros.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn raw(bytes: u64) -> Result<Self> {
        let disk = Self::empty(DiskFormat::Raw)?;
        File::create(disk.path())?.set_len(bytes)?;
        Ok(disk)
    }

    /// A raw disk with this content.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn with(content: &[u8]) -> Result<Self> {
        let disk = Self::empty(DiskFormat::Raw)?;
        std::fs::write(disk.path(), content)?;
        Ok(disk)
    }

    /// A raw disk of zeros on a file system with room for less.
    ///
    /// # Errors
    /// Without the right to mount.
    pub fn on_small_volume(bytes: u64, room: u64) -> Result<(Self, Volume)> {
        let disk = Self::empty(DiskFormat::Raw)?;
        let volume = Volume::mount(disk.folder.path(), room)?;
        File::create(disk.path())?.set_len(bytes)?;
        Ok((disk, volume))
    }

    /// A qcow2 disk of zeros.
    ///
    /// # Errors
    /// When qemu-img does not make it.
    pub fn qcow2(bytes: u64) -> Result<Self> {
        let disk = Self::empty(DiskFormat::Qcow2)?;
        qemu_img(&["create", "-q", "-f", "qcow2", &text(disk.path()), &bytes.to_string()])?;
        Ok(disk)
    }

    /// A qcow2 overlay on this disk, which stays as it is.
    ///
    /// # Errors
    /// When qemu-img does not make it.
    pub fn overlay(&self) -> Result<Self> {
        let (base, format) = self.layers.first().context("a disk has a layer")?;
        let format = match format {
            DiskFormat::Raw => "raw",
            DiskFormat::Qcow2 => "qcow2",
        };
        let path = self.folder.path().join(format!("layer{}", self.layers.len()));
        qemu_img(&["create", "-q", "-f", "qcow2", "-b", &text(base), "-F", format, &text(&path)])?;
        let layers = [vec![(path, DiskFormat::Qcow2)], self.layers.clone()].concat();
        Ok(Self { folder: Rc::clone(&self.folder), layers, readonly: false })
    }

    /// The same disk, write-protected.
    pub fn read_only(&self) -> Self {
        Self { readonly: true, ..self.clone() }
    }

    fn empty(format: DiskFormat) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("humilis-guest-disk-").tempdir()?;
        let path = folder.path().join("layer0");
        Ok(Self { folder: Rc::new(folder), layers: vec![(path, format)], readonly: false })
    }

    /// The file of the active layer.
    pub fn path(&self) -> &Path {
        &self.layers[0].0
    }

    /// Opens the layers as hostd would: the active one for writing unless the disk is write-protected.
    pub(crate) fn open(&self) -> Result<Vec<(File, DiskFormat)>> {
        let open = |(index, (path, format)): (usize, &(PathBuf, DiskFormat))| {
            let file = OpenOptions::new().read(true).write(index == 0 && !self.readonly).open(path);
            Ok((file.with_context(|| path.display().to_string())?, *format))
        };
        self.layers.iter().enumerate().map(open).collect()
    }

    /// Bytes of the disk as a guest sees them, read with qemu-img, our peer.
    ///
    /// # Errors
    /// When the image is damaged.
    pub fn content(&self, start: u64, length: usize) -> Result<Vec<u8>> {
        let raw = self.folder.path().join("content");
        qemu_img(&["convert", "-O", "raw", &text(self.path()), &text(&raw)])?;
        let mut file = File::open(raw)?;
        let mut bytes = vec![0; length];
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// Whether qemu-img finds no fault in a qcow2 image.
    ///
    /// # Errors
    /// When it finds one.
    pub fn check(&self) -> Result<()> {
        qemu_img(&["check", "-q", "-f", "qcow2", &text(self.path())])
    }

    /// Whether qemu-img finds nothing worse than leaked clusters, which a process that was killed may leave.
    ///
    /// # Errors
    /// When it finds damage.
    pub fn check_after_kill(&self) -> Result<()> {
        const LEAKS: i32 = 3;
        let output = Command::new("qemu-img").args(["check", "-q", "-f", "qcow2"]).arg(self.path()).output()?;
        let fine = matches!(output.status.code(), Some(0 | LEAKS));
        ensure!(fine, "qemu-img check: {}", String::from_utf8_lossy(&[output.stdout, output.stderr].concat()));
        Ok(())
    }

    /// Writes to a raw disk from outside.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn write(&self, start: u64, bytes: &[u8]) -> Result<()> {
        let mut file = OpenOptions::new().write(true).open(self.path())?;
        file.seek(SeekFrom::Start(start))?;
        Ok(file.write_all(bytes)?)
    }
}

/// A file system in memory, mounted until it is dropped.
pub struct Volume(PathBuf);

impl Volume {
    fn mount(at: &Path, room: u64) -> Result<Self> {
        mount(Some("story"), at, Some("tmpfs"), MsFlags::empty(), Some(format!("size={room}").as_str()))?;
        Ok(Self(at.to_path_buf()))
    }

    /// Gives it other room.
    ///
    /// # Errors
    /// When more is in use.
    pub fn resize(&self, room: u64) -> Result<()> {
        let options = format!("size={room}");
        Ok(mount(None::<&str>, &self.0, None::<&str>, MsFlags::MS_REMOUNT, Some(options.as_str()))?)
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        // Detached, it goes when the last file on it is closed.
        let _ = umount2(&self.0, MntFlags::MNT_DETACH);
    }
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn qemu_img(arguments: &[&str]) -> Result<()> {
    let output = Command::new("qemu-img").args(arguments).output().context("qemu-img does not start")?;
    ensure!(output.status.success(), "qemu-img {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
