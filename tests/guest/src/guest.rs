//! A guest in its process.

use crate::control::Control;
use crate::serial::Serial;
use crate::spawn::{Descriptors, spawn};
use crate::{Disk, Lan, PATIENCE, binaries, until};
use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::net::Ipv4Addr;
use std::os::unix::net::UnixListener;
use std::time::Duration;
use tempfile::TempDir;
use vmm_control::spec::{Boot, DiskSpec, GuestSpec, JailSpec, LayerSpec, NicSpec, SerialSpec, Smbios};

const SERVICE: u16 = 23;
const SERIAL_LIMIT: u64 = 1 << 20;

/// What a guest shall be. It can be booted any number of times.
#[derive(Clone)]
pub struct Configuration<'a> {
    id: String,
    vcpus: u8,
    memory_mib: u64,
    cmdline: String,
    disks: Vec<Disk>,
    nics: Vec<&'a Lan>,
    jail: Option<JailSpec>,
    serial_limit: u64,
}

impl<'a> Configuration<'a> {
    /// Number of processors; 1 unless said.
    #[must_use]
    pub fn vcpus(mut self, vcpus: u8) -> Self {
        self.vcpus = vcpus;
        self
    }

    /// Memory in MiB; 32 unless said.
    #[must_use]
    pub fn memory(mut self, mib: u64) -> Self {
        self.memory_mib = mib;
        self
    }

    /// The command line; empty unless said.
    #[must_use]
    pub fn cmdline(mut self, text: &str) -> Self {
        self.cmdline = text.to_string();
        self
    }

    /// One more disk.
    #[must_use]
    pub fn disk(mut self, disk: &Disk) -> Self {
        self.disks.push(disk.clone());
        self
    }

    /// One more interface.
    #[must_use]
    pub fn nic(mut self, lan: &'a Lan) -> Self {
        self.nics.push(lan);
        self
    }

    /// The bound of the serial log in bytes; 1 MiB unless said.
    #[must_use]
    pub fn serial_limit(mut self, bytes: u64) -> Self {
        self.serial_limit = bytes;
        self
    }

    /// In a jail with this uid, system calls filtered.
    #[must_use]
    pub fn jailed(mut self, uid: u32) -> Self {
        self.jail = Some(JailSpec { uid, gid: uid, seccomp: true });
        self
    }

    /// Starts it.
    ///
    /// # Errors
    /// When the process does not start.
    pub fn boot(&self) -> Result<Guest<'a>> {
        let folder = tempfile::Builder::new().prefix("humilis-guest-").tempdir()?;
        let mut descriptors = Descriptors::default();
        let spec = self.spec(&folder, &mut descriptors)?;
        let output = OpenOptions::new().append(true).create(true).open(folder.path().join("log"))?;
        let pid = spawn(&binaries::vmm()?, &spec, &descriptors, &output)?;
        let serial = Serial::new(folder.path().join("serial"));
        Ok(Guest {
            id: self.id.clone(),
            pid,
            ended: None,
            serial,
            lan: self.nics.first().copied(),
            address: None,
            folder,
        })
    }

    fn spec(&self, folder: &TempDir, descriptors: &mut Descriptors) -> Result<GuestSpec> {
        let kvm = OpenOptions::new().read(true).write(true).open("/dev/kvm").context("/dev/kvm")?;
        let at = |name: &str| folder.path().join(name);
        let serial = OpenOptions::new().read(true).write(true).create_new(true).open(at("serial"))?;
        let log = OpenOptions::new().append(true).create_new(true).open(at("log"))?;
        let disks = self.disks.iter().enumerate().map(|(index, disk)| disk_spec(index, disk, descriptors));
        let disks = disks.collect::<Result<_>>()?;
        let nics = self.nics.iter().enumerate().map(|(index, lan)| nic_spec(index, lan, descriptors));
        let nics = nics.collect::<Result<_>>()?;
        Ok(GuestSpec {
            id: self.id.clone(),
            vcpus: self.vcpus,
            memory_mib: self.memory_mib,
            near: None,
            boot: Boot::Kernel {
                kernel: descriptors.give(File::open(binaries::guest()?)?)?,
                initrd: None,
                cmdline: self.cmdline.clone(),
            },
            kvm: descriptors.give(kvm)?,
            control: descriptors.give(UnixListener::bind(at("control"))?)?,
            disks,
            nics,
            serial: SerialSpec { log: descriptors.give(serial)?, limit: self.serial_limit },
            log: descriptors.give(log)?,
            jail: self.jail.clone(),
            smbios: Smbios::default(),
        })
    }
}

fn disk_spec(index: usize, disk: &Disk, descriptors: &mut Descriptors) -> Result<DiskSpec> {
    let layer = |(file, format): (File, _)| Ok(LayerSpec { fd: descriptors.give(file)?, format });
    let layers = disk.open()?.into_iter().map(layer).collect::<Result<_>>()?;
    Ok(DiskSpec { id: format!("disk{index}"), layers, readonly: disk.readonly, serial: format!("serial{index}") })
}

fn nic_spec(index: usize, lan: &Lan, descriptors: &mut Descriptors) -> Result<NicSpec> {
    let (tap, mac) = lan.plug()?;
    Ok(NicSpec { id: format!("nic{index}"), tap: descriptors.give(tap)?, mac, mtu: lan.mtu() })
}

/// A guest's process, which ends with this value.
pub struct Guest<'a> {
    id: String,
    pid: Pid,
    ended: Option<i32>,
    serial: Serial,
    lan: Option<&'a Lan>,
    address: Option<Ipv4Addr>,
    folder: TempDir,
}

impl<'a> Guest<'a> {
    /// A guest with one processor and 32 MiB, nothing else.
    pub fn configure() -> Configuration<'a> {
        let (disks, nics, cmdline) = (Vec::new(), Vec::new(), String::new());
        let (id, serial_limit) = ("story".to_string(), SERIAL_LIMIT);
        Configuration { id, vcpus: 1, memory_mib: 32, cmdline, disks, nics, jail: None, serial_limit }
    }

    /// The process.
    pub fn pid(&self) -> i32 {
        self.pid.as_raw()
    }

    /// The next line on the serial port that has this text in it; lines before it are passed.
    ///
    /// # Errors
    /// When it does not come.
    pub fn wait_for(&mut self, text: &str) -> Result<String> {
        let (pid, status) = (self.pid, &mut self.ended);
        let ended = || {
            *status = status.or_else(|| look_for_end(pid).ok().flatten());
            status.map(|status| format!("the process ended with {status}"))
        };
        let line = self.serial.wait_for(text, PATIENCE, ended);
        line.with_context(|| format!("log of the monitor:\n{}", self.log()))
    }

    /// All that came out of the serial port.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn serial_text(&self) -> Result<String> {
        self.serial.text()
    }

    /// What the monitor logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// A new connection to its process.
    ///
    /// # Errors
    /// When nobody answers.
    pub fn control(&self) -> Result<Control> {
        Control::connect(&self.folder.path().join("control"), &self.id)
    }

    /// The address that its first interface has got; waits for it.
    ///
    /// # Errors
    /// When it gets none.
    pub fn address(&mut self) -> Result<Ipv4Addr> {
        if let Some(address) = self.address {
            return Ok(address);
        }
        let find = || {
            let text = self.serial.text()?;
            let line = text.lines().find_map(|line| line.split_once("net 0 ")?.1.split_once(" dhcp "));
            Ok(line.and_then(|(_, lease)| lease.split('/').next()?.parse::<Ipv4Addr>().ok()))
        };
        let found = until(PATIENCE, "a lease", find).with_context(|| self.serial.text().unwrap_or_default())?;
        self.address = Some(found);
        Ok(found)
    }

    /// The answer of its status service to one command.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn ask(&mut self, command: &str) -> Result<String> {
        let address = self.address()?;
        let mut stream = self.lan.context("a guest without network answers nothing")?.connect(address, SERVICE)?;
        stream.write_all(format!("{command}\n").as_bytes())?;
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer)?;
        Ok(answer.trim_end().to_string())
    }

    /// Ends the process at once.
    ///
    /// # Errors
    /// When it is gone already.
    pub fn kill(&mut self) -> Result<()> {
        Ok(kill(self.pid, Signal::SIGKILL)?)
    }

    /// Waits for the process's end: its exit status, or the negative number of the signal that ended it.
    ///
    /// # Errors
    /// When it does not end.
    pub fn exit(&mut self) -> Result<i32> {
        self.exit_within(PATIENCE)
    }

    fn exit_within(&mut self, patience: Duration) -> Result<i32> {
        if let Some(status) = self.ended {
            return Ok(status);
        }
        let status = until(patience, "the process's end", || look_for_end(self.pid))?;
        self.ended = Some(status);
        Ok(status)
    }

    /// Whether the process runs.
    pub fn is_running(&mut self) -> bool {
        self.exit_within(Duration::ZERO).is_err()
    }
}

fn look_for_end(pid: Pid) -> Result<Option<i32>> {
    match waitpid(pid, Some(WaitPidFlag::WNOHANG))? {
        WaitStatus::StillAlive => Ok(None),
        WaitStatus::Exited(_, status) => Ok(Some(status)),
        WaitStatus::Signaled(_, signal, _) => Ok(Some(-(signal as i32))),
        other => bail!("{other:?}"),
    }
}

impl Drop for Guest<'_> {
    fn drop(&mut self) {
        if self.is_running() {
            // It can only be gone already, which is what is wanted.
            let _ = self.kill();
            let _ = self.exit();
        }
    }
}
