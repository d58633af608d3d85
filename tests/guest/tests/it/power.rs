//! Power off, reset, pause, crash.

use anyhow::{Result, ensure};
use humilis_guest_tests::{Disk, Guest, Lan};
use vmm_control::message::{Request, Status};

const CLEAN: i32 = 0;
const CRASHED: i32 = 1;

#[test]
fn the_power_button_powers_off() -> Result<()> {
    let mut guest = Guest::configure().boot()?;
    guest.wait_for("ready")?;
    guest.control()?.order(&Request::PowerButton)?;
    guest.wait_for("power button")?;
    ensure!(guest.exit()? == CLEAN);
    Ok(())
}

#[test]
fn a_guest_powers_itself_off() -> Result<()> {
    let mut guest = Guest::configure().cmdline("poweroff").boot()?;
    guest.wait_for("power off")?;
    ensure!(guest.exit()? == CLEAN);
    Ok(())
}

#[test]
fn a_reset_boots_again_in_the_same_process() -> Result<()> {
    let (disk, lan) = (Disk::qcow2(16 << 20)?, Lan::new()?);
    let mut guest = Guest::configure().vcpus(2).disk(&disk).nic(&lan).boot()?;
    for boots in 1..=3 {
        guest.wait_for(&format!("disk vda boots {boots}"))?;
        guest.wait_for("ready")?;
        lan.ping(guest.address()?)?;
        guest.control()?.order(&Request::Reset)?;
    }
    guest.wait_for("disk vda boots 4")?;
    Ok(())
}

#[test]
fn a_guest_resets_itself() -> Result<()> {
    let (disk, lan) = (Disk::raw(16 << 20)?, Lan::new()?);
    let mut guest = Guest::configure().disk(&disk).nic(&lan).boot()?;
    guest.wait_for("ready")?;
    // It resets before it could answer.
    drop(guest.ask("reboot"));
    guest.wait_for("disk vda boots 2")?;
    guest.wait_for("ready")?;
    ensure!(guest.is_running());
    Ok(())
}

#[test]
fn a_paused_guest_stands_still_until_it_is_resumed() -> Result<()> {
    let lan = Lan::new()?;
    let mut guest = Guest::configure().nic(&lan).boot()?;
    guest.wait_for("ready")?;
    let mut control = guest.control()?;
    control.order(&Request::Pause)?;
    ensure!(control.status()? == Status::Paused);
    ensure!(lan.ping(guest.address()?).is_err(), "a paused guest answered");
    control.order(&Request::Resume)?;
    ensure!(control.status()? == Status::Running);
    lan.ping(guest.address()?)?;
    Ok(())
}

#[test]
fn a_triple_fault_resets() -> Result<()> {
    let (disk, lan) = (Disk::raw(16 << 20)?, Lan::new()?);
    let mut guest = Guest::configure().disk(&disk).nic(&lan).boot()?;
    guest.wait_for("ready")?;
    drop(guest.ask("crash"));
    guest.wait_for("disk vda boots 2")?;
    guest.wait_for("ready")?;
    Ok(())
}

#[test]
fn triple_faults_without_end_are_a_crash() -> Result<()> {
    let mut guest = Guest::configure().cmdline("crash").boot()?;
    ensure!(guest.exit()? == CRASHED);
    ensure!(guest.serial_text()?.contains("booted"));
    Ok(())
}

#[test]
fn quit_ends_the_process_at_once() -> Result<()> {
    let mut guest = Guest::configure().boot()?;
    guest.wait_for("booted")?;
    guest.control()?.quit()?;
    ensure!(guest.exit()? == CLEAN);
    Ok(())
}
