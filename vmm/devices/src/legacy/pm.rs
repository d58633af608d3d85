//! ACPI fixed hardware: power button, sleep, power-management timer (ACPI 6.5, section 4.8).
//!
//! Both forms exist side by side: PM1 registers with the system control interrupt, which Linux uses when the FADT names
//! them, and the sleep control register of hardware-reduced ACPI, which EDK2 uses to power off.

use super::ports::{ACPI, PM_TIMER, PM1_CONTROL, PM1_EVENT, S5_SLEEP_TYPE, SLEEP_CONTROL};
use crate::bus::PioDevice;
use crate::device::Device;
use crate::power::{PowerRequest, PowerSink};
use std::sync::Arc;
use std::time::Instant;
use vmm_sys::interrupt::Interrupt;

const TIMER_HZ: u128 = 3_579_545;
const POWER_BUTTON: u16 = 1 << 8;
/// Status bits that exist: timer, bus master, global, power button, sleep button, RTC, wake.
const STATUS_BITS: u16 = 0x8731;
const ENABLE_BITS: u16 = 0x0721;
const SCI_ENABLED: u16 = 1;

const SLEEP_ENABLE: u8 = 1 << 5;
const PM1_SLEEP_ENABLE: u16 = 1 << 13;

const SLEEP: u16 = SLEEP_CONTROL - ACPI;
const STATUS: u16 = PM1_EVENT - ACPI;
const ENABLE: u16 = STATUS + 2;
const CONTROL: u16 = PM1_CONTROL - ACPI;
const TIMER: u16 = PM_TIMER - ACPI;

/// The ACPI register block.
pub struct AcpiPm {
    sci: Arc<dyn Interrupt>,
    power: Arc<dyn PowerSink>,
    started: Instant,
    status: u16,
    enable: u16,
    control: u16,
}

impl AcpiPm {
    /// Registers that interrupt through `sci` and power off through `power`.
    pub fn new(sci: Arc<dyn Interrupt>, power: Arc<dyn PowerSink>) -> Self {
        Self { sci, power, started: Instant::now(), status: 0, enable: 0, control: SCI_ENABLED }
    }

    /// Presses the power button. The guest decides what follows.
    pub fn press_power_button(&mut self) {
        self.status |= POWER_BUTTON;
        self.interrupt();
    }

    fn interrupt(&self) {
        if self.status & self.enable != 0 {
            // A lost interrupt is a press that the guest ignored: the host asks again or powers off by force.
            self.sci.trigger().ok();
        }
    }

    fn timer(&self) -> u32 {
        (self.started.elapsed().as_nanos() * TIMER_HZ / 1_000_000_000) as u32
    }

    fn image(&self) -> [u8; 12] {
        let mut image = [0; 12];
        image[usize::from(STATUS)..][..2].copy_from_slice(&self.status.to_le_bytes());
        image[usize::from(ENABLE)..][..2].copy_from_slice(&self.enable.to_le_bytes());
        image[usize::from(CONTROL)..][..2].copy_from_slice(&self.control.to_le_bytes());
        image[usize::from(TIMER)..][..4].copy_from_slice(&self.timer().to_le_bytes());
        image
    }

    fn write_byte(&mut self, offset: u16, value: u8) {
        let shifted = u16::from(value) << (8 * (offset & 1));
        let mask = 0xff << (8 * (offset & 1));
        match offset & !1 {
            SLEEP if offset == SLEEP && value & SLEEP_ENABLE != 0 => self.sleep(value >> 2 & 7),
            STATUS => self.status &= !(shifted & STATUS_BITS),
            ENABLE => self.enable = self.enable & !mask | shifted & ENABLE_BITS,
            CONTROL => {
                self.control = (self.control & !mask | shifted) & !PM1_SLEEP_ENABLE | SCI_ENABLED;
                if shifted & PM1_SLEEP_ENABLE != 0 {
                    self.sleep((self.control >> 10 & 7) as u8);
                }
            }
            _ => {}
        }
    }

    fn sleep(&self, kind: u8) {
        if kind == S5_SLEEP_TYPE {
            self.power.request(PowerRequest::Off);
        }
    }
}

impl PioDevice for AcpiPm {
    fn read(&mut self, offset: u16, data: &mut [u8]) {
        let image = self.image();
        for (byte, at) in data.iter_mut().zip(usize::from(offset)..) {
            *byte = image.get(at).copied().unwrap_or(0xff);
        }
    }

    fn write(&mut self, offset: u16, data: &[u8]) {
        for (value, at) in data.iter().zip(offset..) {
            self.write_byte(at, *value);
        }
        self.interrupt();
    }
}

impl Device for AcpiPm {
    fn id(&self) -> &str {
        "acpi-pm"
    }

    fn reset(&mut self) {
        (self.status, self.enable, self.control) = (0, 0, SCI_ENABLED);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::lock;
    use std::io;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[derive(Default)]
    struct Board {
        interrupts: AtomicU32,
        requests: Mutex<Vec<PowerRequest>>,
    }

    impl Interrupt for Board {
        fn trigger(&self) -> io::Result<()> {
            self.interrupts.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }
    }

    impl PowerSink for Board {
        fn request(&self, request: PowerRequest) {
            lock(&self.requests).push(request);
        }
    }

    fn device() -> (AcpiPm, Arc<Board>) {
        let board = Arc::new(Board::default());
        (AcpiPm::new(board.clone(), board.clone()), board)
    }

    fn half(device: &mut AcpiPm, offset: u16) -> u16 {
        let mut data = [0; 2];
        device.read(offset, &mut data);
        u16::from_le_bytes(data)
    }

    #[test]
    fn the_power_button_interrupts_once_it_is_enabled() {
        let (mut pm, board) = device();
        pm.press_power_button();
        assert_eq!(board.interrupts.load(Ordering::Relaxed), 0);
        pm.write(ENABLE, &0x0100_u16.to_le_bytes());
        assert_eq!(board.interrupts.load(Ordering::Relaxed), 1);
        assert_eq!(half(&mut pm, STATUS), POWER_BUTTON);
        pm.write(STATUS, &0x0100_u16.to_le_bytes());
        assert_eq!((half(&mut pm, STATUS), half(&mut pm, ENABLE)), (0, 0x0100));
        assert_eq!(board.interrupts.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn both_sleep_registers_power_off_for_s5_only() {
        let (mut pm, board) = device();
        pm.write(SLEEP, &[5 << 2]);
        pm.write(SLEEP, &[1 << 2 | SLEEP_ENABLE]);
        pm.write(CONTROL, &(1 << 13 | 3_u16 << 10).to_le_bytes());
        assert!(lock(&board.requests).is_empty());
        pm.write(SLEEP, &[5 << 2 | SLEEP_ENABLE]);
        pm.write(CONTROL, &(1 << 13 | 5_u16 << 10).to_le_bytes());
        assert_eq!(*lock(&board.requests), [PowerRequest::Off; 2]);
        assert_eq!(half(&mut pm, CONTROL) & 1, 1);
    }

    #[test]
    fn the_timer_counts_and_wild_accesses_are_harmless() {
        let (mut pm, _) = device();
        let mut data = [0; 4];
        pm.read(TIMER, &mut data);
        let first = u32::from_le_bytes(data);
        std::thread::sleep(std::time::Duration::from_millis(2));
        pm.read(TIMER, &mut data);
        assert!(u32::from_le_bytes(data).wrapping_sub(first) >= 7000);
        pm.read(11, &mut data);
        pm.write(11, &[0xff; 4]);
        pm.write(TIMER, &[0xff; 4]);
    }
}
