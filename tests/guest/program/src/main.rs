//! A small guest of our own, started by PVH, for tests under any KVM.
//!
//! It brings up its processors, disks and network interfaces, says on the serial port what it found, answers on the network, and
//! sleeps when nothing happens. `README.md` one folder up lists its lines and services.
//!
//! - [`ring0`] is the little that needs privilege; all else runs in ring 3, where a KVM without hardware help is fast.
//! - [`machine`] and [`pci`] find out what there is; [`virtio`] drives it; [`disk`] and [`net`] use it.
//! - One processor does everything; the others say that they came up and stop.
//!
//! Memory is mapped one to one, so an address that a device is given is the address that the program has.

#![no_std]
#![no_main]

extern crate alloc;

mod clock;
mod disk;
mod machine;
mod memory;
mod net;
mod pci;
mod power;
mod ring0;
mod serial;
mod smp;
mod virtio;

use machine::Machine;
use serial::say;

/// Where ring 0 hands over, with interrupts off and the address of the PVH start information.
#[unsafe(no_mangle)]
extern "C" fn rust_main(start_info: u32) -> ! {
    // SAFETY: this is the first that runs.
    unsafe { memory::clear_statics() };
    ring0::install_interrupts();
    memory::init_heap();
    // SAFETY: the address is the one that the boot loader left, and nothing has been written below 2 MiB yet.
    let machine = unsafe { Machine::discover(u64::from(start_info)) };
    if machine.has_option("marker") {
        say!("marker");
        ring0::halt();
    }
    run(&machine)
}

fn run(machine: &Machine) -> ! {
    say!("booted memory {} MiB cmdline \"{}\"", machine.memory >> 20, machine.cmdline);
    if machine.has_option("crash") {
        power::crash();
    }
    clock::init();
    ring0::start_interrupts();
    smp::start(machine);
    let mut power = power::Power::new(machine);
    let mut devices = virtio::probe();
    let mut host = net::Host::default();
    disk::survey(&mut devices.disks, &mut host);
    let mut network = net::Network::new(devices.nics, host, machine);
    if machine.has_option("poweroff") {
        power.off();
    }
    let mut input = serial::Input::new();
    loop {
        let deadline = network.poll(&mut devices.disks, &mut power);
        power.poll();
        while let Some(line) = input.poll() {
            say!("answer {}", network.command(&line, &mut devices.disks, &mut power));
        }
        if !network.is_busy() {
            ring0::wait(clock::ticks_until(deadline));
        }
    }
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    serial::take_over();
    say!("panic {info}");
    power::crash()
}
