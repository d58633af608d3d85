//! The state of the in-kernel interrupt controllers and timer.

use crate::vm::{Vm, VmError, refused};
use kvm_bindings::{KVM_IRQCHIP_IOAPIC, KVM_IRQCHIP_PIC_MASTER, KVM_IRQCHIP_PIC_SLAVE, kvm_irqchip, kvm_pit_state2};

const CHIPS: [u32; 3] = [KVM_IRQCHIP_PIC_MASTER, KVM_IRQCHIP_PIC_SLAVE, KVM_IRQCHIP_IOAPIC];

/// State of both 8259s, the IOAPIC and the 8254.
pub struct Chips {
    chips: Vec<kvm_irqchip>,
    timer: Option<kvm_pit_state2>,
}

impl Vm {
    /// What the chips hold now. Called while no vCPU runs.
    ///
    /// # Errors
    /// When KVM refuses.
    pub fn chips(&self) -> Result<Chips, VmError> {
        let chip = |chip_id| {
            let mut chip = kvm_irqchip { chip_id, ..Default::default() };
            self.fd().get_irqchip(&mut chip).map_err(refused("to tell its interrupt controllers"))?;
            Ok(chip)
        };
        let chips = CHIPS.into_iter().map(chip).collect::<Result<_, _>>()?;
        let timer =
            if self.has_timer() { Some(self.fd().get_pit2().map_err(refused("to tell its timer"))?) } else { None };
        Ok(Chips { chips, timer })
    }

    /// Sets the chips to what [`Vm::chips`] told. Called while no vCPU runs.
    ///
    /// # Errors
    /// When KVM refuses.
    pub fn set_chips(&self, chips: &Chips) -> Result<(), VmError> {
        for chip in &chips.chips {
            self.fd().set_irqchip(chip).map_err(refused("to set its interrupt controllers"))?;
        }
        match &chips.timer {
            Some(timer) => self.fd().set_pit2(timer).map_err(refused("to set its timer")),
            None => Ok(()),
        }
    }
}
