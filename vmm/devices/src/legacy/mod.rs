//! The few ISA-era and ACPI devices that firmware and Linux ask for, and where they are ([`ports`]).

pub mod i8042;
pub mod pm;
pub mod ports;
pub mod rtc;
pub mod serial;
