//! The root: Debian's packages, the product, and what makes of them an appliance; then its file system and the tree of hashes that
//! guards it.

use super::{kernel::Kernel, recipe, toolbox::Toolbox};
use anyhow::{Context as _, Result};
use humilis_harness::{build::Programs, exec, paths};
use humilis_lab::firmware;
use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::Command,
};

/// Blocks of the file system and of the hashes, bytes.
const BLOCK: u64 = 4096;
/// Folders that are there to mount something on, and their permissions.
const PLACES: &[(&str, u32)] =
    &[("dev", 0o755), ("efi", 0o755), ("proc", 0o755), ("run", 0o755), ("sys", 0o755), ("tmp", 0o1777), ("var", 0o755)];
/// Where the parts of `systemd/` go, by folder; units are beside them.
const PARTS: &[&str] = &["repart.d", "sysupdate.d", "sysusers.d", "tmpfiles.d"];
/// What holds for all of the product's own units, and for one that has its own instead.
const SANDBOXES: [&str; 2] = ["humilis-.service.d", "humilis-status.service.d"];

/// A root's image.
#[derive(Clone, Debug)]
pub struct Root {
    pub image: PathBuf,
    /// How many blocks are the file system's; the hashes follow.
    pub blocks: u64,
    /// The hash of the hashes: whoever knows it can trust every block.
    pub hash: String,
}

/// Makes an appliance of a tree of packages.
pub fn furnish(
    tree: &Path,
    version: &str,
    programs: &Programs,
    kernel: &Kernel,
    work: &Path,
    tools: &Toolbox,
) -> Result<()> {
    remove(tree)?;
    for (place, mode) in PLACES {
        let place = tree.join(place);
        fs::create_dir_all(&place)?;
        fs::set_permissions(&place, fs::Permissions::from_mode(*mode))?;
    }
    product(tree, programs)?;
    exec::read(
        Command::new("cp").args(["-a", "--no-preserve=ownership"]).arg(recipe::folder().join("tree/.")).arg(tree),
    )?;
    units(tree)?;
    kernel.install(tree, work, tools)?;
    identity(tree, version)?;
    let systemd = |program: &str, words: &[&str]| {
        exec::read(tools.command(program).arg(format!("--root={}", tree.display())).args(words)).map(drop)
    };
    systemd("systemd-sysusers", &[])?;
    systemd("systemctl", &["preset-all"])?;
    for left in ["etc/.pwd.lock", "etc/passwd-", "etc/group-", "etc/shadow-", "etc/gshadow-"] {
        drop(fs::remove_file(tree.join(left)));
    }
    Ok(())
}

/// Takes out what an appliance does not need.
fn remove(tree: &Path) -> Result<()> {
    let mut remove = Command::new("sh");
    remove.args(["-c", "cd \"$1\" && shift && for pattern; do rm -rf -- $pattern; done", "sh"]).arg(tree);
    exec::read(remove.args(recipe::paths("remove")?)).map(drop)
}

fn product(tree: &Path, programs: &Programs) -> Result<()> {
    let firmware = firmware::get()?;
    let files = [
        (&programs.controller, "usr/bin/controller", 0o755),
        (&programs.hostd, "usr/bin/hostd", 0o755),
        (&programs.vmm, "usr/bin/vmm", 0o755),
        (&firmware, "usr/share/cloudhv/CLOUDHV.fd", 0o644),
        (&paths::root().join("LICENSE"), "usr/share/doc/humilis/copyright", 0o644),
    ];
    for (from, to, mode) in files {
        let to = tree.join(to);
        fs::create_dir_all(to.parent().context("a file has no folder")?)?;
        fs::copy(from, &to).with_context(|| format!("cannot copy {}", from.display()))?;
        fs::set_permissions(&to, fs::Permissions::from_mode(mode))?;
        if mode == 0o755 {
            exec::read(Command::new("strip").arg(&to))?;
        }
    }
    // Where hostd looks for it.
    fs::create_dir_all(tree.join("usr/libexec/humilis"))?;
    link(tree, "../../bin/vmm", "usr/libexec/humilis/vmm")
}

/// The product's units and what belongs to them, and masks over Debian's that are not needed.
fn units(tree: &Path) -> Result<()> {
    let from = paths::root().join("systemd");
    for part in PARTS {
        copy(&from.join(part), &tree.join("usr/lib").join(part))?;
    }
    let system = tree.join("usr/lib/systemd/system");
    copy(&from, &system)?;
    for sandbox in SANDBOXES {
        copy(&from.join(sandbox), &system.join(sandbox))?;
    }
    for unit in recipe::lines("masked")? {
        link(tree, "/dev/null", &format!("etc/systemd/system/{unit}"))?;
    }
    Ok(())
}

/// Copies the files of a folder, not its folders.
fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let path = entry?.path();
        if path.is_file() {
            let to = to.join(path.file_name().unwrap_or_default());
            fs::copy(&path, &to)?;
            fs::set_permissions(to, fs::Permissions::from_mode(0o644))?;
        }
    }
    Ok(())
}

/// What the image calls itself. A machine's own identity is not in it.
fn identity(tree: &Path, version: &str) -> Result<()> {
    let file = tree.join("usr/lib/os-release");
    let debian = fs::read_to_string(&file).context("the tree has no os-release")?;
    let names = ["NAME=", "PRETTY_NAME=", "HOME_URL=", "SUPPORT_URL=", "BUG_REPORT_URL="];
    let kept = debian.lines().filter(|line| !names.iter().any(|name| line.starts_with(name)));
    let text = format!(
        "NAME=\"Humilis\"\nPRETTY_NAME=\"Humilis {version}\"\nIMAGE_ID=humilis\nIMAGE_VERSION={version}\n{}\n",
        kept.collect::<Vec<_>>().join("\n")
    );
    fs::write(file, text).context("cannot write os-release")?;
    // Mounted over at each start by what the firmware says.
    fs::write(tree.join("etc/machine-id"), "").context("cannot empty the machine's id")?;
    link(tree, "../run/systemd/resolve/stub-resolv.conf", "etc/resolv.conf")
}

fn link(tree: &Path, to: &str, at: &str) -> Result<()> {
    let at = tree.join(at);
    drop(fs::remove_file(&at));
    symlink(to, &at).with_context(|| format!("cannot link {}", at.display()))
}

/// Makes the file system, with its hashes behind it.
pub fn image(tree: &Path, uuid: &str, image: &Path, work: &Path, tools: &Toolbox) -> Result<Root> {
    drop(fs::remove_file(image));
    let mut make = tools.command("mkfs.erofs");
    make.args(["--quiet", "-zzstd,level=9", "-C65536", "-Eztailpacking", "-x1"]);
    make.args(["-T", super::EPOCH, "-U", uuid]).arg(image).arg(tree);
    exec::step("Making the root's file system", &work.join("erofs.log"), &mut make)?;
    let bytes = fs::metadata(image)?.len().next_multiple_of(BLOCK);
    fs::OpenOptions::new().write(true).open(image)?.set_len(bytes)?;
    let blocks = bytes / BLOCK;
    let mut verity = tools.command("veritysetup");
    verity.args(["format", "--no-superblock", "--salt=-", &format!("--uuid={uuid}")]);
    verity.args([format!("--hash-offset={bytes}"), format!("--data-blocks={blocks}")]).arg(image).arg(image);
    let said = exec::read(&mut verity)?;
    let hash =
        said.lines().find_map(|line| line.strip_prefix("Root hash:")).context("veritysetup gives no root hash")?;
    Ok(Root { image: image.to_owned(), blocks, hash: hash.trim().to_owned() })
}
