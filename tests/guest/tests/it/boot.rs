//! Starts.

use anyhow::{Result, ensure};
use humilis_guest_tests::{Disk, Guest};
use vmm_control::message::Status;

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
fn a_jailed_guest_boots_with_disk() -> Result<()> {
    let disk = Disk::raw(4 << 20)?;
    let mut guest = Guest::configure().jailed(60_001).disk(&disk).boot()?;
    guest.wait_for("disk vda boots 1")?;
    guest.wait_for("ready")?;
    let status = std::fs::read_to_string(format!("/proc/{}/status", guest.pid()))?;
    ensure!(status.contains("NoNewPrivs:\t1"), "{status}");
    ensure!(status.lines().any(|line| line.starts_with("Uid:\t60001\t60001\t60001\t60001")), "{status}");
    Ok(())
}
