//! How long guests take to start, on a lab machine that counts instructions as nanoseconds: the same figure each time, whatever
//! else this machine does.

use crate::{guest_disk, host_disk, initrd::Initrd};
use anyhow::{Context as _, Result, bail};
use humilis_harness::exec;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};
use vmm_control::spec::LINUX_ARGUMENTS;

/// One instruction is one nanosecond, and waiting takes no time.
const COUNTING: &[&str] =
    &["-machine", "q35", "-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off", "-cpu", "max", "-smp", "1"];
const MODULES: &[&str] = &["kvm-amd"];
/// What the guest's first process writes.
const MARKER: &str = "humilis-first-process";
/// What the peers' guests were told.
const PEERS_ARGUMENTS: &str = "console=ttyS0 quiet reboot=t panic=-1";
/// A user id for a jail.
const JAIL: &str = "--jail 64000";

/// A guest whose start is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Guest {
    /// The small guest of our own: the monitor alone.
    Small,
    /// The same in its jail, as hostd starts all guests.
    SmallJailed,
    /// Debian's kernel as hostd starts it: prepared in the image cache, with hostd's default arguments.
    Linux,
    /// The same with the peers' arguments: the kernel tests its cryptography.
    LinuxTested,
    /// The bzImage with the peers' arguments: the kernel unpacks itself, too.
    LinuxPacked,
}

impl Guest {
    const ALL: [Self; 5] = [Self::Small, Self::SmallJailed, Self::Linux, Self::LinuxTested, Self::LinuxPacked];

    /// Arguments for `launch`.
    fn arguments(self) -> String {
        let linux = |kernel: &str, arguments: &str| {
            format!("--kernel /data/{kernel} --initrd /data/initrd --until {MARKER} --cmdline '{arguments}'")
        };
        let small = "--kernel /data/small --memory 128 --cmdline marker --until marker";
        match self {
            Self::Small => small.to_owned(),
            Self::SmallJailed => format!("{JAIL} {small}"),
            Self::Linux => linux("prepared", &format!("{LINUX_ARGUMENTS} quiet")),
            Self::LinuxTested => linux("prepared", PEERS_ARGUMENTS),
            Self::LinuxPacked => linux("kernel", PEERS_ARGUMENTS),
        }
    }
}

/// What was measured.
#[derive(Clone, Debug, Default)]
pub struct Times {
    /// From the fork of the monitor to the first process of a Linux guest, or the first line of the small one, in nanoseconds.
    pub nanoseconds: BTreeMap<Guest, u64>,
    /// KVM's counters and the monitor's memory.
    pub counters: Vec<String>,
}

/// Programs under test.
#[derive(Clone, Copy, Debug)]
pub struct Subjects<'a> {
    /// The monitor.
    pub vmm: &'a Path,
    /// `launch` of this crate.
    pub launch: &'a Path,
    /// The small guest.
    pub small: &'a Path,
}

/// Starts the machine, all guests in it one after the other, and reads their times.
///
/// # Errors
/// When an image cannot be made, or a guest does not come up.
pub fn measure(subjects: Subjects<'_>) -> Result<Times> {
    let folder = tempfile::Builder::new().prefix("humilis-boot-").tempdir()?;
    let host = host_disk::get()?;
    let guest = guest_disk::get()?.kernel;
    let initrd = folder.path().join("guest.initrd");
    let first = folder.path().join("first");
    fs::write(&first, first_process())?;
    Initrd { modules: None, files: vec![(first, "/init".into())], init: None }.write(&initrd)?;
    let prepared = folder.path().join("prepared");
    prepare(&guest, &prepared)?;
    let mut files = vec![
        (guest, "/data/kernel".to_owned()),
        (prepared, "/data/prepared".into()),
        (initrd, "/data/initrd".into()),
        (subjects.small.to_owned(), "/data/small".into()),
        (subjects.vmm.to_owned(), "/bin/vmm".into()),
        (subjects.launch.to_owned(), "/bin/launch".into()),
    ];
    for program in [subjects.vmm, subjects.launch] {
        files.extend(libraries(program)?.into_iter().map(|l| (l.clone(), l.to_string_lossy().into_owned())));
    }
    files.sort();
    files.dedup();
    let image = folder.path().join("host.initrd");
    let modules = Some((host.modules.clone(), MODULES.iter().map(|name| (*name).to_owned()).collect()));
    Initrd { modules, files, init: Some(script()) }.write(&image)?;
    let serial = folder.path().join("serial.log");
    run(&host.kernel, &image, &serial, folder.path())?;
    read(&fs::read_to_string(&serial).unwrap_or_default())
}

/// As hostd's image cache does.
fn prepare(kernel: &Path, to: &Path) -> Result<()> {
    let target = fs::File::options().read(true).write(true).create_new(true).open(to)?;
    let made = vmm_kernel::prepare(&fs::File::open(kernel)?, &target).context("the guest's kernel is broken")?;
    anyhow::ensure!(made, "the guest's kernel cannot be prepared");
    Ok(())
}

fn run(kernel: &Path, initrd: &Path, serial: &Path, folder: &Path) -> Result<()> {
    let mut qemu = Command::new("timeout");
    qemu.args(["600", "qemu-system-x86_64"]).args(COUNTING).args(["-m", "1024", "-nodefaults", "-display", "none"]);
    qemu.args(["-no-reboot", "-append", "console=ttyS0 quiet panic=-1 mitigations=off"]);
    qemu.arg("-kernel").arg(kernel).arg("-initrd").arg(initrd);
    qemu.arg("-serial").arg(format!("file:{}", serial.display()));
    let title = "Starting guests on an emulated processor that counts instructions";
    exec::step(title, &folder.join("qemu.log"), &mut qemu)
}

/// The first process of the host.
fn script() -> String {
    let guests = Guest::ALL.map(|guest| format!("echo GUEST {guest:?}; /bin/launch {}\n", guest.arguments())).concat();
    format!(
        "#!/bin/busybox sh\n\
         b() {{ /bin/busybox \"$@\"; }}\n\
         b mkdir -p /proc /sys /dev /tmp; b mount -t proc proc /proc; b mount -t sysfs sysfs /sys\n\
         b mount -t devtmpfs dev /dev; b mount -t tmpfs tmpfs /tmp; b mount -t debugfs debugfs /sys/kernel/debug\n\
         for module in /modules/*.ko; do b insmod $module; done\n\
         for program in /data/* /bin/vmm; do b cat $program > /dev/null; done\n\
         {guests}b poweroff -f\n"
    )
}

fn read(text: &str) -> Result<Times> {
    let (mut times, mut current) = (Times::default(), None);
    for line in text.lines().map(str::trim) {
        match (line.split_once(' '), current) {
            (Some(("GUEST", name)), _) => current = Guest::ALL.into_iter().find(|guest| name == format!("{guest:?}")),
            (Some(("NANOSECONDS", value)), Some(guest)) => drop(times.nanoseconds.insert(guest, value.parse()?)),
            (Some(("COUNTER", counter)), Some(guest)) => times.counters.push(format!("{guest:?} {counter}")),
            _ => {}
        }
    }
    if let Some(missing) = Guest::ALL.into_iter().find(|guest| !times.nanoseconds.contains_key(guest)) {
        bail!("{missing:?} did not come up: {text}");
    }
    Ok(times)
}

/// The shared libraries of a program, with its loader.
fn libraries(program: &Path) -> Result<Vec<PathBuf>> {
    let output = Command::new("ldd").arg(program).output().context("cannot run ldd")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(text
        .split_whitespace()
        .filter(|word| word.starts_with('/') && Path::new(word).is_file())
        .map(Into::into)
        .collect())
}

/// A whole program, an ELF file by hand: writes the marker to standard output and sleeps for ever.
fn first_process() -> Vec<u8> {
    const BASE: u64 = 0x40_0000;
    const HEADERS: u64 = 64 + 56;
    #[rustfmt::skip]
    let mut code = vec![
        0xb8, 1, 0, 0, 0,                   // mov eax, 1: write
        0xbf, 1, 0, 0, 0,                   // mov edi, 1
        0x48, 0x8d, 0x35, 16, 0, 0, 0,      // lea rsi, [the text]
        0xba, 0, 0, 0, 0,                   // mov edx, its length
        0x0f, 0x05,                         // syscall
        0xb8, 34, 0, 0, 0,                  // mov eax, 34: pause
        0x0f, 0x05,                         // syscall
        0xeb, 0xf7,                         // again
    ];
    let text = format!("{MARKER}\n");
    code[18] = text.len() as u8;
    code.extend_from_slice(text.as_bytes());
    let size = HEADERS + code.len() as u64;
    let mut elf = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    for half in [2_u16, 62] {
        elf.extend(half.to_le_bytes());
    }
    elf.extend(1_u32.to_le_bytes());
    for word in [BASE + HEADERS, 64, 0] {
        elf.extend(word.to_le_bytes());
    }
    elf.extend(0_u32.to_le_bytes());
    for half in [64_u16, 56, 1, 0, 0, 0] {
        elf.extend(half.to_le_bytes());
    }
    for word in [1_u32, 5] {
        elf.extend(word.to_le_bytes());
    }
    for word in [0, BASE, BASE, size, size, 0x1000] {
        elf.extend(word.to_le_bytes());
    }
    elf.extend(code);
    elf
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{io::Read as _, os::unix::fs::PermissionsExt as _, process::Stdio};

    #[test]
    fn the_first_process_writes_its_marker_and_waits() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("first");
        fs::write(&path, first_process()).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let mut child = Command::new(&path).stdout(Stdio::piped()).spawn().unwrap();
        let mut text = vec![0; MARKER.len() + 1];
        child.stdout.as_mut().unwrap().read_exact(&mut text).unwrap();
        assert_eq!(text, format!("{MARKER}\n").as_bytes());
        assert!(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn times_are_read_per_guest() {
        let mut text = "GUEST Linux\r\nCOUNTER exits 5\r\n".to_owned();
        for (time, guest) in Guest::ALL.iter().enumerate() {
            assert!(read(&text).is_err(), "{guest:?} is missing");
            text += &format!("GUEST {guest:?}\r\n[ 1.5] kvm: noise\r\nNANOSECONDS {time}\r\n");
        }
        let times = read(&text).unwrap();
        assert_eq!((times.nanoseconds[&Guest::Small], times.nanoseconds[&Guest::LinuxPacked]), (0, 4));
        assert_eq!(times.counters, ["Linux exits 5"]);
    }
}
