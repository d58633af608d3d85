//! Starts one guest on `vmm` as hostd would, without a network, and tells when a text came out of its serial port: the time from
//! just before the fork, in nanoseconds of this machine's clock. It runs in the lab.

use anyhow::{Context as _, Result, bail};
use clap::Parser;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use std::{
    fs::File,
    io::{self, Read as _, Write as _},
    os::unix::net::UnixListener,
    path::{Path, PathBuf},
    process::{Child, Command},
    time::Instant,
};
use vmm_control::spec::{Boot, DiskFormat, DiskSpec, GuestSpec, JailSpec, LayerSpec, SerialSpec, Smbios};
use vmm_jail::handover::Handover;

const SERIAL_LIMIT: u64 = 4 << 20;

/// One guest.
#[derive(Parser)]
struct Arguments {
    #[arg(long, default_value = "/bin/vmm")]
    vmm: PathBuf,
    /// A kernel to start directly
    #[arg(long)]
    kernel: Option<PathBuf>,
    #[arg(long)]
    initrd: Option<PathBuf>,
    #[arg(long, default_value = "")]
    cmdline: String,
    /// Firmware, when no kernel is given
    #[arg(long)]
    firmware: Option<PathBuf>,
    /// A qcow2 image as the root disk
    #[arg(long)]
    disk: Option<PathBuf>,
    #[arg(long, default_value_t = 256)]
    memory: u64,
    #[arg(long, default_value_t = 1)]
    vcpus: u8,
    /// In a jail with this user id
    #[arg(long)]
    jail: Option<u32>,
    /// Shows what the guest writes
    #[arg(long)]
    show: bool,
    /// Where the guest's console, the control socket and the log lie
    #[arg(long, default_value = "/tmp")]
    folder: PathBuf,
    /// The text that ends it
    #[arg(long)]
    until: String,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let serial = arguments.folder.join("serial");
    let notify = Inotify::init(InitFlags::IN_CLOEXEC).context("no inotify")?;
    let mut command = Command::new(&arguments.vmm);
    prepare(&arguments, &serial, &mut command)?;
    notify.add_watch(&serial, AddWatchFlags::IN_MODIFY).context("cannot watch the console")?;
    let started = Instant::now();
    let mut guest = command.spawn().context("the monitor does not start")?;
    let result = watch(&arguments, &mut File::open(&serial)?, &notify, &mut guest);
    let elapsed = started.elapsed();
    exits();
    memory(&guest);
    // It ends with the machine at the latest.
    guest.kill().ok();
    guest.wait().ok();
    result.map(|()| println!("NANOSECONDS {}", elapsed.as_nanos()))
}

fn prepare(arguments: &Arguments, serial: &Path, command: &mut Command) -> Result<()> {
    let mut handover = Handover::new();
    let writable =
        |path: &Path| File::options().read(true).write(true).open(path).with_context(|| path.display().to_string());
    let readable = |path: &Path| File::open(path).with_context(|| path.display().to_string());
    let socket = arguments.folder.join("control");
    std::fs::remove_file(&socket).ok();
    let boot = match (&arguments.kernel, &arguments.firmware) {
        (Some(kernel), _) => Boot::Kernel {
            kernel: handover.add(readable(kernel)?)?,
            initrd: arguments
                .initrd
                .as_deref()
                .map(|path| Ok::<_, anyhow::Error>(handover.add(readable(path)?)?))
                .transpose()?,
            cmdline: arguments.cmdline.clone(),
        },
        (None, Some(firmware)) => Boot::Firmware { image: handover.add(readable(firmware)?)? },
        (None, None) => bail!("neither kernel nor firmware"),
    };
    let mut disks = Vec::new();
    if let Some(disk) = &arguments.disk {
        let layers = vec![LayerSpec { fd: handover.add(writable(disk)?)?, format: DiskFormat::Qcow2 }];
        disks.push(DiskSpec { id: "root".into(), layers, readonly: false, serial: "root".into() });
    }
    let log = File::options().read(true).write(true).create(true).truncate(true).open(serial)?;
    let spec = GuestSpec {
        id: "lab".into(),
        vcpus: arguments.vcpus,
        memory_mib: arguments.memory,
        near: None,
        boot,
        kvm: handover.add(writable(Path::new("/dev/kvm"))?)?,
        control: handover.add(UnixListener::bind(&socket)?)?,
        disks,
        nics: Vec::new(),
        serial: SerialSpec { log: handover.add(&log)?, limit: SERIAL_LIMIT },
        log: handover.add(io::stderr())?,
        jail: arguments.jail.map(|uid| JailSpec { uid, gid: uid, seccomp: true }),
        smbios: Smbios { product: "OpenStack Nova".into(), ..Smbios::default() },
    };
    Ok(handover.apply(&postcard::to_stdvec(&spec)?, command)?)
}

/// Returns when the text came.
fn watch(arguments: &Arguments, serial: &mut File, notify: &Inotify, guest: &mut Child) -> Result<()> {
    let (mut seen, marker) = (Vec::new(), arguments.until.as_bytes());
    loop {
        let known = seen.len().saturating_sub(marker.len());
        let start = seen.len();
        serial.read_to_end(&mut seen)?;
        if arguments.show {
            io::stdout().write_all(&seen[start..])?;
        }
        if seen[known..].windows(marker.len()).any(|part| part == marker) {
            return Ok(());
        }
        if let Some(status) = guest.try_wait()? {
            bail!("the monitor ended ({status}): {}", String::from_utf8_lossy(&seen));
        }
        notify.read_events().context("the console cannot be watched")?;
    }
}

/// What KVM counted, where debugfs is mounted.
fn exits() {
    let Ok(machines) = std::fs::read_dir("/sys/kernel/debug/kvm") else { return };
    for vcpu in machines.flatten().map(|machine| machine.path().join("vcpu0")) {
        for counter in std::fs::read_dir(vcpu.parent().unwrap_or(&vcpu)).into_iter().flatten().flatten() {
            let value = std::fs::read_to_string(counter.path()).unwrap_or_default();
            if counter.path().is_file() && value.trim() != "0" && !value.is_empty() {
                println!("COUNTER {} {}", counter.file_name().to_string_lossy(), value.trim());
            }
        }
    }
}

/// Memory of the monitor's process.
fn memory(guest: &Child) {
    let maps = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", guest.id())).unwrap_or_default();
    for line in maps.lines().filter(|line| line.starts_with("Pss:")) {
        println!("COUNTER {line}");
    }
}
