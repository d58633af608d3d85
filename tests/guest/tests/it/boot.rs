//! Starts.

use anyhow::{Result, ensure};
use humilis_guest_tests::{Disk, Guest, Lan};
use vmm_control::message::{Request, Status};

#[test]
fn a_guest_reads_its_memory_and_command_line() -> Result<()> {
    let mut guest = Guest::configure().memory(64).cmdline("one two").boot()?;
    let line = guest.wait_for("booted")?;
    ensure!(line.contains("memory 63 MiB cmdline \"one two\""), "{line}");
    guest.wait_for("ready")?;
    ensure!(guest.control()?.status()? == Status::Running);
    Ok(())
}

#[test]
fn a_marker_guest_says_its_marker_and_stops() -> Result<()> {
    let mut guest = Guest::configure().cmdline("marker").boot()?;
    guest.wait_for("marker")?;
    ensure!(guest.is_running());
    Ok(())
}

#[test]
fn a_second_processor_starts() -> Result<()> {
    let mut guest = Guest::configure().vcpus(2).boot()?;
    guest.wait_for("cpu 1 up")?;
    guest.wait_for("cpus 2 of 2")?;
    guest.wait_for("ready")?;
    Ok(())
}

#[test]
fn memory_beyond_the_hole_is_usable() -> Result<()> {
    let mut guest = Guest::configure().memory(4096).boot()?;
    let line = guest.wait_for("booted")?;
    ensure!(line.contains("memory 4095 MiB"), "{line}");
    guest.wait_for("ready")?;
    Ok(())
}

#[test]
fn a_jailed_guest_does_what_others_do() -> Result<()> {
    does_what_others_do(&Disk::raw(16 << 20)?)
}

#[test]
fn a_jailed_guest_with_qcow2_does_what_others_do() -> Result<()> {
    does_what_others_do(&Disk::qcow2(16 << 20)?)
}

fn does_what_others_do(disk: &Disk) -> Result<()> {
    let lan = Lan::new()?;
    let mut guest = Guest::configure().jailed(60_001).vcpus(2).disk(disk).nic(&lan).boot()?;
    guest.wait_for("disk vda boots 1")?;
    guest.wait_for("ready")?;
    lan.ping(guest.address()?)?;
    ensure!(guest.ask("fill vda 1048576 4194304 1")? == "ok");
    ensure!(guest.ask("discard vda 1048576 4194304")? == "ok");
    let mut control = guest.control()?;
    for request in [Request::Pause, Request::Resume, Request::Reset] {
        control.order(&request)?;
    }
    guest.wait_for("disk vda boots 2")?;
    guest.wait_for("ready")?;
    ensure!(!control.counters()?.is_empty());
    control.order(&Request::PowerButton)?;
    ensure!(guest.exit()? == 0, "{}", guest.log());
    Ok(())
}

#[test]
fn a_jail_takes_the_right_to_everything() -> Result<()> {
    let mut guest = Guest::configure().jailed(60_002).boot()?;
    guest.wait_for("ready")?;
    let status = std::fs::read_to_string(format!("/proc/{}/status", guest.pid()))?;
    for line in ["Uid:\t60002\t60002\t60002\t60002", "NoNewPrivs:\t1", "Seccomp:\t2", "CapEff:\t0000000000000000"] {
        ensure!(status.lines().any(|found| found == line), "{line:?} is missing in {status}");
    }
    Ok(())
}
