//! The unified kernel image and the disk with it.

use super::{EPOCH, iso, kernel::Kernel, recipe, root::Root, toolbox::Toolbox};
use anyhow::{Context as _, Result};
use humilis_harness::exec;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The boot loader, in the tool box.
const LOADER: &str = "usr/lib/systemd/boot/efi/systemd-bootx64.efi";
/// Where firmware looks for it on a disk that it does not know, and where it is looked for by itself.
const PLACES: &[&str] = &["EFI/BOOT/BOOTX64.EFI", "EFI/systemd/systemd-bootx64.efi"];

/// Files, and where they go on an EFI system partition.
pub type Files = Vec<(PathBuf, String)>;

/// What tells the first process which root it is, after the recipe's words.
pub fn cmdline(root: &Root, label: &str) -> Result<String> {
    let words = recipe::lines("cmdline")?.join(" ");
    Ok(format!("{words} humilis.root={label} humilis.blocks={} humilis.verity={}", root.blocks, root.hash))
}

/// Kernel, initial RAM disk and command line as one program of the firmware.
pub fn unified(
    kernel: &Kernel,
    initial: &Path,
    cmdline: &str,
    tree: &Path,
    to: &Path,
    work: &Path,
    tools: &Toolbox,
) -> Result<()> {
    let inside = work.join("vmlinuz");
    fs::copy(kernel.image(), &inside).context("the kernel's package holds no kernel")?;
    let mut ukify = tools.command("ukify");
    ukify.arg("build").arg(format!("--linux={}", inside.display())).arg(format!("--initrd={}", initial.display()));
    ukify.arg(format!("--cmdline={cmdline}")).arg(format!("--uname={}", kernel.release));
    ukify.arg(format!("--os-release=@{}", tree.join("usr/lib/os-release").display()));
    let log = work.join("ukify.log");
    exec::step("Making the unified kernel image", &log, ukify.arg(format!("--output={}", to.display())))
}

/// A disk that is to be made.
struct Disk<'a> {
    title: &'a str,
    /// The recipe's partitions.
    partitions: &'a str,
    /// The label of its root.
    label: &'a str,
    /// What its partitions' numbers follow from.
    seed: &'a str,
    files: Files,
}

/// The disk: boot loader and kernel, the root, an empty slot for the next one.
pub fn make(root: &Root, efi: &Path, label: &str, seed: &str, disk: &Path, work: &Path, tools: &Toolbox) -> Result<()> {
    let mut files = loader(tools);
    files.push((efi.to_owned(), format!("EFI/Linux/{label}.efi")));
    Disk { title: "Making the disk", partitions: "repart.d", label, seed, files }.write(root, disk, work, tools)
}

fn loader(tools: &Toolbox) -> Files {
    let programs = PLACES.iter().map(|at| (tools.file(LOADER), (*at).to_owned()));
    programs.chain([(recipe::folder().join("loader.conf"), "loader/loader.conf".to_owned())]).collect()
}

/// What the installer makes an EFI system partition of. The kernel is not where the boot loader looks by itself.
pub fn stick(efi: &Path, version: &str, tools: &Toolbox) -> Files {
    let mut files = loader(tools);
    files.push((efi.to_owned(), kernel(version)));
    files
}

fn kernel(version: &str) -> String {
    format!("EFI/humilis/humilis_{version}.efi")
}

/// The installer, as a stick and as a CD: the same kernel and root. Its own entry of the boot loader gives the kernel another command line, so that it finds the
/// installer's root by a name that no installed disk has.
pub fn installer(
    root: &Root,
    efi: &Path,
    version: &str,
    seed: &str,
    disk: &Path,
    work: &Path,
    tools: &Toolbox,
) -> Result<()> {
    let label = format!("humilis-install_{version}");
    let words = [vec![cmdline(root, &label)?], recipe::lines("netboot.cmdline")?, recipe::lines("installer.cmdline")?];
    let (kernel, words) = (kernel(version), words.concat().join(" "));
    let entry = work.join("install.conf");
    let text = format!("title Install Humilis {version}\nversion {version}\nefi /{kernel}\noptions {words}\n");
    fs::write(&entry, text).context("cannot write the boot loader's entry")?;
    let mut files = stick(efi, version, tools);
    files.push((entry, "loader/entries/install.conf".to_owned()));
    let title = "Making the installer";
    Disk { title, partitions: "installer.d", label: &label, seed, files }.write(root, disk, work, tools)?;
    iso::describe(disk)
}

impl Disk<'_> {
    fn write(&self, root: &Root, disk: &Path, work: &Path, tools: &Toolbox) -> Result<()> {
        let esp = work.join("esp");
        drop(fs::remove_dir_all(&esp));
        let place = |from: &Path, at: &str| -> Result<()> {
            let to = esp.join(at);
            fs::create_dir_all(to.parent().context("a file has no folder")?)?;
            fs::copy(from, to).with_context(|| format!("cannot copy {}", from.display())).map(drop)
        };
        self.files.iter().try_for_each(|(from, at)| place(from, at))?;
        // The partition's file system keeps their times.
        let mut touch = Command::new("find");
        exec::read(touch.arg(&esp).args(["-exec", "touch", "-h", "-d", &format!("@{EPOCH}"), "{}", "+"]))?;
        let words: [(&str, &Path); 3] = [("@ESP@", &esp), ("@ROOT@", &root.image), ("@LABEL@", Path::new(self.label))];
        let definitions = definitions(self.partitions, &words, work)?;
        drop(fs::remove_file(disk));
        let mut repart = tools.command("systemd-repart");
        repart.args(["--empty=create", "--size=auto", "--offline=yes", "--sector-size=512", "--dry-run=no"]);
        repart.arg("--no-pager").arg(format!("--definitions={}", definitions.display()));
        repart.arg(format!("--seed={}", self.seed));
        exec::step(self.title, &work.join("repart.log"), repart.arg(disk))
    }
}

/// The recipe's partitions, with this image's paths.
fn definitions(partitions: &str, words: &[(&str, &Path)], work: &Path) -> Result<PathBuf> {
    let to = work.join("repart.d");
    drop(fs::remove_dir_all(&to));
    fs::create_dir_all(&to)?;
    for entry in fs::read_dir(recipe::folder().join(partitions))? {
        let entry = entry?;
        let text = fs::read_to_string(entry.path()).context("cannot read a partition's definition")?;
        let text = words.iter().fold(text, |text, (word, path)| text.replace(word, &path.to_string_lossy()));
        fs::write(to.join(entry.file_name()), text)?;
    }
    Ok(to)
}
