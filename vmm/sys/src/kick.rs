//! Bringing a vCPU out of the guest from another thread.
//!
//! A kick sets `immediate_exit` in the page shared with KVM and then sends a signal. Whether the signal finds the thread in the
//! guest or just before it, the next or current `KVM_RUN` returns at once: no kick is lost, and no handler does any work.

#![expect(unsafe_code, reason = "a page shared with KVM, and a signal to one thread")]

use kvm_bindings::kvm_run;
use kvm_ioctls::VcpuFd;
use std::io;
use std::os::fd::AsRawFd;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicU8, Ordering};

/// The signal of a kick; nobody else uses it.
fn signal() -> libc::c_int {
    libc::SIGRTMIN()
}

extern "C" fn nothing(_: libc::c_int) {}

/// Installs the empty handler of the kick's signal. Called once before a vCPU thread starts.
///
/// # Errors
/// Those of sigaction(2).
pub fn install_handler() -> io::Result<()> {
    // SAFETY: an all-zero sigaction is valid: no flags (system calls shall be interrupted), an empty mask.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = nothing as *const () as libc::sighandler_t;
    // SAFETY: `action` is whole, and its handler does nothing, which is safe in any context.
    let result = unsafe { libc::sigaction(signal(), &raw const action, std::ptr::null_mut()) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Our own mapping of the first page of a vCPU's shared area.
pub(crate) struct KickPage(NonNull<kvm_run>);

// SAFETY: the mapping stays until drop, and only `immediate_exit` is touched through it, atomically.
unsafe impl Send for KickPage {}
// SAFETY: as above.
unsafe impl Sync for KickPage {}

const PAGE: usize = 4096;

impl KickPage {
    pub(crate) fn map(vcpu: &VcpuFd) -> Result<Self, kvm_ioctls::Error> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a fresh shared mapping of the vCPU's first page; the kernel chooses the address.
        let page = unsafe { libc::mmap(std::ptr::null_mut(), PAGE, protection, libc::MAP_SHARED, vcpu.as_raw_fd(), 0) };
        if page == libc::MAP_FAILED {
            return Err(kvm_ioctls::Error::last());
        }
        NonNull::new(page.cast()).map(Self).ok_or_else(kvm_ioctls::Error::last)
    }

    fn immediate_exit(&self) -> &AtomicU8 {
        // SAFETY: the byte lies in the page mapped until drop; everybody but the kernel accesses it atomically through here.
        unsafe { AtomicU8::from_ptr(&raw mut (*self.0.as_ptr()).immediate_exit) }
    }
}

impl Drop for KickPage {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `map` with this length and nobody has a reference any more.
        unsafe { libc::munmap(self.0.as_ptr().cast(), PAGE) };
    }
}

/// Brings a vCPU out of the guest. Cloning it clones a reference.
#[derive(Clone)]
pub struct Kicker {
    shared: Arc<Shared>,
}

struct Shared {
    page: KickPage,
    thread: AtomicI32,
}

impl Kicker {
    pub(crate) fn new(page: KickPage) -> Self {
        Self { shared: Arc::new(Shared { page, thread: AtomicI32::new(0) }) }
    }

    /// Says that the calling thread is the one that runs the vCPU.
    pub fn enter(&self) {
        // SAFETY: gettid follows no pointer.
        self.shared.thread.store(unsafe { libc::gettid() }, Ordering::SeqCst);
    }

    /// Says that the vCPU's thread ends.
    pub fn leave(&self) {
        self.shared.thread.store(0, Ordering::SeqCst);
    }

    /// Makes the vCPU's current or next run return with [`crate::vcpu::Exit::Kicked`]. Any thread.
    pub fn kick(&self) {
        self.shared.page.immediate_exit().store(1, Ordering::SeqCst);
        let thread = self.shared.thread.load(Ordering::SeqCst);
        if thread != 0 {
            // SAFETY: tgkill follows no pointer; the signal has a handler, and a thread of this process that took over the
            // number would only run the empty handler.
            unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), thread, signal()) };
        }
    }

    /// Makes the next run enter the guest again. Called by the vCPU's thread before it looks for the reason of a kick, so that a
    /// kick after that look is not lost.
    pub fn acknowledge(&self) {
        self.shared.page.immediate_exit().store(0, Ordering::SeqCst);
    }
}
