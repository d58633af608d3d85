//! The state of a vCPU after power-on: set once when it is made, kept, and set again by a reset.

use crate::boot::Entry;
use kvm_bindings::{
    Msrs, kvm_debugregs, kvm_fpu, kvm_lapic_state, kvm_mp_state, kvm_msr_entry, kvm_regs, kvm_sregs, kvm_vcpu_events,
    kvm_xcrs,
};
use kvm_ioctls::VcpuFd;

const MSR_TSC: u32 = 0x10;
const MSR_APIC_BASE: u32 = 0x1b;
const MSR_TSC_ADJUST: u32 = 0x3b;
const MSR_MISC_ENABLE: u32 = 0x1a0;
const MSR_MTRR_DEFAULT: u32 = 0x2ff;
const MSR_TSC_DEADLINE: u32 = 0x6e0;

/// Time goes on over a reset; the APIC base is part of the special registers.
const KEPT: [u32; 4] = [MSR_TSC, MSR_APIC_BASE, MSR_TSC_ADJUST, MSR_TSC_DEADLINE];
/// Fast string operations.
const MISC_ENABLE: u64 = 1;
/// Memory type ranges on, everything write-back.
const MTRR_DEFAULT: u64 = 1 << 11 | 6;

const FPU_CONTROL: u16 = 0x37f;
const FPU_MXCSR: u32 = 0x1f80;

const LVT_LINT0: usize = 0x350;
const LVT_LINT1: usize = 0x360;
const DELIVER_EXTERNAL: u32 = 7 << 8;
const DELIVER_NMI: u32 = 4 << 8;

/// KVM refused a part of a vCPU's state.
#[derive(Debug, thiserror::Error)]
#[error("KVM refused a vCPU's {what}")]
pub struct StateError {
    what: &'static str,
    source: kvm_ioctls::Error,
}

fn refused(what: &'static str) -> impl FnOnce(kvm_ioctls::Error) -> StateError {
    move |source| StateError { what, source }
}

/// What a vCPU has after power-on.
pub struct PowerOn {
    registers: kvm_regs,
    special: kvm_sregs,
    msrs: Vec<kvm_msr_entry>,
    extended: Option<kvm_xcrs>,
    debug: Option<kvm_debugregs>,
    events: Option<kvm_vcpu_events>,
    lapic: kvm_lapic_state,
    activity: kvm_mp_state,
}

impl PowerOn {
    /// Takes the state of a vCPU that has its CPUID and never ran.
    ///
    /// # Errors
    /// When KVM does not tell a part without which no reset works.
    pub fn capture(vcpu: &VcpuFd, msr_indices: &[u32]) -> Result<Self, StateError> {
        let mut lapic = vcpu.get_lapic().map_err(refused("local APIC"))?;
        set_lvt(&mut lapic, LVT_LINT0, DELIVER_EXTERNAL);
        set_lvt(&mut lapic, LVT_LINT1, DELIVER_NMI);
        Ok(Self {
            registers: vcpu.get_regs().map_err(refused("registers"))?,
            special: vcpu.get_sregs().map_err(refused("special registers"))?,
            msrs: read_msrs(vcpu, msr_indices),
            extended: vcpu.get_xcrs().ok(),
            debug: vcpu.get_debug_regs().ok(),
            events: vcpu.get_vcpu_events().ok(),
            lapic,
            activity: vcpu.get_mp_state().map_err(refused("activity"))?,
        })
    }

    /// Gives a vCPU that never ran what KVM's own state lacks, and its place to start if it is the first.
    ///
    /// # Errors
    /// When KVM refuses.
    pub fn prepare(&self, vcpu: &VcpuFd, entry: Option<&Entry>) -> Result<(), StateError> {
        write_msrs(vcpu, self.msrs.iter().filter(|msr| matches!(msr.index, MSR_MISC_ENABLE | MSR_MTRR_DEFAULT)));
        vcpu.set_lapic(&self.lapic).map_err(refused("local APIC"))?;
        self.enter(vcpu, entry)
    }

    /// Puts a vCPU that ran back to power-on, and to its place to start if it is the first.
    ///
    /// # Errors
    /// When KVM refuses.
    pub fn restore(&self, vcpu: &VcpuFd, entry: Option<&Entry>) -> Result<(), StateError> {
        vcpu.set_mp_state(self.activity).map_err(refused("activity"))?;
        vcpu.set_sregs(&self.special).map_err(refused("special registers"))?;
        vcpu.set_regs(&self.registers).map_err(refused("registers"))?;
        let fpu = kvm_fpu { fcw: FPU_CONTROL, mxcsr: FPU_MXCSR, ..Default::default() };
        vcpu.set_fpu(&fpu).map_err(refused("floating point state"))?;
        write_msrs(vcpu, self.msrs.iter());
        if let Some(extended) = &self.extended {
            vcpu.set_xcrs(extended).map_err(refused("extended control registers"))?;
        }
        if let Some(debug) = &self.debug {
            vcpu.set_debug_regs(debug).map_err(refused("debug registers"))?;
        }
        vcpu.set_lapic(&self.lapic).map_err(refused("local APIC"))?;
        if let Some(events) = &self.events {
            vcpu.set_vcpu_events(events).map_err(refused("pending events"))?;
        }
        self.enter(vcpu, entry)
    }

    fn enter(&self, vcpu: &VcpuFd, entry: Option<&Entry>) -> Result<(), StateError> {
        let Some(entry) = entry else { return Ok(()) };
        vcpu.set_sregs(&entry.special_registers(self.special)).map_err(refused("special registers"))?;
        vcpu.set_regs(&entry.registers()).map_err(refused("registers"))
    }
}

fn set_lvt(lapic: &mut kvm_lapic_state, at: usize, value: u32) {
    for (register, byte) in lapic.regs[at..at + 4].iter_mut().zip(value.to_le_bytes()) {
        *register = byte as _;
    }
}

/// All registers of the list that KVM really has on this machine, with our own defaults in place.
fn read_msrs(vcpu: &VcpuFd, indices: &[u32]) -> Vec<kvm_msr_entry> {
    let wanted = indices.iter().filter(|index| !KEPT.contains(index));
    let mut left: Vec<_> = wanted.map(|index| kvm_msr_entry { index: *index, ..Default::default() }).collect();
    let mut found = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let Ok(mut request) = Msrs::from_entries(&left) else {
            break;
        };
        // KVM stops at the first register that it has not.
        let count = vcpu.get_msrs(&mut request).unwrap_or(0);
        found.extend_from_slice(&request.as_slice()[..count]);
        left.drain(..(count + 1).min(left.len()));
    }
    for msr in &mut found {
        match msr.index {
            MSR_MISC_ENABLE => msr.data |= MISC_ENABLE,
            MSR_MTRR_DEFAULT => msr.data = MTRR_DEFAULT,
            _ => {}
        }
    }
    found
}

/// Sets what KVM lets us set: some registers are read-only on some machines.
fn write_msrs<'a>(vcpu: &VcpuFd, msrs: impl Iterator<Item = &'a kvm_msr_entry>) {
    let mut left: Vec<_> = msrs.copied().collect();
    while !left.is_empty() {
        let Ok(request) = Msrs::from_entries(&left) else { return };
        let count = vcpu.set_msrs(&request).unwrap_or(0);
        left.drain(..(count + 1).min(left.len()));
    }
}
