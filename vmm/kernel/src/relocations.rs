//! The table of places that hold addresses of the kernel itself.
//!
//! The build appends three ascending lists of 32-bit words to the image, each after a zero: places of 64-bit addresses, of
//! negated 32-bit ones (until Linux 6.15, for per-processor data), and of 32-bit ones. A word is a place's virtual address, of
//! which the upper half is all ones.

use std::ops::Range;

const WORD: usize = 4;
/// Where the kernel's own mapping starts (`__START_KERNEL_map`), its lower half: places count from here.
const START: u32 = 0x8000_0000;

/// A place that holds an address, by its own physical link address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// 64 bits.
    Long(u64),
    /// The lower 32 bits, which the processor extends by their sign.
    Word(u64),
    /// The lower 32 bits of its negative.
    Negated(u64),
}

impl Place {
    /// Where it is.
    #[must_use]
    pub fn address(&self) -> u64 {
        match self {
            Self::Long(address) | Self::Word(address) | Self::Negated(address) => *address,
        }
    }

    fn length(&self) -> u64 {
        if matches!(self, Self::Long(_)) { 8 } else { 4 }
    }
}

/// Makes a place of its address.
type Kind = fn(u64) -> Place;

/// All places, each within the kernel as a whole.
#[derive(Clone, Debug)]
pub struct Relocations {
    lists: Vec<(Kind, Vec<u32>)>,
}

impl Relocations {
    /// Reads a table whose places all lie in `kernel`, link addresses; `None` when it is not such a table.
    pub(crate) fn parse(table: &[u8], kernel: &Range<u64>) -> Option<Self> {
        if table.is_empty() || !table.len().is_multiple_of(WORD) {
            return None;
        }
        let words: Vec<u32> =
            table.chunks_exact(WORD).map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]])).collect();
        let mut parts = words.split(|word| *word == 0);
        // The first zero stands before the first list.
        parts.next().filter(|before| before.is_empty())?;
        let parts: Vec<_> = parts.map(<[u32]>::to_vec).collect();
        let kinds: &[Kind] = match parts.len() {
            3 => &[Place::Long, Place::Negated, Place::Word],
            2 => &[Place::Long, Place::Word],
            _ => return None,
        };
        let relocations = Self { lists: kinds.iter().copied().zip(parts).collect() };
        let low = relocations.lists.iter().flat_map(|(_, words)| words).any(|word| *word < START);
        let inside = |place: Place| kernel.contains(&place.address()) && place.address() + place.length() <= kernel.end;
        (!low && relocations.places().all(inside)).then_some(relocations)
    }

    /// Every place.
    pub fn places(&self) -> impl Iterator<Item = Place> {
        self.lists.iter().flat_map(|(kind, words)| words.iter().map(move |word| kind(u64::from(word - START))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KERNEL: Range<u64> = 0x100_0000..0x100_3000;

    fn places(words: &[u32]) -> Option<Vec<Place>> {
        let table: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        Relocations::parse(&table, &KERNEL).map(|relocations| relocations.places().collect())
    }

    #[test]
    fn a_table_has_two_or_three_lists() {
        let three = places(&[0, 0x8100_0000, 0x8100_2ff8, 0, 0x8100_0008, 0, 0x8100_2ffc]).unwrap();
        let expected = [0x100_0000, 0x100_2ff8].map(Place::Long).into_iter();
        assert_eq!(three, expected.chain([Place::Negated(0x100_0008), Place::Word(0x100_2ffc)]).collect::<Vec<_>>());
        assert_eq!(places(&[0, 0, 0x8100_0004]).unwrap(), [Place::Word(0x100_0004)]);
    }

    #[test]
    fn a_table_that_leaves_the_kernel_is_none() {
        let bad: [&[u32]; 8] = [
            &[],
            &[0],
            &[1, 0, 0],
            &[0, 0x8100_3000, 0],
            &[0, 0x80ff_ffff, 0],
            &[0, 0x0100_0000, 0],
            &[0, 0x8100_2ffc, 0],
            &[0, 0, 0, 0],
        ];
        for words in bad {
            assert!(places(words).is_none(), "{words:x?}");
        }
        assert!(Relocations::parse(&[0; 7], &KERNEL).is_none());
    }
}
