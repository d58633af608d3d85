//! Hardware-reduced ACPI: the sleep registers and the power-management timer (ACPI 6.5, sections 4.8.3.3 and 4.8.3.7).
//!
//! EDK2 writes to the sleep control register by its number, Linux finds it in the FADT. The power button is no register: it
//! is an interrupt of the generic event device ([`super::ports::EVENT_IRQ`]).

use super::ports::{ACPI, PM_TIMER, S5_SLEEP_TYPE, SLEEP_CONTROL, SLEEP_STATUS};
use crate::bus::PioDevice;
use crate::power::{PowerRequest, PowerSink};
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

const TIMER_HZ: u128 = 3_579_545;
const SLEEP_ENABLE: u8 = 1 << 5;

const CONTROL: u16 = SLEEP_CONTROL - ACPI;
const STATUS: u16 = SLEEP_STATUS - ACPI;
const TIMER: Range<u16> = PM_TIMER - ACPI..PM_TIMER - ACPI + 4;

/// The ACPI register block.
pub struct AcpiPm {
    power: Arc<dyn PowerSink>,
    started: Instant,
}

impl AcpiPm {
    /// Registers that power off through `power`.
    pub fn new(power: Arc<dyn PowerSink>) -> Self {
        Self { power, started: Instant::now() }
    }

    fn timer(&self) -> u32 {
        (self.started.elapsed().as_nanos() * TIMER_HZ / 1_000_000_000) as u32
    }
}

impl PioDevice for AcpiPm {
    fn read(&mut self, offset: u16, data: &mut [u8]) {
        let timer = self.timer().to_le_bytes();
        for (byte, at) in data.iter_mut().zip(offset..) {
            *byte = match at {
                CONTROL | STATUS => 0,
                at if TIMER.contains(&at) => timer[usize::from(at - TIMER.start)],
                _ => 0xff,
            };
        }
    }

    fn write(&mut self, offset: u16, data: &[u8]) {
        if let (CONTROL, [value]) = (offset, data)
            && value & SLEEP_ENABLE != 0
            && value >> 2 & 7 == S5_SLEEP_TYPE
        {
            self.power.request(PowerRequest::Off);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::lock;
    use std::sync::Mutex;

    #[derive(Default)]
    struct Board(Mutex<Vec<PowerRequest>>);

    impl PowerSink for Board {
        fn request(&self, request: PowerRequest) {
            lock(&self.0).push(request);
        }
    }

    fn device() -> (AcpiPm, Arc<Board>) {
        let board = Arc::new(Board::default());
        (AcpiPm::new(board.clone()), board)
    }

    #[test]
    fn only_s5_with_the_enable_bit_powers_off() {
        let (mut pm, board) = device();
        pm.write(CONTROL, &[5 << 2]);
        pm.write(CONTROL, &[1 << 2 | SLEEP_ENABLE]);
        pm.write(STATUS, &[5 << 2 | SLEEP_ENABLE]);
        assert!(lock(&board.0).is_empty());
        pm.write(CONTROL, &[5 << 2 | SLEEP_ENABLE]);
        assert_eq!(*lock(&board.0), [PowerRequest::Off]);
    }

    #[test]
    fn the_timer_counts_and_wild_accesses_are_harmless() {
        let (mut pm, _) = device();
        let mut data = [0; 4];
        pm.read(TIMER.start, &mut data);
        let first = u32::from_le_bytes(data);
        std::thread::sleep(std::time::Duration::from_millis(2));
        pm.read(TIMER.start, &mut data);
        assert!(u32::from_le_bytes(data).wrapping_sub(first) >= 7000);
        pm.read(TIMER.start + 3, &mut data);
        assert_eq!(data[1..], [0xff; 3]);
        pm.write(TIMER.start, &[0xff; 4]);
    }
}
