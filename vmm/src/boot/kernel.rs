//! Prepared kernels ([`vmm_kernel`]): placed at random as the kernel's own unpacker does (`choose_random_location` and
//! `handle_relocations` of arch/x86/boot/compressed), and told so by `KASLR_FLAG`, so that the kernel randomises the rest.

use super::BootError;
use super::image::Image;
use crate::memory::layout::IDENTITY_MAP;
use linux_loader::loader::bootparam::setup_header;
use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::ops::Range;
use vm_memory::{Bytes, GuestAddress, GuestMemoryBackend, VolatileMemory};
use vmm_kernel::{Place as Relocation, Prepared};
use vmm_sys::memory::GuestMemory;

/// Kernels lie at multiples of a large page, in guest memory and in their own addresses.
const ALIGNMENT: u64 = 2 << 20;
/// The addresses from which a kernel may take its own (`KERNEL_IMAGE_SIZE` with randomisation).
const OWN_ADDRESSES: u64 = 1 << 30;

const BOOT_FLAG: u16 = 0xaa55;
/// `HdrS`.
const MAGIC: u32 = 0x5372_6448;
const VERSION: u16 = 0x20f;
const LOADED_HIGH: u8 = 1;
const KASLR_FLAG: u8 = 1 << 1;
/// `COMMAND_LINE_SIZE` without its zero.
const COMMAND_LINE: u32 = 2047;
/// What every kernel since version 2.03 of the protocol takes.
const INITRD_MAX: u32 = 0x7fff_ffff;
/// The first address that an initial RAM disk must not reach.
pub(super) const INITRD_END: u64 = INITRD_MAX as u64 + 1;

/// Where a kernel goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    /// Physical.
    base: u64,
    /// How far its own addresses move.
    shift: u64,
}

/// Loads a prepared kernel below `ceiling`. The command line may forbid to place it at random, as it may tell the kernel itself.
pub(super) fn load(
    prepared: Prepared,
    file: &mut File,
    command_line: &str,
    ceiling: u64,
    memory: &GuestMemory,
) -> Result<Image, BootError> {
    let random = !command_line.split_ascii_whitespace().any(|word| word == "nokaslr");
    let number = || if random { getrandom::u64().map_err(|error| io::Error::other(error.to_string())) } else { Ok(0) };
    let ceiling = ceiling.min(IDENTITY_MAP);
    let place = place(&prepared.range, ceiling, [number()?, number()?]).ok_or(BootError::KernelTooLarge)?;
    fill(&prepared, file, place.base, memory)?;
    if place.shift != 0 {
        relocate(&prepared, place, memory)?;
    }
    let moved = |address: u64| address - prepared.range.start + place.base;
    Ok(Image::Linux { header: header(random), entry: moved(prepared.entry), end: moved(prepared.range.end) })
}

/// Picks by two random numbers where a kernel that is linked for `range` lies below `ceiling`.
fn place(range: &Range<u64>, ceiling: u64, [physical, own]: [u64; 2]) -> Option<Place> {
    let slots = |end: u64| Some((end.checked_sub(range.end)?) / ALIGNMENT + 1);
    let base = range.start + physical % slots(ceiling)? * ALIGNMENT;
    Some(Place { base, shift: own % slots(OWN_ADDRESSES)? * ALIGNMENT })
}

fn fill(prepared: &Prepared, file: &mut File, base: u64, memory: &GuestMemory) -> Result<(), BootError> {
    for part in &prepared.parts {
        let length = usize::try_from(part.length).map_err(io::Error::other)?;
        file.seek(SeekFrom::Start(part.offset))?;
        memory.read_exact_volatile_from(GuestAddress(part.address - prepared.range.start + base), file, length)?;
    }
    Ok(())
}

/// Moves the kernel's references to itself by `shift`.
fn relocate(prepared: &Prepared, Place { base, shift }: Place, memory: &GuestMemory) -> Result<(), BootError> {
    let length = usize::try_from(prepared.range.end - prepared.range.start).map_err(io::Error::other)?;
    let kernel = memory.get_slice(GuestAddress(base), length)?;
    for place in prepared.relocations.places() {
        let at = usize::try_from(place.address() - prepared.range.start).map_err(io::Error::other)?;
        // Link addresses have their sign in all upper bits, which a shift below 1 GiB keeps.
        if let Relocation::Long(_) = place {
            let address = kernel.get_ref::<u64>(at).map_err(io::Error::other)?;
            address.store(address.load().wrapping_add(shift));
            continue;
        }
        let address = kernel.get_ref::<u32>(at).map_err(io::Error::other)?;
        let word = address.load();
        let negated = matches!(place, Relocation::Negated(_));
        address.store(if negated { word.wrapping_sub(shift as u32) } else { word.wrapping_add(shift as u32) });
    }
    Ok(())
}

/// What the header of a bzImage tells of itself.
fn header(random: bool) -> setup_header {
    setup_header {
        boot_flag: BOOT_FLAG,
        header: MAGIC,
        version: VERSION,
        loadflags: LOADED_HIGH | if random { KASLR_FLAG } else { 0 },
        kernel_alignment: ALIGNMENT as u32,
        relocatable_kernel: 1,
        initrd_addr_max: INITRD_MAX,
        cmdline_size: COMMAND_LINE,
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::FileExt;

    const KERNEL: Range<u64> = 0x100_0000..0x3c0_0000;

    #[test]
    fn a_kernel_lies_anywhere_that_it_fits() {
        let ceiling = 0x1000_0000;
        for numbers in [[0, 0], [1, 2], [u64::MAX, u64::MAX], [0x1234_5678_9abc_def1, 0xfedc_ba98_7654_3210]] {
            let Place { base, shift } = place(&KERNEL, ceiling, numbers).unwrap();
            assert!(base >= KERNEL.start && base + (KERNEL.end - KERNEL.start) <= ceiling, "{base:#x}");
            assert!(KERNEL.end + shift <= OWN_ADDRESSES, "{shift:#x}");
            assert_eq!((base % ALIGNMENT, shift % ALIGNMENT), (0, 0));
        }
        let all: std::collections::BTreeSet<_> =
            (0..1000).map(|n| place(&KERNEL, ceiling, [n, n]).map(|p| (p.base, p.shift)).unwrap()).collect();
        assert!(all.len() > 400, "{}", all.len());
    }

    #[test]
    fn a_kernel_that_does_not_fit_has_no_place() {
        assert_eq!(place(&KERNEL, KERNEL.end, [9, 0]), Some(Place { base: KERNEL.start, shift: 0 }));
        assert_eq!(place(&KERNEL, KERNEL.end - 1, [9, 0]), None);
        assert_eq!(place(&(0..OWN_ADDRESSES + 1), u64::MAX, [0, 0]), None);
    }

    const LINKED: u64 = 0xffff_ffff_8100_0040;
    const BYTES: u64 = 0x1000;
    const TABLE: u64 = 0x2000;

    /// A prepared kernel of one page that refers to itself in all three ways.
    fn image() -> File {
        let file = tempfile::tempfile().unwrap();
        let put = |at: u64, bytes: &[u8]| file.write_all_at(bytes, at).unwrap();
        put(0, b"\x7fELF\x02\x01\x01");
        put(16, &[2, 0, 62, 0, 1]);
        put(52, &[64, 0, 56, 0, 2, 0, 64, 0]);
        let table: Vec<u8> =
            [0, 0x8100_0000_u32, 0, 0x8100_0008, 0, 0x8100_000e].iter().flat_map(|word| word.to_le_bytes()).collect();
        let longs = [(24, KERNEL.start), (32, 64), (72, BYTES), (88, KERNEL.start), (96, 0x20), (104, 0x3000)];
        for (at, long) in longs.into_iter().chain([(128, TABLE), (152, table.len() as u64)]) {
            put(at, &long.to_le_bytes());
        }
        put(64, &1_u32.to_le_bytes());
        put(120, &vmm_kernel::RELOCATIONS.to_le_bytes());
        put(BYTES, &LINKED.to_le_bytes());
        put(BYTES + 8, &(LINKED as u32).wrapping_neg().to_le_bytes());
        put(BYTES + 14, &(LINKED as u32).to_le_bytes());
        put(TABLE, &table);
        file
    }

    /// Loads it: the flags, where it lies and its three references.
    fn loaded(command_line: &str, ceiling: u64) -> Result<(u8, u64, [u64; 3]), BootError> {
        let memory = crate::memory::map(64).unwrap();
        let mut file = image();
        let prepared = Prepared::read(&file)?.unwrap();
        let Image::Linux { header, entry, end } = load(prepared, &mut file, command_line, ceiling, &memory)? else {
            panic!("another image")
        };
        assert_eq!(end - entry, 0x3000);
        let word = |at| u64::from(memory.read_obj::<u32>(GuestAddress(entry + at)).unwrap());
        let (long, negated) = (memory.read_obj(GuestAddress(entry)).unwrap(), (word(8) as u32).wrapping_neg());
        Ok((header.loadflags & KASLR_FLAG, entry, [long, u64::from(negated), word(14)]))
    }

    #[test]
    fn all_references_move_together() {
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..20 {
            let (flag, base, [long, negated, word]) = loaded("quiet", 64 << 20).unwrap();
            assert_eq!((flag, base % ALIGNMENT), (KASLR_FLAG, 0));
            assert_eq!([negated, word], [long & 0xffff_ffff; 2]);
            assert_eq!((long - LINKED) % ALIGNMENT, 0);
            seen.insert((base, long));
        }
        assert!(seen.len() > 10, "{seen:x?}");
    }

    #[test]
    fn nokaslr_is_obeyed() {
        let word = LINKED & 0xffff_ffff;
        assert_eq!(loaded("quiet nokaslr", 64 << 20).unwrap(), (0, KERNEL.start, [LINKED, word, word]));
        assert!(matches!(loaded("nokaslr", KERNEL.start), Err(BootError::KernelTooLarge)));
    }
}
