//! Running programs: with their output shown, kept for the case of failure, or read.

use anyhow::{Context as _, Result, bail};
use std::{
    fs::File,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
    time::Instant,
};

/// Runs a program whose output the user sees.
///
/// # Errors
/// When it cannot be started or fails.
pub fn show(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {}", words(command)))?;
    if !status.success() {
        bail!("{} failed ({status})", words(command));
    }
    Ok(())
}

/// Runs a program and gives its standard output.
///
/// # Errors
/// When it cannot be started or fails; the error ends with what it said on standard error.
pub fn read(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot start {}", words(command)))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{} failed ({}): {}", words(command), output.status, said.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs long work under a title: one line while it runs, how long it took when it is done, its output only when it fails.
///
/// # Errors
/// When it cannot be started or fails.
pub fn step(title: &str, log: &Path, command: &mut Command) -> Result<()> {
    print!("{title} ... ");
    std::io::stdout().flush().ok();
    let started = Instant::now();
    let file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    let output = file.try_clone().context("cannot share the log")?;
    let status = command.stdin(Stdio::null()).stdout(output).stderr(file).status();
    let status = status.with_context(|| format!("cannot start {}", words(command)))?;
    if status.success() {
        println!("{:.0} s", started.elapsed().as_secs_f64());
        return Ok(());
    }
    println!("failed");
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let tail: Vec<_> = text.lines().rev().take(40).collect();
    for line in tail.into_iter().rev() {
        eprintln!("  {line}");
    }
    bail!("{} failed ({status}); all of its output is in {}", words(command), log.display())
}

/// Whether a program is on the path.
#[must_use]
pub fn has(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let extra = ["/usr/sbin", "/sbin"].map(Into::into);
    std::env::split_paths(&path).chain(extra).any(|directory| directory.join(program).is_file())
}

fn words(command: &Command) -> String {
    let arguments = command.get_args().map(|a| a.to_string_lossy());
    let all: Vec<_> = [command.get_program().to_string_lossy()].into_iter().chain(arguments).collect();
    all.join(" ").chars().take(200).collect()
}
