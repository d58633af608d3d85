//! `/dev/kvm` as it was inherited, and what it can do.

#![expect(unsafe_code, reason = "kvm-ioctls takes the descriptor as a number")]

use crate::vm::{Vm, VmError};
use kvm_bindings::{CpuId, KVM_API_VERSION, KVM_CAP_IOEVENTFD_ANY_LENGTH, KVM_MAX_CPUID_ENTRIES};
use kvm_ioctls::Cap;
use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd};

/// Why KVM cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KvmError {
    /// The descriptor is not `/dev/kvm`, or a KVM of another age.
    #[error("KVM speaks API version {0}, wanted is {KVM_API_VERSION}")]
    ApiVersion(i32),
    /// Something without which no guest runs.
    #[error("this KVM lacks {0}")]
    Missing(&'static str),
    /// A request to KVM itself failed.
    #[error("KVM refused {what}")]
    Refused {
        /// The request.
        what: &'static str,
        /// Its errno.
        source: kvm_ioctls::Error,
    },
}

/// What this KVM offers, asked once.
#[derive(Clone, Copy, Debug)]
pub struct Capabilities {
    /// An ioeventfd may match writes of any width.
    pub doorbell_any_length: bool,
    /// An in-kernel 8254 exists.
    pub pit: bool,
    /// The place of the three-page task state segment can be set (wanted on Intel).
    pub tss_address: bool,
    /// The place of the identity map can be set (wanted on Intel).
    pub identity_map_address: bool,
    /// The local APIC has TSC-deadline mode.
    pub tsc_deadline: bool,
    /// KVM can tell and keep a guest's TSC frequency.
    pub tsc_khz: bool,
    /// The most vCPUs of a guest.
    pub max_vcpus: usize,
}

/// Capabilities without which no guest runs, with the name under which the log shows them.
const REQUIRED: [(Cap, &str); 7] = [
    (Cap::UserMemory, "user memory regions"),
    (Cap::Irqchip, "an in-kernel interrupt controller"),
    (Cap::IrqRouting, "interrupt routing"),
    (Cap::Irqfd, "irqfd"),
    (Cap::Ioeventfd, "ioeventfd"),
    (Cap::ExtCpuid, "extended CPUID"),
    (Cap::ImmediateExit, "immediate exit"),
];

/// An open `/dev/kvm`.
pub struct Kvm {
    fd: kvm_ioctls::Kvm,
    capabilities: Capabilities,
}

impl Kvm {
    /// Takes the inherited `/dev/kvm` and asks what it can do.
    ///
    /// # Errors
    /// When the descriptor is no KVM or one that lacks something without which no guest runs.
    pub fn adopt(fd: OwnedFd) -> Result<Self, KvmError> {
        // SAFETY: the number comes from an owned descriptor that is given away here.
        let fd = unsafe { kvm_ioctls::Kvm::from_raw_fd(fd.into_raw_fd()) };
        let version = fd.get_api_version();
        if u32::try_from(version) != Ok(KVM_API_VERSION) {
            return Err(KvmError::ApiVersion(version));
        }
        if let Some((_, name)) = REQUIRED.into_iter().find(|(cap, _)| !fd.check_extension(*cap)) {
            return Err(KvmError::Missing(name));
        }
        let capabilities = Capabilities {
            doorbell_any_length: fd.check_extension_raw(u64::from(KVM_CAP_IOEVENTFD_ANY_LENGTH)) > 0,
            pit: fd.check_extension(Cap::Pit2),
            tss_address: fd.check_extension(Cap::SetTssAddr),
            identity_map_address: fd.check_extension(Cap::SetIdentityMapAddr),
            tsc_deadline: fd.check_extension(Cap::TscDeadlineTimer),
            tsc_khz: fd.check_extension(Cap::GetTscKhz),
            max_vcpus: fd.get_max_vcpus(),
        };
        Ok(Self { fd, capabilities })
    }

    /// What this KVM offers.
    #[must_use]
    pub fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    /// The CPUID leaves that KVM can give to a guest on this machine.
    ///
    /// # Errors
    /// When KVM refuses.
    pub fn supported_cpuid(&self) -> Result<CpuId, KvmError> {
        let refused = |source| KvmError::Refused { what: "its CPUID leaves", source };
        self.fd.get_supported_cpuid(KVM_MAX_CPUID_ENTRIES).map_err(refused)
    }

    /// The model-specific registers that KVM keeps for a guest.
    ///
    /// # Errors
    /// When KVM refuses.
    pub fn msr_indices(&self) -> Result<Vec<u32>, KvmError> {
        let refused = |source| KvmError::Refused { what: "its list of MSRs", source };
        Ok(self.fd.get_msr_index_list().map_err(refused)?.as_slice().to_vec())
    }

    /// A new, empty machine.
    ///
    /// # Errors
    /// When KVM refuses the machine or its interrupt controllers.
    pub fn create_vm(&self) -> Result<Vm, VmError> {
        Vm::new(&self.fd, self.capabilities)
    }
}
