//! One virtual machine: memory slots, interrupt controllers, the sources of interrupts and doorbells.

#![expect(unsafe_code, reason = "KVM is told of mapped memory by address")]

use crate::doorbell::{DoorbellMatch, Doorbells};
use crate::interrupt::Interrupt;
use crate::kvm::Capabilities;
use crate::memory::GuestMemory;
use crate::msi::KvmMsiRouter;
use crate::vcpu::Vcpu;
use kvm_bindings::{KVM_PIT_SPEAKER_DUMMY, kvm_clock_data, kvm_pit_config, kvm_userspace_memory_region};
use kvm_ioctls::{IoEventAddress, NoDatamatch, VmFd};
use std::io;
use std::sync::Arc;
use vm_memory::{Address, GuestMemoryBackend, GuestMemoryRegion};
use vmm_sys_util::eventfd::{EFD_CLOEXEC, EFD_NONBLOCK, EventFd};

/// Three pages that KVM keeps for itself on Intel processors without unrestricted guest mode, and one more after them for
/// its identity map; below the firmware's place at the end of 4 GiB.
const TSS_ADDRESS: usize = 0xfeff_d000;
const IDENTITY_MAP_ADDRESS: u64 = 0xfeff_c000;

/// Why a machine could not be built.
#[derive(Debug, thiserror::Error)]
#[error("KVM refused {what}")]
pub struct VmError {
    what: &'static str,
    source: kvm_ioctls::Error,
}

pub(crate) fn refused(what: &'static str) -> impl FnOnce(kvm_ioctls::Error) -> VmError {
    move |source| VmError { what, source }
}

/// One virtual machine. Its memory lives as long as it does.
pub struct Vm {
    fd: Arc<VmFd>,
    capabilities: Capabilities,
    memory: Option<GuestMemory>,
}

impl Vm {
    pub(crate) fn new(kvm: &kvm_ioctls::Kvm, capabilities: Capabilities) -> Result<Self, VmError> {
        let fd = kvm.create_vm().map_err(refused("a machine"))?;
        if capabilities.identity_map_address {
            fd.set_identity_map_address(IDENTITY_MAP_ADDRESS).map_err(refused("the identity map"))?;
        }
        if capabilities.tss_address {
            fd.set_tss_address(TSS_ADDRESS).map_err(refused("the task state segment"))?;
        }
        fd.create_irq_chip().map_err(refused("the interrupt controllers"))?;
        if capabilities.pit {
            let config = kvm_pit_config { flags: KVM_PIT_SPEAKER_DUMMY, ..Default::default() };
            fd.create_pit2(config).map_err(refused("the timer"))?;
        }
        Ok(Self { fd: Arc::new(fd), capabilities, memory: None })
    }

    pub(crate) fn fd(&self) -> &VmFd {
        &self.fd
    }

    pub(crate) fn has_timer(&self) -> bool {
        self.capabilities.pit
    }

    /// Gives the machine its memory, one slot per region. Called once, before a vCPU runs.
    ///
    /// # Errors
    /// When KVM refuses a slot, for instance because the machine has memory already.
    pub fn add_memory(&mut self, memory: &GuestMemory) -> Result<(), VmError> {
        self.memory = Some(memory.clone());
        for (slot, region) in (0..).zip(memory.iter()) {
            let description = kvm_userspace_memory_region {
                slot,
                flags: 0,
                guest_phys_addr: region.start_addr().raw_value(),
                memory_size: region.len(),
                userspace_addr: region.as_ptr() as u64,
            };
            // SAFETY: the range is mapped by `memory`, of which this machine keeps a reference as long as the slot exists.
            unsafe { self.fd.set_user_memory_region(description) }.map_err(refused("a memory slot"))?;
        }
        Ok(())
    }

    /// A vCPU; `id` is its local APIC's id. The first to run is number 0, the others wait for INIT and SIPI.
    ///
    /// # Errors
    /// When KVM refuses, for instance because there are too many.
    pub fn create_vcpu(&self, id: u8) -> Result<Vcpu, VmError> {
        let fd = self.fd.create_vcpu(u64::from(id)).map_err(refused("a vCPU"))?;
        Vcpu::new(fd, &self.fd, self.memory.clone()).map_err(refused("a vCPU's shared page"))
    }

    /// The edge-triggered interrupt on a pin of the IOAPIC (and of the 8259 below 16).
    ///
    /// # Errors
    /// When the pin has an owner already.
    pub fn line(&self, pin: u32) -> io::Result<Line> {
        let event = EventFd::new(EFD_CLOEXEC | EFD_NONBLOCK)?;
        self.fd.register_irqfd(&event, pin)?;
        Ok(Line { event })
    }

    /// The source of message-signalled interrupts.
    #[must_use]
    pub fn msi_router(&self) -> KvmMsiRouter {
        KvmMsiRouter::new(Arc::clone(&self.fd))
    }

    /// The registry of doorbells.
    #[must_use]
    pub fn doorbells(&self) -> KvmDoorbells {
        KvmDoorbells { vm: Arc::clone(&self.fd), any_length: self.capabilities.doorbell_any_length }
    }

    /// The guest's clock, to be kept over a pause.
    ///
    /// # Errors
    /// When KVM has no kvmclock.
    pub fn clock(&self) -> Result<kvm_clock_data, VmError> {
        self.fd.get_clock().map_err(refused("to tell the guest's clock"))
    }

    /// Sets the guest's clock to what [`Vm::clock`] told.
    ///
    /// # Errors
    /// When KVM has no kvmclock.
    pub fn set_clock(&self, clock: &kvm_clock_data) -> Result<(), VmError> {
        let clock = kvm_clock_data { clock: clock.clock, ..Default::default() };
        self.fd.set_clock(&clock).map_err(refused("to set the guest's clock"))
    }
}

/// A pin of the in-kernel interrupt controllers.
pub struct Line {
    event: EventFd,
}

impl Interrupt for Line {
    fn trigger(&self) -> io::Result<()> {
        self.event.write(1)
    }
}

/// KVM's ioeventfds.
pub struct KvmDoorbells {
    vm: Arc<VmFd>,
    any_length: bool,
}

impl Doorbells for KvmDoorbells {
    fn register(&self, doorbell: DoorbellMatch, event: &EventFd) -> io::Result<()> {
        let address = IoEventAddress::Mmio(doorbell.address);
        match doorbell.value {
            Some(value) => self.vm.register_ioevent(event, &address, value)?,
            None if self.any_length => self.vm.register_ioevent(event, &address, NoDatamatch)?,
            None => return Err(io::ErrorKind::Unsupported.into()),
        }
        Ok(())
    }

    fn unregister(&self, doorbell: DoorbellMatch, event: &EventFd) -> io::Result<()> {
        let address = IoEventAddress::Mmio(doorbell.address);
        match doorbell.value {
            Some(value) => self.vm.unregister_ioevent(event, &address, value)?,
            None => self.vm.unregister_ioevent(event, &address, NoDatamatch)?,
        }
        Ok(())
    }
}
