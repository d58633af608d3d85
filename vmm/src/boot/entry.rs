//! The state in which a boot protocol wants vCPU 0.

use crate::memory::layout::{GDT, PAGE_TABLES};
use kvm_bindings::{kvm_dtable, kvm_regs, kvm_segment, kvm_sregs};

const CR0_PE: u64 = 1;
const CR0_ET: u64 = 1 << 4;
const CR0_PG: u64 = 1 << 31;
const CR4_PAE: u64 = 1 << 5;
const EFER_LME: u64 = 1 << 8;
const EFER_LMA: u64 = 1 << 10;
/// The bit of the flags register that is always set.
const FLAGS: u64 = 2;

/// Selectors of the 64-bit Linux boot protocol.
const LINUX_CS: u16 = 0x10;
const LINUX_DS: u16 = 0x18;
const LINUX_TR: u16 = 0x20;

/// Null, null, 64-bit code, data, task state segment: what the selectors above name.
pub(super) const GDT_ENTRIES: [u64; 5] = [0, 0, 0x00af_9b00_0000_ffff, 0x00cf_9300_0000_ffff, 0x008f_8b00_0000_ffff];

/// Start of vCPU 0.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    registers: kvm_regs,
    mode: Mode,
}

#[derive(Clone, Copy, Debug)]
enum Mode {
    /// 32-bit protected mode, no paging, flat segments.
    Protected,
    /// Long mode on the boot-time page tables.
    Long,
}

pub(super) fn pvh(entry: u32, start_info: u32) -> Entry {
    let registers = kvm_regs { rip: entry.into(), rbx: start_info.into(), rflags: FLAGS, ..Default::default() };
    Entry { registers, mode: Mode::Protected }
}

pub(super) fn linux(entry: u64, zero_page: u64) -> Entry {
    let registers = kvm_regs { rip: entry, rsi: zero_page, rflags: FLAGS, ..Default::default() };
    Entry { registers, mode: Mode::Long }
}

impl Entry {
    /// General registers.
    #[must_use]
    pub fn registers(&self) -> kvm_regs {
        self.registers
    }

    /// Segments and control registers, from those the vCPU has after its creation.
    #[must_use]
    pub fn special_registers(&self, mut from: kvm_sregs) -> kvm_sregs {
        let (code, data, task) = match self.mode {
            Mode::Protected => (segment(0x8, 0xb, false), segment(0x10, 0x3, false), task(0x18)),
            Mode::Long => (segment(LINUX_CS, 0xb, true), segment(LINUX_DS, 0x3, false), task(LINUX_TR)),
        };
        from.cs = code;
        (from.ds, from.es, from.fs, from.gs, from.ss) = (data, data, data, data, data);
        from.tr = task;
        from.cr0 = CR0_PE | CR0_ET;
        from.cr4 = 0;
        from.efer = 0;
        from.idt = kvm_dtable::default();
        if matches!(self.mode, Mode::Long) {
            from.gdt = kvm_dtable { base: GDT, limit: (size_of_val(&GDT_ENTRIES) - 1) as u16, ..Default::default() };
            from.cr0 |= CR0_PG;
            from.cr3 = PAGE_TABLES;
            from.cr4 = CR4_PAE;
            from.efer = EFER_LME | EFER_LMA;
        }
        from
    }
}

/// A flat code or data segment over 4 GiB.
fn segment(selector: u16, type_: u8, long: bool) -> kvm_segment {
    kvm_segment {
        base: 0,
        limit: 0xffff_ffff,
        selector,
        type_,
        present: 1,
        s: 1,
        g: 1,
        l: u8::from(long),
        db: u8::from(!long),
        ..Default::default()
    }
}

/// A busy task state segment, which the processor wants in its task register.
fn task(selector: u16) -> kvm_segment {
    kvm_segment { base: 0, limit: 0x67, selector, type_: 0xb, present: 1, ..Default::default() }
}
