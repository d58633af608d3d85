//! The heap, the map beyond the first GiB, device registers, and the memory functions that the compiler calls.

use core::alloc::Layout;
use core::arch::{asm, naked_asm};
use linked_list_allocator::LockedHeap;

const HEAP_SIZE: usize = 6 << 20;
const PRESENT_WRITABLE_USER: u64 = 7;
const LARGE_UNCACHED: u64 = 0x97;

#[repr(align(4096))]
struct Heap(core::cell::UnsafeCell<[u8; HEAP_SIZE]>);
// SAFETY: the bytes are given to the allocator once, before there is a second processor.
unsafe impl Sync for Heap {}

#[unsafe(link_section = ".bss.heap")]
static HEAP: Heap = Heap(core::cell::UnsafeCell::new([0; HEAP_SIZE]));

#[global_allocator]
static ALLOCATOR: LockedHeap = LockedHeap::empty();

unsafe extern "C" {
    static mut pml4: [u64; 512];
    static mut cleared_start: u8;
    static cleared_end: u8;
}

/// Clears what shall start as zeros: a loader that starts the program anew may leave the values of its last life there.
///
/// # Safety
/// Nothing has used a static yet.
pub unsafe fn clear_statics() {
    let (start, end) = (&raw mut cleared_start, &raw const cleared_end as usize);
    // SAFETY: the linker script puts both symbols around the statics that start as zeros.
    unsafe { memset(start, 0, end - start as usize) };
}

/// Gives the heap its memory. Called once, first of all.
pub fn init_heap() {
    // SAFETY: nothing else uses these bytes, and this runs once.
    unsafe { ALLOCATOR.lock().init(HEAP.0.get().cast(), HEAP_SIZE) }
}

/// Zeroed memory that is never freed, for what a device shares with the program.
pub fn leak_zeroed(size: usize, align: usize) -> *mut u8 {
    let layout = Layout::from_size_align(size, align).expect("callers pass powers of two");
    // SAFETY: no caller passes a size of 0.
    let memory = unsafe { alloc::alloc::alloc_zeroed(layout) };
    assert!(!memory.is_null(), "out of memory");
    memory
}

/// Makes device registers at a physical address reachable at the same address.
pub fn map_registers(start: u64, length: u64) {
    let mut page = start & !0x1f_ffff;
    while page < start + length {
        if page >= 1 << 30 {
            map_large_page(page);
        }
        page += 2 << 20;
    }
}

fn map_large_page(page: u64) {
    // SAFETY: the tables are this program's own, reached one to one; an entry goes from absent to present only.
    unsafe {
        let directories = next_table((&raw mut pml4).cast(), page >> 39);
        let directory = next_table(directories, page >> 30);
        let entry = directory.add((page >> 21 & 511) as usize);
        if entry.read_volatile() == 0 {
            entry.write_volatile(page | LARGE_UNCACHED);
        }
    }
}

/// The table below an entry, made if it is missing.
///
/// # Safety
/// `table` is a page table of this program.
unsafe fn next_table(table: *mut u64, index: u64) -> *mut u64 {
    // SAFETY: the index stays within the table's 512 entries.
    unsafe {
        let entry = table.add((index & 511) as usize);
        if entry.read_volatile() == 0 {
            entry.write_volatile(leak_zeroed(4096, 4096) as u64 | PRESENT_WRITABLE_USER);
        }
        (entry.read_volatile() & !0xfff) as *mut u64
    }
}

/// Registers of a device in memory.
#[derive(Clone, Copy)]
pub struct Registers(u64);

impl Registers {
    /// Registers at an address.
    ///
    /// # Safety
    /// `length` bytes from there are a device's and no Rust object's.
    pub unsafe fn new(start: u64, length: u64) -> Self {
        map_registers(start, length);
        Self(start)
    }

    /// Reads a register; `T` is an integer.
    pub fn read<T>(self, offset: u64) -> T {
        // SAFETY: `new` got the range; callers keep to the device's register map.
        unsafe { ((self.0 + offset) as *const T).read_volatile() }
    }

    /// Writes a register; `T` is an integer.
    pub fn write<T>(self, offset: u64, value: T) {
        // SAFETY: as for `read`.
        unsafe { ((self.0 + offset) as *mut T).write_volatile(value) }
    }
}

/// C's memcpy; the compiler calls it.
///
/// # Safety
/// As in C.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, length: usize) -> *mut u8 {
    // SAFETY: the caller answers for both ranges.
    unsafe {
        asm!("rep movsb", inout("rcx") length => _, inout("rdi") to => _, inout("rsi") from => _, options(nostack, preserves_flags))
    }
    to
}

/// C's memmove; the compiler calls it.
///
/// # Safety
/// As in C.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, length: usize) -> *mut u8 {
    if (to as usize).wrapping_sub(from as usize) >= length {
        // SAFETY: a copy upwards does not overwrite what it has yet to read.
        return unsafe { memcpy(to, from, length) };
    }
    // SAFETY: the caller answers for both ranges; the direction flag is put back.
    unsafe {
        asm!("std", "rep movsb", "cld", inout("rcx") length => _,
            inout("rdi") to.wrapping_add(length).wrapping_sub(1) => _,
            inout("rsi") from.wrapping_add(length).wrapping_sub(1) => _, options(nostack));
    }
    to
}

/// C's memset; the compiler calls it.
///
/// # Safety
/// As in C.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memset(to: *mut u8, value: i32, length: usize) -> *mut u8 {
    // SAFETY: the caller answers for the range.
    unsafe {
        asm!("rep stosb", inout("rcx") length => _, inout("rdi") to => _, in("al") value as u8, options(nostack, preserves_flags))
    }
    to
}

/// C's memcmp; the compiler calls it.
///
/// # Safety
/// As in C.
#[unsafe(no_mangle)]
#[unsafe(naked)]
pub unsafe extern "C" fn memcmp(left: *const u8, right: *const u8, length: usize) -> i32 {
    naked_asm!(
        "xor eax, eax",
        "mov rcx, rdx",
        "cmp rcx, rcx",
        "repe cmpsb",
        "je 2f",
        "movzx eax, byte ptr [rdi - 1]",
        "movzx ecx, byte ptr [rsi - 1]",
        "sub eax, ecx",
        "2: ret"
    )
}

/// memcmp for equality alone; the compiler calls it.
///
/// # Safety
/// As in C.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bcmp(left: *const u8, right: *const u8, length: usize) -> i32 {
    // SAFETY: the caller answers for both ranges.
    unsafe { memcmp(left, right, length) }
}

/// Named by tables of the precompiled `core`; panics abort, so it is never called.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

/// As [`rust_eh_personality`].
#[unsafe(no_mangle)]
extern "C" fn _Unwind_Resume() -> ! {
    crate::ring0::halt()
}
