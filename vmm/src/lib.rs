//! A machine from parts: one guest of KVM in one process.
//!
//! It owns how the parts of [`vmm_sys`], [`vmm_devices`] and [`vmm_disk`] make a machine and how that machine lives; it has no
//! unsafe code, opens no file (every descriptor comes with the [`vmm_control::spec::GuestSpec`]) and speaks to hostd alone.
//!
//! Invariants:
//! - One process, one guest. When the guest is gone the process ends with a [`vmm_control::message::ExitStatus`].
//! - Threads: the main one (devices, control), one per vCPU, one per device that waits for files.
//! - Whatever comes from the guest, from an image or over the control socket is hostile.
//!
//! ```text
//! spec --Plan--> Built{memory, vm, devices, vcpus} --jail--> Running --+--> reset --> Running
//!                                                                      '--> off, quit, crash --> exit status
//! ```

pub mod boot;
pub mod control;
pub mod interrupt;
pub mod log;
pub mod machine;
pub mod memory;
pub mod vcpu;
