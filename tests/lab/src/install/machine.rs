//! A bare machine: firmware, two empty disks, a stick, two network devices, and processors that can run guests.

use super::{
    disk::Disk,
    wire::{Wire, mac, taps},
};
use crate::{emulator, firmware, machine::clock};
use anyhow::{Context as _, Result, bail, ensure};
use humilis_harness::exec;
use std::{
    fs,
    io::Write as _,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// One for the system, and one that can be that of guests.
pub(super) const DISKS: [(&str, u64); 2] = [("disk", 16), ("data", 8)];
pub(super) const MEMORY_MIB: u64 = 2048;
pub(super) const PROCESSORS: u64 = 1;
/// NUMA nodes, with the memory in equal parts.
pub(super) const NODES: u64 = 2;
/// The release whose firmware it has.
const FIRMWARE: &str = "trixie";
/// Words of the kernel's command line that the firmware's tables add to the image's own.
const WORDS: &str = "io.systemd.stub.kernel-cmdline-extra";
/// An emulator that has to wait for a processor fails the kernel's test of its timer.
const TIMER: &str = "no_timer_check";
/// Where the stick's EFI system partition begins.
const PARTITION: &str = "@@1M";

/// A machine; switched off when dropped.
#[derive(Debug)]
pub struct Machine {
    /// From 1.
    pub number: u8,
    folder: PathBuf,
    stick: Option<PathBuf>,
    qemu: Option<Child>,
    disks: Vec<Disk>,
    started: Instant,
    /// How long its console was when it was switched on.
    said: usize,
}

impl Machine {
    /// A machine with empty disks and a stick with these answers, switched off.
    ///
    /// # Errors
    /// When a disk cannot be made.
    pub fn new(number: u8, folder: &Path, installer: &Path, answers: &str) -> Result<Self> {
        let folder = folder.join(format!("machine-{number}"));
        fs::create_dir_all(&folder)?;
        let (_, factory) = firmware::ovmf(FIRMWARE)?;
        fs::copy(factory, folder.join("variables.fd")).context("cannot copy the firmware's variables")?;
        for (name, gib) in DISKS {
            let mut disk = Command::new("qemu-img");
            disk.args(["create", "-q", "-f", "qcow2"]).arg(folder.join(name).with_extension("qcow2"));
            exec::read(disk.arg(format!("{gib}G")))?;
        }
        let (stick, file) = (folder.join("stick.raw"), folder.join("humilis.conf"));
        exec::read(Command::new("cp").arg("--sparse=always").arg(installer).arg(&stick))?;
        fs::write(&file, answers)?;
        let place = format!("{}{PARTITION}", stick.display());
        exec::read(Command::new("mcopy").args(["-o", "-i", &place]).arg(&file).arg("::humilis.conf"))?;
        Ok(Self { number, folder, stick: Some(stick), qemu: None, disks: Vec::new(), started: Instant::now(), said: 0 })
    }

    /// A machine without a stick, whose disks are layers over those of a machine in the folder `base`, which is never switched on again.
    ///
    /// # Errors
    /// When the layer cannot be made.
    pub fn over(number: u8, base: &Path, folder: &Path) -> Result<Self> {
        let folder = folder.join(format!("machine-{number}"));
        fs::create_dir_all(&folder)?;
        fs::copy(base.join("variables.fd"), folder.join("variables.fd"))
            .context("cannot copy the firmware's variables")?;
        for (name, _) in DISKS {
            let file = Path::new(name).with_extension("qcow2");
            let base = base.join(&file).canonicalize().context("the machine has no disk")?;
            let mut layer = Command::new("qemu-img");
            layer.args(["create", "-q", "-f", "qcow2", "-F", "qcow2", "-b"]).arg(base).arg(folder.join(file));
            exec::read(&mut layer)?;
        }
        Ok(Self { number, folder, stick: None, qemu: None, disks: Vec::new(), started: Instant::now(), said: 0 })
    }

    /// Switches it on. Its firmware starts from the disk, or from the stick where the disk has nothing to start.
    ///
    /// # Errors
    /// When QEMU does not start.
    pub fn switch_on(&mut self, wire: &Wire) -> Result<()> {
        let (code, _) = firmware::ovmf(FIRMWARE)?;
        let (program, options) = emulator::program()?;
        let mut qemu = wire.command(program);
        qemu.args(options);
        qemu.arg("-smp").arg(PROCESSORS.to_string());
        qemu.arg("-m").arg(MEMORY_MIB.to_string());
        for node in 0..NODES {
            // The only processor is of the first one.
            let processors = if node == 0 { "cpus=0," } else { "" };
            qemu.arg("-object").arg(format!("memory-backend-ram,id=m{node},size={}M", MEMORY_MIB / NODES));
            qemu.arg("-numa").arg(format!("node,nodeid={node},{processors}memdev=m{node}"));
        }
        qemu.args(["-nodefaults", "-display", "none", "-device", "virtio-rng-pci"]);
        qemu.arg("-chardev").arg(format!("file,id=c,append=on,path={}", self.serial().display()));
        qemu.args(["-serial", "chardev:c"]);
        qemu.arg("-monitor").arg(format!("unix:{},server=on,wait=off", self.monitor().display()));
        qemu.args(["-uuid", &format!("5d8f3a10-7a1e-4a7e-9d0c-{:012x}", self.number)]);
        for (unit, file, readonly) in [(0, code, "on"), (1, self.folder.join("variables.fd"), "off")] {
            let file = file.display();
            qemu.arg("-drive").arg(format!("if=pflash,unit={unit},format=raw,readonly={readonly},file={file}"));
        }
        self.disks = DISKS.iter().map(|(name, _)| Disk::plug(&self.folder, name)).collect::<Result<_>>()?;
        for (number, disk) in self.disks.iter().enumerate() {
            qemu.arg("-drive").arg(format!("if=none,id=d{number},{}", disk.drive()));
            let first = if number == 0 { ",bootindex=1" } else { "" };
            // The cache would write every zero of what is discarded.
            qemu.arg("-device").arg(format!("virtio-blk-pci,drive=d{number},discard=off,write-zeroes=off{first}"));
        }
        if let Some(stick) = &self.stick {
            qemu.arg("-drive").arg(format!("if=none,id=s,format=raw,cache=unsafe,file={}", stick.display()));
            qemu.args(["-device", "qemu-xhci", "-device", "usb-storage,drive=s,bootindex=2,removable=on"]);
        }
        for (device, tap) in taps(self.number).iter().enumerate() {
            qemu.arg("-netdev").arg(format!("tap,id=n{device},ifname={tap},script=no,downscript=no"));
            let mac = mac(self.number, u8::try_from(device)?);
            qemu.arg("-device").arg(format!("virtio-net-pci,netdev=n{device},romfile=,mac={mac}"));
        }
        qemu.arg("-smbios").arg(format!("type=11,value={WORDS}={TIMER}{}", clock()));
        let log = fs::File::create(self.folder.join("qemu.log"))?;
        self.started = Instant::now();
        self.said = self.console().len();
        let qemu = qemu.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn();
        self.qemu = Some(qemu.context("cannot start QEMU")?);
        Ok(())
    }

    /// Presses its power button, and waits until it is off.
    ///
    /// # Errors
    /// When it stays on, or QEMU does not hear.
    pub fn press(&mut self, limit: Duration) -> Result<()> {
        let mut monitor = UnixStream::connect(self.monitor()).context("QEMU does not listen")?;
        monitor.write_all(b"system_powerdown\n")?;
        let end = Instant::now() + limit;
        while !self.has_ended() {
            ensure!(
                Instant::now() < end,
                "machine {} stays on after its button was pressed: {}",
                self.number,
                self.end()
            );
            std::thread::sleep(Duration::from_millis(200));
        }
        self.cut();
        Ok(())
    }

    /// Cuts its power: what was not flushed is lost.
    pub fn cut(&mut self) {
        if let Some(mut qemu) = self.qemu.take() {
            // It is gone already when it ended by itself.
            drop(qemu.kill());
            drop(qemu.wait());
        }
        self.disks.clear();
    }

    /// Waits for a line with this text on its console, since it was switched on; gives what follows the text, and the time since power-on.
    ///
    /// # Errors
    /// When the machine ends or takes too long; the error ends with its console's end.
    pub fn says(&mut self, text: &str, limit: Duration) -> Result<(String, Duration)> {
        let end = Instant::now() + limit;
        loop {
            let console = self.console();
            // A line that is being written is not read yet.
            let console = console.get(self.said..).unwrap_or_default();
            let whole = console.rfind('\n').map_or("", |end| &console[..end]);
            if let Some((_, rest)) = whole.lines().filter_map(|line| line.split_once(text)).next_back() {
                return Ok((rest.trim().to_owned(), self.started.elapsed()));
            }
            ensure!(!self.has_ended(), "machine {} ended: {}", self.number, self.end());
            if Instant::now() > end {
                bail!("machine {} does not say {text:?} in {} s: {}", self.number, limit.as_secs(), self.end());
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Whether it is off, by itself or because its emulator died.
    pub fn has_ended(&mut self) -> bool {
        self.qemu.as_mut().is_none_or(|qemu| !matches!(qemu.try_wait(), Ok(None)))
    }

    /// All that its console said, over all its starts.
    #[must_use]
    pub fn console(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.serial()).unwrap_or_default()).replace('\r', "")
    }

    /// The console's end.
    #[must_use]
    pub fn end(&self) -> String {
        let console = self.console();
        let lines: Vec<_> = console.lines().rev().take(30).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    fn monitor(&self) -> PathBuf {
        self.folder.join("monitor")
    }

    fn serial(&self) -> PathBuf {
        self.folder.join("serial.log")
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.cut();
    }
}
