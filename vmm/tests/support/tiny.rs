//! Guests of a few instructions, assembled here: 32-bit code behind a PVH note.

/// Where the code is loaded.
const BASE: u32 = 0x20_0000;
const HEADER: usize = 64;
const PROGRAM_HEADER: usize = 56;
const NOTE_AT: usize = HEADER + 2 * PROGRAM_HEADER;
const CODE_AT: usize = 0x100;

/// Instructions one after the other.
#[derive(Clone, Default)]
pub struct Code(Vec<u8>);

impl Code {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// `out` of a byte to a port.
    pub fn out(mut self, port: u16, value: u8) -> Self {
        let [low, high] = port.to_le_bytes();
        // mov dx, port; mov al, value; out dx, al
        self.0.extend([0x66, 0xba, low, high, 0xb0, value, 0xee]);
        self
    }

    /// Writes text to the serial port.
    pub fn print(self, text: &str) -> Self {
        text.bytes().fold(self, |code, byte| code.out(0x3f8, byte))
    }

    /// Waits for a byte on the serial port and writes it back, increased by one.
    pub fn answer(mut self) -> Self {
        // mov dx, 0x3fd; again: in al, dx; test al, 1; jz again; mov dx, 0x3f8; in al, dx; inc al; out dx, al
        self.0.extend([
            0x66, 0xba, 0xfd, 0x03, 0xec, 0xa8, 1, 0x74, 0xfb, 0x66, 0xba, 0xf8, 0x03, 0xec, 0xfe, 0xc0, 0xee,
        ]);
        self
    }

    /// ACPI's way to power off.
    pub fn power_off(self) -> Self {
        self.out(0x600, 5 << 2 | 1 << 5).stay()
    }

    /// The chipset's way to reset.
    pub fn reset(self) -> Self {
        self.out(0xcf9, 6).stay()
    }

    /// An exception without any handler, three times over.
    pub fn triple_fault(mut self) -> Self {
        // lidt of an empty table; ud2
        self.0.extend([0x0f, 0x01, 0x1d]);
        self.0.extend((BASE + 0x4000).to_le_bytes());
        self.0.extend([0x0f, 0x0b]);
        self
    }

    /// Counts in CMOS, which outlives a reset: goes on when the count is `count`, else to the rest at `otherwise`.
    pub fn unless_second_start(mut self, otherwise: Self) -> Self {
        let rest = otherwise.0;
        // mov al, 0x50; out 0x70, al; in al, 0x71; cmp al, 0x5a; je over; mov al, 0x5a; out 0x71, al; rest; over:
        let mut first = vec![0xb0, 0x5a, 0xe6, 0x71];
        first.extend(&rest);
        self.0.extend([0xb0, 0x50, 0xe6, 0x70, 0xe4, 0x71, 0x3c, 0x5a, 0x0f, 0x84]);
        self.0.extend((first.len() as u32).to_le_bytes());
        self.0.extend(first);
        self
    }

    /// Stays where it is, busy, for ever.
    pub fn stay(mut self) -> Self {
        // pause; jmp to it
        self.0.extend([0xf3, 0x90, 0xeb, 0xfc]);
        self
    }

    /// The ELF image of this code.
    pub fn image(&self) -> Vec<u8> {
        let mut image = b"\x7fELF\x02\x01\x01".to_vec();
        image.resize(16, 0);
        image.extend([2_u16, 62].iter().flat_map(|half| half.to_le_bytes()));
        image.extend(1_u32.to_le_bytes());
        for word in [u64::from(BASE) + CODE_AT as u64, HEADER as u64, 0] {
            image.extend(word.to_le_bytes());
        }
        image.extend(0_u32.to_le_bytes());
        let counts = [HEADER as u16, PROGRAM_HEADER as u16, 2, 0, 0, 0];
        image.extend(counts.iter().flat_map(|half| half.to_le_bytes()));
        let length = CODE_AT + self.0.len();
        program_header(&mut image, 1, 0, length);
        program_header(&mut image, 4, NOTE_AT, 20);
        for word in [4_u32, 4, 18] {
            image.extend(word.to_le_bytes());
        }
        image.extend(b"Xen\0");
        image.extend((BASE + CODE_AT as u32).to_le_bytes());
        image.resize(CODE_AT, 0);
        image.extend(&self.0);
        image
    }
}

fn program_header(image: &mut Vec<u8>, kind: u32, at: usize, length: usize) {
    image.extend([kind, 7].iter().flat_map(|word| word.to_le_bytes()));
    let address = u64::from(BASE) + at as u64;
    for word in [at as u64, address, address, length as u64, length as u64, 4] {
        image.extend(word.to_le_bytes());
    }
}
