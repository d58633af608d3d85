//! What this machine's /dev/kvm can do.

use std::path::Path;

/// What guests can run here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kvm {
    /// Hardware virtualization: any guest.
    Hardware,
    /// A KVM without hardware behind it: only guests made for it, such as `tests/guest`.
    Restricted,
    /// None at all.
    Absent,
}

/// Looks at the processor and the device.
#[must_use]
pub fn probe() -> Kvm {
    if !Path::new("/dev/kvm").exists() {
        return Kvm::Absent;
    }
    let processor = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let flags = processor.lines().find(|line| line.starts_with("flags")).unwrap_or_default();
    let hardware = flags.split_whitespace().any(|flag| flag == "vmx" || flag == "svm");
    if hardware { Kvm::Hardware } else { Kvm::Restricted }
}
