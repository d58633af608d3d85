//! A vCPU as its thread sees it: state, run, exits.

#![expect(unsafe_code, reason = "an exit's width lies in the page shared with KVM")]

use crate::kick::{KickPage, Kicker};
use crate::memory::GuestMemory;
use kvm_bindings::kvm_run;
use kvm_ioctls::{VcpuExit, VcpuFd, VmFd};
use std::io;
use std::sync::Arc;

/// Why a vCPU came back from the guest.
#[derive(Debug)]
pub enum Exit<'a> {
    /// `in` from a port; `data` holds one or more items of `width` bytes to be filled.
    PortRead {
        /// The port.
        port: u16,
        /// Bytes per item: 1, 2 or 4.
        width: usize,
        /// Items of a string instruction stand one after the other.
        data: &'a mut [u8],
    },
    /// `out` to a port.
    PortWrite {
        /// The port.
        port: u16,
        /// Bytes per item: 1, 2 or 4.
        width: usize,
        /// Items of a string instruction stand one after the other.
        data: &'a [u8],
    },
    /// A read where no memory is.
    MmioRead(u64, &'a mut [u8]),
    /// A write where no memory is.
    MmioWrite(u64, &'a [u8]),
    /// Another thread kicked this vCPU, or a signal came.
    Kicked,
    /// A triple fault: the processor shut itself down.
    Shutdown,
    /// The guest cannot go on; the text is for the log.
    Failed(String),
}

/// A vCPU. It belongs to one thread; others reach it by its [`Kicker`].
pub struct Vcpu {
    fd: VcpuFd,
    kicker: Kicker,
    // What must outlive the vCPU.
    _vm: Arc<VmFd>,
    _memory: Option<GuestMemory>,
}

impl Vcpu {
    pub(crate) fn new(fd: VcpuFd, vm: &Arc<VmFd>, memory: Option<GuestMemory>) -> Result<Self, kvm_ioctls::Error> {
        let kicker = Kicker::new(KickPage::map(&fd)?);
        Ok(Self { fd, kicker, _vm: Arc::clone(vm), _memory: memory })
    }

    /// Registers, CPUID, MSRs and the local APIC, by KVM's own structures.
    #[must_use]
    pub fn state(&self) -> &VcpuFd {
        &self.fd
    }

    /// A handle by which other threads bring the vCPU out of the guest.
    #[must_use]
    pub fn kicker(&self) -> Kicker {
        self.kicker.clone()
    }

    /// Runs the guest until it needs something. Called by the vCPU's own thread.
    ///
    /// # Errors
    /// When KVM cannot run the vCPU at all.
    pub fn run(&mut self) -> io::Result<Exit<'_>> {
        let shared: *const kvm_run = self.fd.get_kvm_run();
        match self.fd.run() {
            Ok(VcpuExit::IoIn(port, data)) => Ok(Exit::PortRead { port, width: port_width(shared), data }),
            Ok(VcpuExit::IoOut(port, data)) => Ok(Exit::PortWrite { port, width: port_width(shared), data }),
            Ok(VcpuExit::MmioRead(address, data)) => Ok(Exit::MmioRead(address, data)),
            Ok(VcpuExit::MmioWrite(address, data)) => Ok(Exit::MmioWrite(address, data)),
            Ok(VcpuExit::Shutdown) => Ok(Exit::Shutdown),
            Ok(VcpuExit::Intr | VcpuExit::IrqWindowOpen) => Ok(Exit::Kicked),
            Ok(VcpuExit::InternalError) => Ok(Exit::Failed(internal_error(shared))),
            Ok(VcpuExit::FailEntry(reason, cpu)) => {
                Ok(Exit::Failed(format!("entry failed, reason {reason:#x}, cpu {cpu}")))
            }
            Ok(other) => Ok(Exit::Failed(format!("unexpected exit {other:?}"))),
            Err(error) if matches!(error.errno(), libc::EINTR | libc::EAGAIN) => Ok(Exit::Kicked),
            Err(error) => Err(error.into()),
        }
    }
}

/// Bytes per item of a port exit.
fn port_width(shared: *const kvm_run) -> usize {
    // SAFETY: the page is mapped as long as the vCPU that the caller borrows, and the last exit was KVM_EXIT_IO.
    usize::from(unsafe { (*shared).__bindgen_anon_1.io.size }).max(1)
}

fn internal_error(shared: *const kvm_run) -> String {
    // SAFETY: as above, and the last exit was KVM_EXIT_INTERNAL_ERROR.
    let internal = unsafe { (*shared).__bindgen_anon_1.internal };
    let count = (internal.ndata as usize).min(internal.data.len());
    format!("KVM internal error {}, data {:x?}", internal.suberror, &internal.data[..count])
}
