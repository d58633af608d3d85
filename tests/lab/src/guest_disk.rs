//! An ordinary Debian cloud guest: GPT with ESP and root, GRUB, Debian's kernel, cloud-init and sshd, laid out as Debian's own cloud
//! images are.

use crate::debian;
use anyhow::{Context as _, Result};
use humilis_harness::exec;
use std::{
    fs,
    io::Write as _,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

const PACKAGES: &[&str] = &[
    "linux-image-cloud-amd64",
    "systemd-sysv",
    "udev",
    "dbus",
    "grub-efi-amd64-bin",
    "grub-efi-amd64-signed",
    "shim-signed",
    "grub2-common",
    "initramfs-tools",
    "cloud-init",
    "cloud-guest-utils",
    "curl",
    "openssh-server",
    "sudo",
    "iproute2",
    "iputils-ping",
    "e2fsprogs",
    "fdisk",
    "isc-dhcp-client",
    "netplan.io",
    "systemd-resolved",
];
const SECTOR: u64 = 512;
const ESP_START: u64 = 8192;
const ESP_SECTORS: u64 = 131_072;
const ROOT_START: u64 = 139_264;
const ROOT_MIB: u64 = 1400;
const ROOT_UUID: &str = "6f1d8f2e-5c3b-4d0a-9a57-1b7f3c2d4e5f";
const ROOT_PARTUUID: &str = "3f0c7a52-8f34-4b8e-b6b8-9f1f6c5d2a10";
const VERSION: &str = "4";

/// A guest's disk and what its direct start needs.
#[derive(Clone, Debug)]
pub struct GuestDisk {
    /// The disk, qcow2.
    pub disk: PathBuf,
    /// Its kernel.
    pub kernel: PathBuf,
    /// Its initial RAM disk.
    pub initrd: PathBuf,
    /// The command line that GRUB would give the kernel.
    pub cmdline: String,
}

/// The guest's disk; made at first use.
///
/// # Errors
/// When it cannot be made.
pub fn get() -> Result<GuestDisk> {
    let folder = debian::folder()?;
    let (tree, stamp) = (folder.join("guest"), folder.join("guest.stamp"));
    let disk = GuestDisk {
        disk: folder.join("guest.qcow2"),
        kernel: folder.join("guest.vmlinuz"),
        initrd: folder.join("guest.initrd"),
        cmdline: format!("root=PARTUUID={ROOT_PARTUUID} ro console=ttyS0,115200"),
    };
    let wanted = format!("{VERSION} {}", PACKAGES.join(" "));
    if fs::read_to_string(&stamp).is_ok_and(|made| made == wanted) {
        return Ok(disk);
    }
    debian::tree("Making the guest's tree", &tree, PACKAGES)?;
    configure(&tree)?;
    let (kernel, initrd) = debian::kernel(&tree)?;
    grub(&tree, &kernel, &initrd, &disk.cmdline)?;
    fs::copy(&kernel, &disk.kernel)?;
    fs::copy(&initrd, &disk.initrd)?;
    let raw = folder.join("guest.raw");
    partition(&raw)?;
    root(&tree, &raw)?;
    esp(&tree, &folder, &raw)?;
    let mut convert = Command::new("qemu-img");
    convert.args(["convert", "-c", "-O", "qcow2"]).arg(&raw).arg(&disk.disk);
    exec::step("Writing the guest's disk", &folder.join("guest-convert.log"), &mut convert)?;
    fs::remove_file(raw)?;
    fs::remove_dir_all(&tree)?;
    fs::write(stamp, wanted)?;
    Ok(disk)
}

/// What makes an installed Debian an image: no identity of its own.
fn configure(tree: &Path) -> Result<()> {
    let write =
        |path: &str, text: &str| fs::write(tree.join(path), text).with_context(|| format!("cannot write {path}"));
    write("etc/hostname", "debian\n")?;
    write("etc/machine-id", "")?;
    write("etc/fstab", &format!("UUID={ROOT_UUID} / ext4 rw,discard,errors=remount-ro 0 1\n"))?;
    write("etc/cloud/cloud.cfg.d/90_dpkg.cfg", "datasource_list: [ ConfigDrive, OpenStack, Ec2, None ]\n")?;
    // As Debian's cloud images: one network configuration, systemd-networkd's by netplan.
    write("etc/cloud/cloud.cfg.d/95_network.cfg", "system_info:\n  network:\n    renderers: [netplan, networkd]\n")?;
    for key in fs::read_dir(tree.join("etc/ssh"))?.filter_map(Result::ok) {
        if key.file_name().to_string_lossy().starts_with("ssh_host_") {
            fs::remove_file(key.path())?;
        }
    }
    let resolv = tree.join("etc/resolv.conf");
    fs::remove_file(&resolv).ok();
    symlink("../run/systemd/resolve/stub-resolv.conf", resolv).context("cannot link resolv.conf")?;
    let enable = ["systemctl", "enable", "systemd-networkd", "systemd-resolved", "ssh"];
    exec::read(Command::new("chroot").arg(tree).args(enable)).map(drop)
}

/// GRUB's configuration as `update-grub` would leave it, without its menus.
fn grub(tree: &Path, kernel: &Path, initrd: &Path, cmdline: &str) -> Result<()> {
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let folder = tree.join("boot/grub");
    fs::create_dir_all(&folder)?;
    let text = format!(
        "serial --speed=115200\nterminal_output serial console\nset timeout=0\n\
         menuentry 'Debian GNU/Linux' {{\n  search --no-floppy --fs-uuid --set=root {ROOT_UUID}\n  \
         linux /boot/{} {cmdline}\n  initrd /boot/{}\n}}\n",
        name(kernel),
        name(initrd)
    );
    fs::write(folder.join("grub.cfg"), text).context("cannot write grub.cfg")
}

fn partition(raw: &Path) -> Result<()> {
    let sectors = ROOT_START + ROOT_MIB * 1024 * 1024 / SECTOR + 2048;
    fs::File::create(raw)?.set_len(sectors * SECTOR)?;
    let table = format!(
        "label: gpt\n15 : start={ESP_START}, size={ESP_SECTORS}, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B\n\
         1 : start={ROOT_START}, size={}, uuid={ROOT_PARTUUID}, type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709\n",
        ROOT_MIB * 1024 * 1024 / SECTOR
    );
    let mut sfdisk = Command::new("sfdisk").arg("-q").arg(raw).stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
    sfdisk.stdin.take().context("sfdisk takes no input")?.write_all(table.as_bytes())?;
    anyhow::ensure!(sfdisk.wait()?.success(), "sfdisk failed");
    Ok(())
}

fn root(tree: &Path, raw: &Path) -> Result<()> {
    let offset = format!("offset={}", ROOT_START * SECTOR);
    let options = ["-U", ROOT_UUID, "-L", "root", "-E", &offset];
    debian::ext4("Making the guest's root", Some(tree), raw, &format!("{ROOT_MIB}M"), &options)
}

/// The EFI system partition with Debian's signed boot loader, which goes on to the root's configuration.
fn esp(tree: &Path, folder: &Path, raw: &Path) -> Result<()> {
    let image = folder.join("guest.esp");
    fs::File::create(&image)?.set_len(ESP_SECTORS * SECTOR)?;
    exec::read(Command::new("mkfs.vfat").args(["-F", "16", "-n", "ESP"]).arg(&image))?;
    let stub = folder.join("guest-grub.cfg");
    fs::write(
        &stub,
        format!("search.fs_uuid {ROOT_UUID} root\nset prefix=($root)/boot/grub\nconfigfile $prefix/grub.cfg\n"),
    )?;
    exec::read(Command::new("mmd").arg("-i").arg(&image).args(["::/EFI", "::/EFI/BOOT", "::/EFI/debian"]))?;
    let files = [
        (tree.join("usr/lib/shim/shimx64.efi.signed"), "::/EFI/BOOT/BOOTX64.EFI"),
        (tree.join("usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed"), "::/EFI/BOOT/grubx64.efi"),
        (stub.clone(), "::/EFI/debian/grub.cfg"),
        (stub, "::/EFI/BOOT/grub.cfg"),
    ];
    for (from, to) in files {
        exec::read(Command::new("mcopy").arg("-i").arg(&image).arg(from).arg(to))?;
    }
    let mut write = Command::new("dd");
    write.arg(format!("if={}", image.display())).arg(format!("of={}", raw.display()));
    exec::read(write.args(["bs=512", "conv=notrunc,sparse", "status=none"]).arg(format!("seek={ESP_START}")))?;
    fs::remove_file(image).context("cannot remove the partition's image")
}
