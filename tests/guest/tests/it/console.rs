//! The serial console.

use anyhow::{Result, ensure};
use humilis_guest_tests::{Guest, PATIENCE};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

#[test]
fn the_console_passes_bytes_both_ways() -> Result<()> {
    let mut guest = Guest::configure().boot()?;
    guest.wait_for("ready")?;
    let mut console = guest.control()?.into_console()?;
    console.write_all(b"clock\n")?;
    ensure!(read_until(&mut console, "answer kvmclock")?.contains("humilis-guest: answer kvmclock"));
    console.write_all(b"bogus\nsay a longer line than the sixteen bytes of the FIFO\n")?;
    let text = read_until(&mut console, "answer ok")?;
    ensure!(text.contains("answer error unknown command"), "{text}");
    ensure!(text.contains("said a longer line than the sixteen bytes of the FIFO"), "{text}");
    Ok(())
}

#[test]
fn a_console_can_be_left_and_taken_again() -> Result<()> {
    let mut guest = Guest::configure().boot()?;
    guest.wait_for("ready")?;
    for _ in 0..3 {
        let mut console = guest.control()?.into_console()?;
        console.write_all(b"size vda\n")?;
        read_until(&mut console, "answer error no such disk")?;
    }
    // What was typed and said stands in the log, console or not.
    ensure!(guest.serial_text()?.matches("answer error no such disk").count() == 3);
    Ok(())
}

#[test]
fn the_log_keeps_the_latest_within_its_bound() -> Result<()> {
    const LIMIT: u64 = 8192;
    const LINES: usize = 300;
    let mut guest = Guest::configure().serial_limit(LIMIT).boot()?;
    guest.wait_for("ready")?;
    let mut console = guest.control()?.into_console()?;
    for line in 0..LINES {
        console.write_all(format!("say line {line} of a long log\n").as_bytes())?;
        read_until(&mut console, &format!("said line {line} "))?;
    }
    let text = guest.serial_text()?;
    ensure!(text.len() as u64 <= LIMIT, "{} bytes", text.len());
    ensure!(text.contains(&format!("said line {} of", LINES - 2)), "the latest is missing");
    ensure!(text.len() as u64 >= LIMIT / 3, "only {} bytes are left", text.len());
    Ok(())
}

fn read_until(console: &mut UnixStream, wanted: &str) -> Result<String> {
    console.set_read_timeout(Some(PATIENCE))?;
    let mut seen = String::new();
    let mut part = [0; 256];
    while !seen.contains(wanted) {
        let length = console.read(&mut part)?;
        ensure!(length > 0, "the console closed after {seen:?}");
        seen.push_str(&String::from_utf8_lossy(&part[..length]));
    }
    Ok(seen)
}
