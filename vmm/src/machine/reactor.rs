//! The event loops: one for all devices that never wait, on the main thread, and one per device that waits for files.

use super::filters;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::thread::JoinHandle;
use vmm_devices::poll::{Interest, Pollable};
use vmm_sys::poll::{Poll, Watch};
use vmm_sys_util::eventfd::{EFD_CLOEXEC, EFD_NONBLOCK, EventFd};

/// Keys from here on belong to the main loop itself.
pub const OWN_KEYS: u64 = 1 << 32;

/// Descriptors of devices by key, and whatever else a loop watches.
pub struct Reactor {
    poll: Poll,
    targets: Vec<(Arc<dyn Pollable>, u64)>,
}

impl Reactor {
    /// A loop without anything to watch.
    ///
    /// # Errors
    /// When there is no descriptor left.
    pub fn new() -> io::Result<Self> {
        Ok(Self { poll: Poll::new()?, targets: Vec::new() })
    }

    /// Watches all descriptors of `device`.
    ///
    /// # Errors
    /// When one of them cannot be watched.
    pub fn add(&mut self, device: &Arc<dyn Pollable>) -> io::Result<()> {
        for source in device.sources() {
            let watch = match source.interest {
                Interest::Readable => Watch::Readable,
                Interest::Writable => Watch::Writable,
            };
            self.poll.watch(source.fd, watch, self.targets.len() as u64)?;
            self.targets.push((Arc::clone(device), source.token));
        }
        Ok(())
    }

    /// Watches a descriptor of the loop's owner; `key` is from [`OWN_KEYS`] on.
    ///
    /// # Errors
    /// When it cannot be watched.
    pub fn watch(&self, fd: RawFd, watch: Watch, key: u64) -> io::Result<()> {
        self.poll.watch(fd, watch, key)
    }

    /// Waits once, serves the devices that are ready and leaves the owner's keys in `keys`.
    ///
    /// # Errors
    /// When waiting fails.
    pub fn turn(&self, keys: &mut Vec<u64>) -> io::Result<()> {
        self.poll.wait(keys)?;
        keys.retain(|key| match self.targets.get(*key as usize) {
            Some((device, token)) if *key < OWN_KEYS => {
                device.handle(*token);
                false
            }
            _ => true,
        });
        Ok(())
    }
}

/// The thread of a device that waits for files. It ends when this is dropped.
pub struct DeviceThread {
    stop: EventFd,
    thread: Option<JoinHandle<()>>,
}

impl DeviceThread {
    /// Starts the thread.
    ///
    /// # Errors
    /// When descriptors or threads are used up.
    pub fn start(device: &Arc<dyn Pollable>, seccomp: bool) -> io::Result<Self> {
        let stop = EventFd::new(EFD_CLOEXEC | EFD_NONBLOCK)?;
        let mut reactor = Reactor::new()?;
        reactor.add(device)?;
        reactor.watch(stop.as_raw_fd(), Watch::Readable, OWN_KEYS)?;
        let thread = std::thread::Builder::new().name(device.name().to_owned()).stack_size(super::THREAD_STACK);
        let thread = thread.spawn(move || {
            if filters::enter(filters::Kind::Device, seccomp) {
                serve(&reactor);
            }
        })?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

fn serve(reactor: &Reactor) {
    let mut keys = Vec::new();
    while keys.is_empty() {
        if let Err(error) = reactor.turn(&mut keys) {
            crate::log!("a device's thread ends: {error}");
            return;
        }
    }
}

impl Drop for DeviceThread {
    fn drop(&mut self) {
        // The write fails only when the event is signalled already.
        let _signalled = self.stop.write(1);
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}
