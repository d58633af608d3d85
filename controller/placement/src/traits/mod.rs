//! Traits: what is true of a host. Only those are known that placement can vouch for: how it stands, and what its processors can do, as it
//! told when it connected. What guests do not get of a processor (its virtualization, its enclaves) is none.

pub(crate) mod api;
pub(crate) mod policy;

use crate::provider::Provider;
use std::sync::Arc;

/// A host that runs servers.
const NODE: &str = "COMPUTE_NODE";
/// An operator wants nothing new on it.
const DISABLED: &str = "COMPUTE_STATUS_DISABLED";
/// A NUMA node of a host.
pub(crate) const NUMA_ROOT: &str = "HW_NUMA_ROOT";

/// What Linux calls a feature of a processor, and its trait, in the order of the traits' names.
const FEATURES: &[(&str, &str)] = &[
    ("3dnow", "HW_CPU_X86_3DNOW"),
    ("abm", "HW_CPU_X86_ABM"),
    ("aes", "HW_CPU_X86_AESNI"),
    ("avx", "HW_CPU_X86_AVX"),
    ("avx2", "HW_CPU_X86_AVX2"),
    ("avx512_bitalg", "HW_CPU_X86_AVX512BITALG"),
    ("avx512bw", "HW_CPU_X86_AVX512BW"),
    ("avx512cd", "HW_CPU_X86_AVX512CD"),
    ("avx512dq", "HW_CPU_X86_AVX512DQ"),
    ("avx512er", "HW_CPU_X86_AVX512ER"),
    ("avx512f", "HW_CPU_X86_AVX512F"),
    ("gfni", "HW_CPU_X86_AVX512GFNI"),
    ("avx512ifma", "HW_CPU_X86_AVX512IFMA"),
    ("avx512pf", "HW_CPU_X86_AVX512PF"),
    ("vaes", "HW_CPU_X86_AVX512VAES"),
    ("avx512vbmi", "HW_CPU_X86_AVX512VBMI"),
    ("avx512_vbmi2", "HW_CPU_X86_AVX512VBMI2"),
    ("avx512vl", "HW_CPU_X86_AVX512VL"),
    ("avx512_vnni", "HW_CPU_X86_AVX512VNNI"),
    ("vpclmulqdq", "HW_CPU_X86_AVX512VPCLMULQDQ"),
    ("avx512_vpopcntdq", "HW_CPU_X86_AVX512VPOPCNTDQ"),
    ("bmi1", "HW_CPU_X86_BMI"),
    ("bmi2", "HW_CPU_X86_BMI2"),
    ("pclmulqdq", "HW_CPU_X86_CLMUL"),
    ("f16c", "HW_CPU_X86_F16C"),
    ("fma", "HW_CPU_X86_FMA3"),
    ("fma4", "HW_CPU_X86_FMA4"),
    ("mmx", "HW_CPU_X86_MMX"),
    ("pdpe1gb", "HW_CPU_X86_PDPE1GB"),
    ("sha_ni", "HW_CPU_X86_SHA"),
    ("sse", "HW_CPU_X86_SSE"),
    ("sse2", "HW_CPU_X86_SSE2"),
    ("pni", "HW_CPU_X86_SSE3"),
    ("sse4_1", "HW_CPU_X86_SSE41"),
    ("sse4_2", "HW_CPU_X86_SSE42"),
    ("sse4a", "HW_CPU_X86_SSE4A"),
    ("ssse3", "HW_CPU_X86_SSSE3"),
    ("tbm", "HW_CPU_X86_TBM"),
    ("rtm", "HW_CPU_X86_TSX"),
    ("xop", "HW_CPU_X86_XOP"),
];

/// What a host's processors can do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cpu(Arc<[&'static str]>);

impl Cpu {
    /// Of what Linux says that they can do.
    pub(crate) fn of_features(features: &[String]) -> Self {
        let has = |feature: &str| features.iter().any(|own| own == feature);
        Self(FEATURES.iter().filter(|(feature, _)| has(feature)).map(|(_, name)| *name).collect())
    }

    /// As it is stored.
    pub(crate) fn text(&self) -> String {
        self.0.join(",")
    }

    /// As it was stored, perhaps by another release.
    pub(crate) fn of_text(text: &str) -> Self {
        Self(text.split(',').filter_map(known).collect())
    }
}

/// All that a host and its NUMA nodes can have, by name.
pub(crate) fn all() -> impl Iterator<Item = &'static str> {
    [NODE, DISABLED].into_iter().chain(FEATURES.iter().map(|(_, name)| *name)).chain([NUMA_ROOT])
}

pub(crate) fn of(provider: &Provider) -> Vec<&'static str> {
    let own = [Some(NODE), provider.closed.then_some(DISABLED)];
    own.into_iter().flatten().chain(provider.cpu.0.iter().copied()).collect()
}

/// Whether a host has it.
pub(crate) fn has(provider: &Provider, name: &str) -> bool {
    match name {
        NODE => true,
        DISABLED => provider.closed,
        _ => provider.cpu.0.contains(&name),
    }
}

/// The trait's name, if there is such a trait.
pub(crate) fn known(name: &str) -> Option<&'static str> {
    all().find(|known| *known == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_processor_has_the_traits_of_its_features() {
        let features = ["fpu", "avx2", "aes", "vmx"].map(str::to_owned);
        let cpu = Cpu::of_features(&features);
        assert_eq!(cpu.text(), "HW_CPU_X86_AESNI,HW_CPU_X86_AVX2", "what guests do not get is none");
        assert_eq!(Cpu::of_text(&cpu.text()), cpu);
        assert_eq!(Cpu::of_text("HW_CPU_X86_AVX2,OF_ANOTHER_RELEASE").text(), "HW_CPU_X86_AVX2");
        assert_eq!(Cpu::of_text(""), Cpu::default());
    }
}
