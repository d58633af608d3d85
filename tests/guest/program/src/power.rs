//! The power button, power off, reset, and the end by a crash.

use crate::machine::Machine;
use crate::machine::acpi::Acpi;
use crate::memory::Registers;
use crate::ring0::{self, port};
use crate::{clock, say};

const BUTTON: u16 = 1 << 8;
const SCI_ENABLED: u16 = 1;
const SLEEP_ENABLE: u16 = 1 << 13;
const IOAPIC: u64 = 0xfec0_0000;

/// The machine's power.
pub struct Power {
    acpi: Option<Acpi>,
}

impl Power {
    /// Listens to the power button where there is one.
    pub fn new(machine: &Machine) -> Self {
        let power = Self { acpi: machine.acpi.clone() };
        if let Some(acpi) = &power.acpi {
            listen(acpi);
        }
        power
    }

    /// Powers off if the button was pressed.
    pub fn poll(&mut self) {
        if ring0::take(ring0::ACPI_VECTOR) && self.was_pressed() {
            say!("power button");
            self.off();
        }
    }

    /// The event device has no register: its interrupt is the message.
    fn was_pressed(&self) -> bool {
        let Some(acpi) = self.acpi.as_ref() else { return false };
        if !has_fixed_button(acpi) {
            return true;
        }
        let pressed = port::read16(acpi.pm1_event) & BUTTON != 0;
        if pressed {
            port::write16(acpi.pm1_event, BUTTON);
        }
        pressed
    }

    /// Powers the machine off.
    pub fn off(&mut self) -> ! {
        say!("power off");
        if let Some(acpi) = &self.acpi {
            match acpi.sleep_control {
                Some(control) => control.write((acpi.s5 as u8) << 2 | 0x20),
                None if acpi.pm1_control != 0 => port::write16(acpi.pm1_control, acpi.s5 << 10 | SLEEP_ENABLE),
                None => {}
            }
        }
        give_up("power off has no effect")
    }

    /// Resets the machine.
    pub fn reset(&mut self) -> ! {
        say!("reset");
        if let Some((register, value)) = self.acpi.as_ref().and_then(|acpi| acpi.reset) {
            register.write(value);
        }
        port::write8(0xcf9, 6);
        port::write8(0x64, 0xfe);
        give_up("reset has no effect")
    }
}

/// Says so when the machine still runs after a second.
fn give_up(complaint: &str) -> ! {
    let deadline = clock::now() + 1_000_000;
    while clock::now() < deadline {
        ring0::wait(clock::ticks_until(Some(deadline)));
    }
    say!("{complaint}");
    ring0::halt()
}

fn has_fixed_button(acpi: &Acpi) -> bool {
    !acpi.reduced && acpi.pm1_event != 0
}

fn listen(acpi: &Acpi) {
    if !has_fixed_button(acpi) {
        acpi.event.into_iter().for_each(|interrupt| route(interrupt, ring0::ACPI_VECTOR));
        return;
    }
    if let Some((command, value)) = acpi.handover
        && port::read16(acpi.pm1_control) & SCI_ENABLED == 0
    {
        port::write8(command, value);
    }
    route(acpi.sci, ring0::ACPI_VECTOR);
    port::write16(acpi.pm1_event, BUTTON);
    port::write16(acpi.pm1_enable, BUTTON);
}

/// Routes an interrupt of the IOAPIC to a vector, by edge: the entry code ends the interrupt before the source is asked.
pub fn route(interrupt: u16, vector: u8) {
    // SAFETY: the IOAPIC's page, as every PC has it.
    let ioapic = unsafe { Registers::new(IOAPIC, 32) };
    let register = 0x10 + 2 * u32::from(interrupt);
    for (register, value) in [(register + 1, 0), (register, u32::from(vector))] {
        ioapic.write(0, register);
        ioapic.write(16, value);
    }
}

/// Ends the machine by a triple fault.
pub fn crash() -> ! {
    ring0::remove_interrupts();
    // SAFETY: the undefined instruction finds no handler, and the machine is over.
    unsafe { core::arch::asm!("ud2", options(noreturn)) }
}
