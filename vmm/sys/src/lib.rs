//! The kernel's side of a machine behind safe types: KVM, mapped memory, inherited descriptors and the few ioctls around them.
//!
//! It owns all `unsafe` of a guest's process but the jail's, and the small traits ([`interrupt`], [`doorbell`]) by which
//! devices reach the kernel without knowing KVM. It must not know a device, a bus or a boot protocol.
//!
//! Invariants:
//! - Capabilities are asked, never assumed ([`kvm::Capabilities`]); what is missing is an error that names it or has a fallback.
//! - Guest memory is mapped once, shared by reference, and outlives every slot that KVM was told of.
//! - A function is safe if and only if no argument, however wrong, can break memory safety.
//!
//! ```text
//! Kvm::adopt(fd) -> Kvm::create_vm -> Vm --add_memory--> slots
//!                                      |--create_vcpu--> Vcpu --kicker--> Kicker (any thread)
//!                                      |--line---------> Line: an IOAPIC pin          : Interrupt
//!                                      |--msi_router---> KvmMsiRouter -> vectors      : MsiVector
//!                                      '--doorbells----> KvmDoorbells                 : Doorbells
//! ```

pub mod chips;
pub mod descriptor;
pub mod doorbell;
pub mod interrupt;
pub mod kick;
pub mod kvm;
pub mod memory;
pub mod msi;
pub mod near;
pub mod poll;
pub mod tap;
pub mod vcpu;
pub mod vectored;
pub mod vm;
