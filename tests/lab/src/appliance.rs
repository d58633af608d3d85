//! A machine with a disk, which starts by UEFI firmware as metal does, with a network of its own and no way in but the controller's
//! ports.

use crate::{emulator, firmware, machine::clock};
use anyhow::{Context as _, Result, bail};
use humilis_harness::exec;
use std::{
    fs,
    io::Write as _,
    net::Shutdown,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// Words of the kernel's command line that the firmware's tables add to the image's own.
const WORDS: &str = "io.systemd.stub.kernel-cmdline-extra";
/// Its disk has room for state.
const DISK: &str = "16G";
/// The release whose firmware it has.
const FIRMWARE: &str = "trixie";
/// The controller's API and metrics.
const PORTS: [u16; 2] = [8443, 8445];

/// What the machine starts from.
#[derive(Clone, Debug)]
pub enum Start {
    /// Its disk, which begins as this image.
    Disk(PathBuf),
    /// Its disk, as it is.
    Own,
    /// A CD, where its disk, which begins empty, has nothing to start.
    Cd(PathBuf),
    /// Kernel, initial RAM disk and command line, as from a network; its disk begins empty.
    Network {
        /// The kernel.
        kernel: PathBuf,
        /// The initial RAM disk with the root in it.
        initrd: PathBuf,
        /// The command line.
        cmdline: String,
    },
}

/// A running appliance; ended and cleaned up when dropped.
pub struct Appliance {
    qemu: Child,
    namespace: String,
    serial: PathBuf,
    terminal: PathBuf,
    started: Instant,
}

impl Appliance {
    /// Starts it with further words on its kernel's command line, and maybe with a medium plugged in; its disk is in this folder, kept
    /// if it is there.
    ///
    /// # Errors
    /// When the firmware cannot be had or QEMU does not start.
    pub fn start(start: &Start, folder: &Path, memory_mib: u32, words: &str, medium: Option<&Path>) -> Result<Self> {
        fs::create_dir_all(folder).context("cannot make the machine's folder")?;
        let namespace = format!("humilis-image-{}", std::process::id());
        exec::read(Command::new("ip").args(["netns", "add", &namespace]))?;
        exec::read(Command::new("ip").args(["-n", &namespace, "link", "set", "lo", "up"]))?;
        let [serial, terminal] = ["serial.log", "terminal"].map(|name| folder.join(name));
        for old in [&serial, &terminal] {
            drop(fs::remove_file(old));
        }
        let (program, options) = emulator::program()?;
        let mut qemu = Command::new("ip");
        qemu.args(["netns", "exec", &namespace]).arg(program).args(options);
        qemu.args(["-smp", "2"]);
        qemu.args(["-m", &memory_mib.to_string(), "-nodefaults", "-display", "none"]);
        qemu.arg("-chardev").arg(format!(
            "socket,id=t,path={},server=on,wait=off,logfile={}",
            terminal.display(),
            serial.display()
        ));
        qemu.args(["-serial", "chardev:t"]);
        qemu.args(["-uuid", "5d8f3a10-7a1e-4a7e-9d0c-2f6b1c0e4a55", "-device", "virtio-rng-pci"]);
        qemu.args(["-device", "virtio-net-pci,netdev=n,romfile="]);
        let forward = PORTS.map(|port| format!("hostfwd=tcp:127.0.0.1:{port}-:{port}"));
        qemu.arg("-netdev").arg(format!("user,id=n,{}", forward.join(",")));
        boot(&mut qemu, start, folder, format!("{words}{}", clock()).trim())?;
        if let Some(medium) = medium {
            qemu.arg("-drive").arg(format!("if=none,id=m,format=raw,readonly=on,file={}", medium.display()));
            qemu.args(["-device", "virtio-blk-pci,drive=m"]);
        }
        let log = fs::File::create(folder.join("qemu.log"))?;
        let started = Instant::now();
        let qemu =
            qemu.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn().context("cannot start QEMU")?;
        Ok(Self { qemu, namespace, serial, terminal, started })
    }

    /// Waits for a line with this text on its console, and gives it and the time since power-on.
    ///
    /// # Errors
    /// When the machine ends or takes too long; the error ends with its console's end.
    pub fn line(&mut self, text: &str, limit: Duration) -> Result<(String, Duration)> {
        while self.started.elapsed() < limit {
            if let Some(line) = self.console().lines().find(|line| line.contains(text)) {
                return Ok((line.to_owned(), self.started.elapsed()));
            }
            self.runs()?;
            std::thread::sleep(Duration::from_millis(100));
        }
        bail!("the console does not say {text:?} within {} s; it ends: {}", limit.as_secs(), self.end())
    }

    /// Waits for one more line with this text than were seen, and gives it.
    ///
    /// # Errors
    /// When the machine ends or takes too long.
    pub fn line_after(&mut self, text: &str, seen: usize, limit: Duration) -> Result<String> {
        while self.started.elapsed() < limit {
            if let Some(line) = self.console().lines().filter(|line| line.contains(text)).nth(seen) {
                return Ok(line.to_owned());
            }
            self.runs()?;
            std::thread::sleep(Duration::from_millis(100));
        }
        bail!("the console does not say {text:?} again within {} s; it ends: {}", limit.as_secs(), self.end())
    }

    /// Waits for each question on its console in turn, and types the answer to it.
    ///
    /// # Errors
    /// When the machine ends, or a question does not come.
    pub fn converse(&mut self, answers: &[(&str, &str)], limit: Duration) -> Result<()> {
        let (mut terminal, mut read) = (None, 0);
        for (question, answer) in answers {
            loop {
                let console = self.console();
                if let Some(at) = console.get(read..).and_then(|rest| rest.find(question)) {
                    read += at + question.len();
                    break;
                }
                self.runs()?;
                if self.started.elapsed() > limit {
                    bail!(
                        "the console does not ask {question:?} within {} s; it ends: {}",
                        limit.as_secs(),
                        self.end()
                    );
                }
                std::thread::sleep(Duration::from_millis(100));
            }
            let terminal = match &mut terminal {
                Some(terminal) => terminal,
                none => none.insert(Terminal::open(&self.terminal)?),
            };
            terminal.0.write_all(format!("{answer}\r").as_bytes())?;
        }
        Ok(())
    }

    /// Time since power-on.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// Nothing, while it runs.
    ///
    /// # Errors
    /// When it has ended; the error ends with its console's end.
    pub fn runs(&mut self) -> Result<()> {
        match self.qemu.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("the machine ended ({status}): {}", self.end()),
        }
    }

    /// Waits until it is off.
    ///
    /// # Errors
    /// When that takes too long; the error ends with its console's end.
    pub fn ends(&mut self, limit: Duration) -> Result<()> {
        while self.qemu.try_wait()?.is_none() {
            if self.started.elapsed() > limit {
                bail!("the machine does not end within {} s; its console ends: {}", limit.as_secs(), self.end())
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    /// Asks its controller for something, from outside.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn ask(&self, url: &str) -> Result<String> {
        let mut curl = Command::new("ip");
        curl.args(["netns", "exec", &self.namespace, "curl", "--silent", "--show-error", "--fail", "--insecure"]);
        exec::read(curl.args(["--max-time", "30", url]))
    }

    /// All that its console said.
    #[must_use]
    pub fn console(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.serial).unwrap_or_default()).replace('\r', "")
    }

    fn end(&self) -> String {
        let console = self.console();
        let lines: Vec<_> = console.lines().rev().take(30).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}

/// A connection to a machine's serial port, closed when dropped.
struct Terminal(UnixStream);

impl Terminal {
    fn open(place: &Path) -> Result<Self> {
        let terminal = UnixStream::connect(place).context("the machine has no terminal")?;
        let mut said = terminal.try_clone()?;
        // The machine stops where nobody reads what it says; it is in the console's file, too.
        std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
        Ok(Self(terminal))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have closed it first.
        drop(self.0.shutdown(Shutdown::Both));
    }
}

impl Drop for Appliance {
    fn drop(&mut self) {
        // It is gone already when it ended by itself.
        drop(self.qemu.kill());
        drop(self.qemu.wait());
        drop(exec::read(Command::new("ip").args(["netns", "del", &self.namespace])));
    }
}

fn boot(qemu: &mut Command, start: &Start, folder: &Path, words: &str) -> Result<()> {
    let (code, factory) = firmware::ovmf(FIRMWARE)?;
    let [disk, variables] = ["disk.qcow2", "variables.fd"].map(|name| folder.join(name));
    if !disk.exists() {
        let mut make = Command::new("qemu-img");
        make.args(["create", "-q", "-f", "qcow2"]);
        if let Start::Disk(image) = start {
            make.args(["-F", "raw", "-b"]).arg(image);
        }
        exec::read(make.arg(&disk).arg(DISK))?;
        fs::copy(factory, &variables).context("cannot copy the firmware's variables")?;
    }
    for (unit, file, readonly) in [(0, &code, "on"), (1, &variables, "off")] {
        let file = file.display();
        qemu.arg("-drive").arg(format!("if=pflash,unit={unit},format=raw,readonly={readonly},file={file}"));
    }
    qemu.arg("-drive").arg(format!("if=none,id=d,format=qcow2,cache=unsafe,file={}", disk.display()));
    qemu.args(["-device", "virtio-blk-pci,drive=d,bootindex=1"]);
    match start {
        Start::Network { kernel, initrd, cmdline } => {
            qemu.arg("-kernel").arg(kernel).arg("-initrd").arg(initrd).arg("-append").arg(format!("{cmdline} {words}"));
            return Ok(());
        }
        Start::Cd(image) => {
            qemu.arg("-drive")
                .arg(format!("if=none,id=cd,media=cdrom,format=raw,readonly=on,file={}", image.display()));
            qemu.args(["-device", "ide-cd,drive=cd,bootindex=2"]);
        }
        Start::Disk(_) | Start::Own => {}
    }
    if !words.is_empty() {
        qemu.arg("-smbios").arg(format!("type=11,value={WORDS}={words}"));
    }
    Ok(())
}
