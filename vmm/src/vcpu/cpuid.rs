//! The processor that the guest sees: what KVM can give on this machine, with the guest's own topology.
//!
//! One socket, a core per vCPU, no threads. Nested virtualisation and the performance counters are hidden: neither can be
//! migrated, and both widen what a guest can attack.

use kvm_bindings::{CpuId, KVM_CPUID_FLAG_SIGNIFCANT_INDEX, kvm_cpuid_entry2};

const LEAF1_ECX_VMX: u32 = 1 << 5;
const LEAF1_ECX_TSC_DEADLINE: u32 = 1 << 24;
const LEAF1_ECX_HYPERVISOR: u32 = 1 << 31;
const LEAF1_EDX_HTT: u32 = 1 << 28;
const EXT1_ECX_CMP_LEGACY: u32 = 1 << 1;
const EXT1_ECX_SVM: u32 = 1 << 2;
const LEVEL_THREAD: u32 = 1 << 8;
const LEVEL_CORE: u32 = 2 << 8;

/// Changes that depend on the machine and not on the vCPU.
#[derive(Clone, Copy, Debug)]
pub struct Model {
    /// Number of vCPUs.
    pub vcpus: u8,
    /// The local APIC has TSC-deadline mode.
    pub tsc_deadline: bool,
}

/// The leaves of vCPU `id`.
#[must_use]
pub fn leaves(supported: &CpuId, model: Model, id: u8) -> Vec<kvm_cpuid_entry2> {
    let keep = |leaf: &&kvm_cpuid_entry2| !matches!(leaf.function, 0xb | 0x1f);
    let mut leaves: Vec<_> = supported.as_slice().iter().filter(keep).copied().collect();
    for leaf in &mut leaves {
        adapt(leaf, model, id);
    }
    for function in [0xb, 0x1f] {
        if supported.as_slice().iter().any(|leaf| leaf.function == function) {
            leaves.extend(topology(function, model, id));
        }
    }
    leaves
}

/// Bits of an APIC id that tell the cores of the socket apart.
fn core_bits(vcpus: u8) -> u32 {
    u32::from(vcpus).next_power_of_two().trailing_zeros()
}

fn adapt(leaf: &mut kvm_cpuid_entry2, model: Model, id: u8) {
    let (id, vcpus) = (u32::from(id), u32::from(model.vcpus));
    match leaf.function {
        1 => {
            leaf.ebx = leaf.ebx & 0xffff | vcpus << 16 | id << 24;
            leaf.ecx = leaf.ecx & !LEAF1_ECX_VMX | LEAF1_ECX_HYPERVISOR;
            set(&mut leaf.ecx, LEAF1_ECX_TSC_DEADLINE, model.tsc_deadline);
            set(&mut leaf.edx, LEAF1_EDX_HTT, vcpus > 1);
        }
        4 => caches(leaf, vcpus),
        0xa => (leaf.eax, leaf.ebx, leaf.ecx, leaf.edx) = (0, 0, 0, 0),
        0x8000_0001 => {
            leaf.ecx &= !EXT1_ECX_SVM;
            set(&mut leaf.ecx, EXT1_ECX_CMP_LEGACY, vcpus > 1);
        }
        0x8000_0008 => leaf.ecx = leaf.ecx & !0xf0ff | (vcpus - 1) & 0xff | core_bits(model.vcpus) << 12,
        0x8000_000a => (leaf.eax, leaf.ebx, leaf.ecx, leaf.edx) = (0, 0, 0, 0),
        0x8000_001d => amd_caches(leaf, vcpus),
        0x8000_001e => (leaf.eax, leaf.ebx, leaf.ecx) = (id, id & 0xff, 0),
        _ => {}
    }
}

fn set(register: &mut u32, bit: u32, on: bool) {
    if on { *register |= bit } else { *register &= !bit }
}

/// Deterministic cache parameters: the first two levels belong to a core, the third to the socket.
fn caches(leaf: &mut kvm_cpuid_entry2, vcpus: u32) {
    let (kind, level) = (leaf.eax & 0x1f, leaf.eax >> 5 & 7);
    if kind != 0 {
        let sharing = if level >= 3 { vcpus.next_power_of_two() - 1 } else { 0 };
        let cores = vcpus.next_power_of_two() - 1;
        leaf.eax = leaf.eax & 0x3fff | sharing.min(0xfff) << 14 | cores.min(0x3f) << 26;
    }
}

fn amd_caches(leaf: &mut kvm_cpuid_entry2, vcpus: u32) {
    let (kind, level) = (leaf.eax & 0x1f, leaf.eax >> 5 & 7);
    if kind != 0 {
        let sharing = if level >= 3 { vcpus - 1 } else { 0 };
        leaf.eax = leaf.eax & 0x3fff | sharing << 14;
    }
}

fn topology(function: u32, model: Model, id: u8) -> [kvm_cpuid_entry2; 3] {
    let level = |index, eax, ebx, kind| kvm_cpuid_entry2 {
        function,
        index,
        flags: KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
        eax,
        ebx,
        ecx: kind | index,
        edx: id.into(),
        ..Default::default()
    };
    [level(0, 0, 1, LEVEL_THREAD), level(1, core_bits(model.vcpus), model.vcpus.into(), LEVEL_CORE), level(2, 0, 0, 0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn supported(entries: &[kvm_cpuid_entry2]) -> CpuId {
        CpuId::from_entries(entries).unwrap()
    }

    fn leaf(function: u32) -> kvm_cpuid_entry2 {
        kvm_cpuid_entry2 { function, eax: 0x121, ecx: u32::MAX, edx: u32::MAX, ..Default::default() }
    }

    #[test]
    fn a_vcpu_has_its_own_id_and_no_nested_virtualisation() {
        let leaves = leaves(&supported(&[leaf(1), leaf(0x8000_0001)]), Model { vcpus: 3, tsc_deadline: false }, 2);
        assert_eq!(leaves[0].ebx, 2 << 24 | 3 << 16);
        assert_eq!(leaves[0].ecx & (LEAF1_ECX_VMX | LEAF1_ECX_TSC_DEADLINE), 0);
        assert_ne!(leaves[0].ecx & LEAF1_ECX_HYPERVISOR, 0);
        assert_eq!(leaves[1].ecx & EXT1_ECX_SVM, 0);
    }

    #[test]
    fn topology_is_rewritten_only_where_the_host_has_it() {
        let model = Model { vcpus: 5, tsc_deadline: true };
        assert_eq!(leaves(&supported(&[leaf(1)]), model, 4).len(), 1);
        let leaves = leaves(&supported(&[leaf(0xb), leaf(0xb)]), model, 4);
        let levels: Vec<_> = leaves.iter().map(|leaf| (leaf.index, leaf.eax, leaf.ebx, leaf.edx)).collect();
        assert_eq!(levels, [(0, 0, 1, 4), (1, 3, 5, 4), (2, 0, 0, 4)]);
    }
}
