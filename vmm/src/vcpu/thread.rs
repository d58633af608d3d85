//! The thread of a vCPU: run, serve the exit, obey the gate.

use super::gate::{Gate, Order};
use std::sync::Arc;
use vmm_devices::bus::{MmioBus, PioBus};
use vmm_sys::vcpu::{Exit, Vcpu};

/// Where a vCPU's exits go.
#[derive(Clone)]
pub struct Buses {
    /// Ports.
    pub pio: Arc<PioBus>,
    /// Addresses without memory.
    pub mmio: Arc<MmioBus>,
}

/// Why a vCPU cannot run on by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// A triple fault: real machines reset.
    TripleFault,
    /// The guest or KVM cannot go on; the text is for the log.
    Crashed(String),
}

/// Told of a vCPU's trouble, on the vCPU's thread; must not wait for vCPUs.
pub type Report = Arc<dyn Fn(u8, Trouble) + Send + Sync>;

/// Runs vCPU `number` until the gate says stop.
pub fn run(number: u8, mut vcpu: Vcpu, buses: &Buses, gate: &Gate, report: &Report) {
    let kicker = vcpu.kicker();
    kicker.enter();
    loop {
        kicker.acknowledge();
        match gate.order() {
            Order::Run => {
                if let Served::Trouble(trouble) = serve(&mut vcpu, buses) {
                    report(number, trouble);
                    gate.await_order();
                }
            }
            Order::Hold => {
                settle(&mut vcpu, buses);
                gate.stand(number, &vcpu);
            }
            Order::Stop => break,
        }
    }
    kicker.leave();
}

enum Served {
    Exit,
    Kicked,
    Trouble(Trouble),
}

/// Completes what the last exit began, so that the vCPU's state is whole: KVM does so on the next run, without entering the guest.
fn settle(vcpu: &mut Vcpu, buses: &Buses) {
    vcpu.kicker().kick();
    while matches!(serve(vcpu, buses), Served::Exit) {}
}

fn serve(vcpu: &mut Vcpu, buses: &Buses) -> Served {
    match vcpu.run() {
        Ok(Exit::PortRead { port, width, data }) => data.chunks_mut(width).for_each(|item| buses.pio.read(port, item)),
        Ok(Exit::PortWrite { port, width, data }) => data.chunks(width).for_each(|item| buses.pio.write(port, item)),
        Ok(Exit::MmioRead(address, data)) => buses.mmio.read(address, data),
        Ok(Exit::MmioWrite(address, data)) => buses.mmio.write(address, data),
        Ok(Exit::Kicked) => return Served::Kicked,
        Ok(Exit::Shutdown) => return Served::Trouble(Trouble::TripleFault),
        Ok(Exit::Failed(reason)) => return Served::Trouble(Trouble::Crashed(reason)),
        Err(error) => return Served::Trouble(Trouble::Crashed(format!("KVM cannot run the vCPU: {error}"))),
    }
    Served::Exit
}
