//! The few ISA-era and ACPI devices that firmware and Linux ask for.
