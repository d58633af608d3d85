//! The unified kernel image and the disk with it.

use super::{EPOCH, initial::Initial, kernel::Kernel, recipe, root::Root, toolbox::Toolbox};
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

/// What tells the first process which root it is, after the recipe's words.
pub fn cmdline(root: &Root, label: &str) -> Result<String> {
    let words = recipe::lines("cmdline")?.join(" ");
    Ok(format!("{words} humilis.root={label} humilis.blocks={} humilis.verity={}", root.blocks, root.hash))
}

/// Kernel, initial RAM disk and command line as one program of the firmware.
pub fn unified(
    kernel: &Kernel,
    initial: &Initial,
    cmdline: &str,
    tree: &Path,
    to: &Path,
    work: &Path,
    tools: &Toolbox,
) -> Result<()> {
    let inside = work.join("vmlinuz");
    fs::copy(kernel.image(), &inside).context("the kernel's package holds no kernel")?;
    let mut ukify = tools.command("ukify");
    ukify.arg("build").arg(format!("--linux={}", inside.display())).arg(format!("--initrd={}", initial.disk.display()));
    ukify.arg(format!("--cmdline={cmdline}")).arg(format!("--uname={}", kernel.release));
    ukify.arg(format!("--os-release=@{}", tree.join("usr/lib/os-release").display()));
    let log = work.join("ukify.log");
    exec::step("Making the unified kernel image", &log, ukify.arg(format!("--output={}", to.display())))
}

/// The disk: boot loader and kernel, the root, an empty slot for the next one.
pub fn make(root: &Root, efi: &Path, label: &str, seed: &str, disk: &Path, work: &Path, tools: &Toolbox) -> Result<()> {
    let esp = work.join("esp");
    drop(fs::remove_dir_all(&esp));
    let place = |from: &Path, at: &str| -> Result<()> {
        let to = esp.join(at);
        fs::create_dir_all(to.parent().context("a file has no folder")?)?;
        fs::copy(from, to).with_context(|| format!("cannot copy {}", from.display())).map(drop)
    };
    for at in PLACES {
        place(&tools.file(LOADER), at)?;
    }
    place(&recipe::folder().join("loader.conf"), "loader/loader.conf")?;
    place(efi, &format!("EFI/Linux/{label}.efi"))?;
    // The partition's file system keeps their times.
    let mut touch = Command::new("find");
    exec::read(touch.arg(&esp).args(["-exec", "touch", "-h", "-d", &format!("@{EPOCH}"), "{}", "+"]))?;
    let definitions = definitions(&[("@ESP@", &esp), ("@ROOT@", &root.image), ("@LABEL@", Path::new(label))], work)?;
    drop(fs::remove_file(disk));
    let mut repart = tools.command("systemd-repart");
    repart.args(["--empty=create", "--size=auto", "--offline=yes", "--sector-size=512", "--dry-run=no", "--no-pager"]);
    repart.arg(format!("--definitions={}", definitions.display())).arg(format!("--seed={seed}"));
    exec::step("Making the disk", &work.join("repart.log"), repart.arg(disk))
}

/// The recipe's partitions, with this image's paths.
fn definitions(words: &[(&str, &Path)], work: &Path) -> Result<PathBuf> {
    let to = work.join("repart.d");
    drop(fs::remove_dir_all(&to));
    fs::create_dir_all(&to)?;
    for entry in fs::read_dir(recipe::folder().join("repart.d"))? {
        let entry = entry?;
        let text = fs::read_to_string(entry.path()).context("cannot read a partition's definition")?;
        let text = words.iter().fold(text, |text, (word, path)| text.replace(word, &path.to_string_lossy()));
        fs::write(to.join(entry.file_name()), text)?;
    }
    Ok(to)
}
