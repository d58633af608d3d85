//! Message-signalled interrupts: KVM's routing table with an irqfd per vector.

use crate::interrupt::{Interrupt, MsiMessage, MsiRouter, MsiVector};
use kvm_bindings::{
    KVM_IRQ_ROUTING_IRQCHIP, KVM_IRQ_ROUTING_MSI, KVM_IRQCHIP_IOAPIC, KVM_IRQCHIP_PIC_MASTER, KVM_IRQCHIP_PIC_SLAVE,
    KvmIrqRouting, kvm_irq_routing_entry, kvm_irq_routing_irqchip, kvm_irq_routing_msi,
};
use kvm_ioctls::VmFd;
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use vmm_sys_util::eventfd::{EFD_CLOEXEC, EFD_NONBLOCK, EventFd};

/// Pins of the IOAPIC; the numbers after them are for messages.
const PINS: u32 = 24;
/// Pins of each of the two 8259s.
const PIC_PINS: u32 = 8;
/// KVM_MAX_IRQ_ROUTES on x86.
const MAX_ROUTES: u32 = 4096;

/// Hands out vectors. Cloning it clones a reference.
#[derive(Clone)]
pub struct KvmMsiRouter {
    shared: Arc<Shared>,
}

struct Shared {
    vm: Arc<VmFd>,
    table: Mutex<Table>,
}

/// Vectors in use by their interrupt number, with their message while they are not masked.
#[derive(Default)]
struct Table(BTreeMap<u32, Option<MsiMessage>>);

impl Table {
    fn reserve(&mut self) -> Option<u32> {
        let number = (PINS..MAX_ROUTES - 2 * PIC_PINS).find(|number| !self.0.contains_key(number))?;
        self.0.insert(number, None);
        Some(number)
    }

    /// The whole routing table: KVM replaces all of it at once, the pins included.
    fn entries(&self) -> Vec<kvm_irq_routing_entry> {
        let pins = (0..PINS).flat_map(|pin| pic(pin).into_iter().chain([chip(pin, KVM_IRQCHIP_IOAPIC, pin)]));
        let messages = self.0.iter().filter_map(|(number, message)| message.map(|message| route(*number, message)));
        pins.chain(messages).collect()
    }
}

fn pic(pin: u32) -> Option<kvm_irq_routing_entry> {
    match pin {
        0..PIC_PINS => Some(chip(pin, KVM_IRQCHIP_PIC_MASTER, pin)),
        PIC_PINS..16 => Some(chip(pin, KVM_IRQCHIP_PIC_SLAVE, pin - PIC_PINS)),
        _ => None,
    }
}

fn chip(gsi: u32, irqchip: u32, pin: u32) -> kvm_irq_routing_entry {
    let mut entry = kvm_irq_routing_entry { gsi, type_: KVM_IRQ_ROUTING_IRQCHIP, ..Default::default() };
    entry.u.irqchip = kvm_irq_routing_irqchip { irqchip, pin };
    entry
}

fn route(gsi: u32, message: MsiMessage) -> kvm_irq_routing_entry {
    let mut entry = kvm_irq_routing_entry { gsi, type_: KVM_IRQ_ROUTING_MSI, ..Default::default() };
    entry.u.msi = kvm_irq_routing_msi {
        address_lo: message.address as u32,
        address_hi: (message.address >> 32) as u32,
        data: message.data,
        ..Default::default()
    };
    entry
}

impl KvmMsiRouter {
    pub(crate) fn new(vm: Arc<VmFd>) -> Self {
        Self { shared: Arc::new(Shared { vm, table: Mutex::default() }) }
    }
}

impl Shared {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn install(&self, table: &Table) -> io::Result<()> {
        let routing =
            KvmIrqRouting::from_entries(&table.entries()).map_err(|error| io::Error::other(format!("{error:?}")))?;
        Ok(self.vm.set_gsi_routing(&routing)?)
    }
}

impl MsiRouter for KvmMsiRouter {
    fn allocate(&self, count: u16) -> io::Result<Vec<Arc<dyn MsiVector>>> {
        (0..count).map(|_| Vector::new(&self.shared).map(|vector| Arc::new(vector) as Arc<dyn MsiVector>)).collect()
    }
}

/// One vector; its eventfd is connected to KVM only while it has a message.
struct Vector {
    shared: Arc<Shared>,
    number: u32,
    event: EventFd,
}

impl Vector {
    fn new(shared: &Arc<Shared>) -> io::Result<Self> {
        let event = EventFd::new(EFD_CLOEXEC | EFD_NONBLOCK)?;
        let number = shared.table().reserve().ok_or_else(|| io::Error::other("no interrupt vector is left"))?;
        Ok(Self { shared: Arc::clone(shared), number, event })
    }
}

impl Interrupt for Vector {
    fn trigger(&self) -> io::Result<()> {
        self.event.write(1)
    }
}

impl MsiVector for Vector {
    fn program(&self, message: Option<MsiMessage>) -> io::Result<()> {
        let mut table = self.shared.table();
        let before = table.0.insert(self.number, message).flatten();
        match (before, message) {
            (None, None) => Ok(()),
            (Some(old), Some(new)) if old == new => Ok(()),
            (Some(_), None) => Ok(self.shared.vm.unregister_irqfd(&self.event, self.number)?),
            (Some(_), Some(_)) => self.shared.install(&table),
            (None, Some(_)) => {
                self.shared.install(&table)?;
                Ok(self.shared.vm.register_irqfd(&self.event, self.number)?)
            }
        }
    }

    fn event(&self) -> &EventFd {
        &self.event
    }
}

impl Drop for Vector {
    fn drop(&mut self) {
        let mut table = self.shared.table();
        if table.0.remove(&self.number).flatten().is_some() {
            // The number is free again either way: a stale route is replaced with the table's next installation.
            let _stale = self.shared.vm.unregister_irqfd(&self.event, self.number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_keeps_pins_and_only_unmasked_messages() {
        let mut table = Table::default();
        let (masked, open) = (table.reserve().unwrap(), table.reserve().unwrap());
        assert_eq!((masked, open), (24, 25));
        table.0.insert(open, Some(MsiMessage { address: 0x1_fee0_1000, data: 0x41 }));
        let entries = table.entries();
        assert_eq!(entries.len(), 24 + 16 + 1);
        assert_eq!((entries[40].gsi, entries[40].type_), (open, KVM_IRQ_ROUTING_MSI));
    }

    #[test]
    fn numbers_are_reused_and_run_out() {
        let mut table = Table::default();
        while table.reserve().is_some() {}
        assert_eq!(table.0.len() as u32, MAX_ROUTES - 2 * PIC_PINS - PINS);
        table.0.remove(&100);
        assert_eq!(table.reserve(), Some(100));
    }
}
