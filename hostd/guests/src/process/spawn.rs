//! Starting a guest's process with the descriptors of its spec, by `posix_spawn`: no code of ours runs between fork and exec.

use super::live::Live;
use nix::{
    spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags, posix_spawn},
    sys::signal::{SigSet, Signal},
};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use std::{
    ffi::CString,
    fs::File,
    io::{self, Write},
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::net::{UnixListener, UnixStream},
    },
    path::Path,
};
use vmm_control::spec::{Fd, GuestSpec, SPEC_FD};

/// glibc's own number, spawn.h: not in POSIX yet, hence not in nix.
const POSIX_SPAWN_SETSID: i32 = 0x80;

/// The descriptors that a process inherits. Its numbers there are those that they have here.
#[derive(Debug, Default)]
pub struct Descriptors {
    owned: Vec<OwnedFd>,
}

impl Descriptors {
    /// Gives a descriptor to the process; the number is for its spec.
    ///
    /// # Errors
    /// When it has the spec's number and cannot be moved away from it.
    pub fn give(&mut self, descriptor: impl Into<OwnedFd>) -> io::Result<Fd> {
        let mut descriptor = descriptor.into();
        while descriptor.as_raw_fd() <= SPEC_FD {
            let moved = descriptor.try_clone()?;
            self.owned.push(descriptor);
            descriptor = moved;
        }
        let number = descriptor.as_raw_fd();
        self.owned.push(descriptor);
        Ok(number)
    }
}

/// Starts `program` with this first argument. What it writes to its standard output and error goes to `log`.
///
/// # Errors
/// Those of the system; no process is left then.
pub fn spawn(
    program: &Path,
    argument: &str,
    spec: &GuestSpec,
    descriptors: Descriptors,
    log: &File,
) -> io::Result<Live> {
    let spec = sealed(spec)?;
    let mut actions = PosixSpawnFileActions::init()?;
    let nothing = File::open("/dev/null")?;
    actions.add_dup2(nothing.as_raw_fd(), 0)?;
    for standard in [1, 2] {
        actions.add_dup2(log.as_raw_fd(), standard)?;
    }
    for descriptor in &descriptors.owned {
        let number = descriptor.as_raw_fd();
        if number > SPEC_FD {
            // The same number on both sides only takes close-on-exec away.
            actions.add_dup2(number, number)?;
        }
    }
    actions.add_dup2(spec.as_raw_fd(), SPEC_FD)?;
    let argument = CString::new(argument)?;
    let environment: [CString; 0] = [];
    let pid = posix_spawn(program, &actions, &attributes()?, &[argument], &environment)?;
    Live::child(pid.as_raw())
}

/// A session of its own, no signal blocked or ignored.
fn attributes() -> nix::Result<PosixSpawnAttr> {
    let mut attributes = PosixSpawnAttr::init()?;
    let mut flags = PosixSpawnFlags::POSIX_SPAWN_SETSIGMASK;
    flags.insert(PosixSpawnFlags::POSIX_SPAWN_SETSIGDEF);
    flags.insert(PosixSpawnFlags::from_bits_retain(POSIX_SPAWN_SETSID));
    attributes.set_flags(flags)?;
    attributes.set_sigmask(&SigSet::empty())?;
    let mut ignored = SigSet::empty();
    ignored.add(Signal::SIGPIPE);
    attributes.set_sigdefault(&ignored)?;
    Ok(attributes)
}

fn sealed(spec: &GuestSpec) -> io::Result<File> {
    let mut file = File::from(memfd_create("spec", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?);
    let bytes = postcard::to_stdvec(spec).map_err(io::Error::other)?;
    file.write_all(&bytes)?;
    io::Seek::rewind(&mut file)?;
    fcntl_add_seals(&file, SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE)?;
    Ok(file)
}

/// Makes the guest's control socket anew. A path in `/proc` keeps long state directories under the limit of 107 bytes.
///
/// # Errors
/// Those of the system.
pub fn listen(path: &Path) -> io::Result<UnixListener> {
    hostd_kit::durable::remove(path)?;
    through_directory(path, |short| UnixListener::bind(short))
}

/// Connects to a guest's control socket.
///
/// # Errors
/// Those of the system.
pub fn connect(path: &Path) -> io::Result<UnixStream> {
    through_directory(path, |short| UnixStream::connect(short))
}

fn through_directory<T>(path: &Path, work: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let dir = File::open(dir)?;
    work(&Path::new("/proc/self/fd").join(dir.as_raw_fd().to_string()).join(name))
}
