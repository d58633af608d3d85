//! Starts the real binary with a spec, as hostd does, and watches it: for tests of the machine and of guests that run on it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

pub mod tiny;

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::fd::{AsFd, RawFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};
use vmm_control::frame;
use vmm_control::message::{Reply, Request, VERSION};
use vmm_control::spec::{Boot, DiskFormat, DiskSpec, GuestSpec, JailSpec, LayerSpec, NicSpec, SerialSpec, Smbios};
use vmm_jail::handover::Handover;

/// How long a test waits for something that should happen soon.
const PATIENCE: Duration = Duration::from_secs(30);

/// A guest that is being described.
pub struct GuestBuilder {
    handover: Handover,
    spec: GuestSpec,
    serial: File,
    log: File,
    folder: tempfile::TempDir,
}

impl GuestBuilder {
    /// One vCPU, `memory_mib` of memory, no jail, started from a kernel image.
    pub fn kernel(kernel: &File, memory_mib: u64) -> Self {
        let (folder, mut handover) = (tempfile::tempdir().unwrap(), Handover::new());
        let (serial, log) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        let control = UnixListener::bind(folder.path().join("control")).unwrap();
        let mut add = |fd: &dyn AsFd| handover.add(fd.as_fd()).unwrap();
        let spec = GuestSpec {
            id: "test".into(),
            vcpus: 1,
            memory_mib,
            near: None,
            boot: Boot::Kernel { kernel: add(kernel), initrd: None, cmdline: String::new() },
            kvm: add(&File::options().read(true).write(true).open("/dev/kvm").unwrap()),
            control: add(&control),
            disks: Vec::new(),
            nics: Vec::new(),
            serial: SerialSpec { log: add(&serial), limit: 1 << 20 },
            log: add(&log),
            jail: None,
            smbios: Smbios::default(),
        };
        Self { handover, spec, serial, log, folder }
    }

    /// Changes numbers of the spec that name no descriptor.
    pub fn with(mut self, change: impl FnOnce(&mut GuestSpec)) -> Self {
        change(&mut self.spec);
        self
    }

    /// Hands a descriptor over and returns its number, for fields of the spec.
    pub fn hand_over(&mut self, fd: &dyn AsFd) -> RawFd {
        self.handover.add(fd.as_fd()).unwrap()
    }

    /// Adds a disk of one layer.
    pub fn disk(mut self, id: &str, file: &File, format: DiskFormat) -> Self {
        let fd = self.hand_over(file);
        let layers = vec![LayerSpec { fd, format }];
        self.spec.disks.push(DiskSpec { id: id.into(), layers, readonly: false, serial: id.into() });
        self
    }

    /// Adds an interface on an open tap.
    pub fn nic(mut self, id: &str, tap: &dyn AsFd, mac: [u8; 6]) -> Self {
        let tap = self.hand_over(tap);
        self.spec.nics.push(NicSpec { id: id.into(), tap, mac, mtu: 1500 });
        self
    }

    /// Has the process enter its jail with the user and group `id`.
    pub fn jailed(self, id: u32) -> Self {
        self.with(|spec| spec.jail = Some(JailSpec { uid: id, gid: id, seccomp: true }))
    }

    /// Starts the process.
    pub fn start(self) -> Guest {
        let mut command = Command::new(binary());
        self.handover.apply(&postcard::to_stdvec(&self.spec).unwrap(), &mut command).unwrap();
        let started = Instant::now();
        let process = command.spawn().unwrap();
        Guest { process, started, serial: self.serial, log: self.log, folder: self.folder }
    }
}

/// The binary: the one that cargo built for this test, or the one that the environment names.
fn binary() -> std::ffi::OsString {
    std::env::var_os("VMM_BINARY")
        .or(option_env!("CARGO_BIN_EXE_vmm").map(Into::into))
        .expect("VMM_BINARY names the vmm binary")
}

/// A running guest. Its process is killed when this is dropped.
pub struct Guest {
    process: Child,
    started: Instant,
    serial: File,
    log: File,
    folder: tempfile::TempDir,
}

impl Guest {
    /// What the guest wrote to its serial port so far.
    pub fn serial(&mut self) -> String {
        text(&mut self.serial)
    }

    /// What the process wrote to its log so far.
    pub fn log(&mut self) -> String {
        text(&mut self.log)
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Waits until the serial port shows `wanted` and returns the time since the start.
    pub fn wait_for(&mut self, wanted: &str) -> Duration {
        let end = Instant::now() + PATIENCE;
        while !self.serial().contains(wanted) {
            let ended = self.process.try_wait().unwrap();
            if (ended.is_some() && !self.serial().contains(wanted)) || Instant::now() > end {
                panic!("no {wanted:?}; end: {ended:?}; serial: {:?}; log: {:?}", self.serial(), self.log());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        self.started.elapsed()
    }

    /// Waits for the process's end.
    pub fn wait(&mut self) -> ExitStatus {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < end, "no end; serial: {:?}; log: {:?}", self.serial(), self.log());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// A greeted control connection.
    pub fn connect(&self) -> Control {
        let stream = UnixStream::connect(self.control_path()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut control = Control { stream };
        let greeting = control.ask(&Request::Hello { version: VERSION });
        assert_eq!(greeting, Reply::Hello { version: VERSION, id: "test".into() });
        control
    }

    /// A connection that has not said anything yet.
    pub fn raw_connection(&self) -> UnixStream {
        UnixStream::connect(self.control_path()).unwrap()
    }

    fn control_path(&self) -> std::path::PathBuf {
        Path::new(self.folder.path()).join("control")
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        // A process that ended already cannot be killed.
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// A control connection.
pub struct Control {
    stream: UnixStream,
}

impl Control {
    /// Sends a request and returns what comes back.
    pub fn ask(&mut self, request: &Request) -> Reply {
        frame::write(&mut self.stream, request).unwrap();
        self.next()
    }

    /// What the process sends next.
    pub fn next(&mut self) -> Reply {
        frame::read(&mut self.stream).unwrap()
    }

    /// Sends a request that is not answered.
    pub fn tell(&mut self, request: &Request) {
        frame::write(&mut self.stream, request).unwrap();
    }

    /// The stream as it is.
    pub fn into_stream(self) -> UnixStream {
        self.stream
    }

    /// Makes the connection a console.
    pub fn attach(mut self) -> UnixStream {
        assert_eq!(self.ask(&Request::AttachConsole), Reply::Done);
        self.stream
    }
}

fn text(file: &mut File) -> String {
    let mut bytes = Vec::new();
    // The position is shared with the process, which appends by offset.
    let mut copy = File::open(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(file))).unwrap();
    copy.rewind().unwrap();
    copy.read_to_end(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A file with these bytes.
pub fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file
}
