//! QEMU with one fault mended, and the machine that the labs emulate with it.
//!
//! QEMU up to 11.1 ends by an assertion of its own (`bql_locked` in `tcg_handle_interrupt`) when a nested guest writes CR8 while
//! KVM waits for an interrupt window: every UEFI firmware does so after each timer interrupt. The assertion guards a lock that this
//! path needs not hold for a processor's own interrupt word, so the lab runs a copy of the installed program in which the check's
//! branch is always taken. A QEMU in which the place is not found is used as it is.

use crate::debian;
use anyhow::{Context as _, Result};
use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

/// What is emulated: a processor with nested virtualization, without what only silicon is fast at. QEMU executes a "fast" `rep movsb`
/// or `rep stosb` a byte at a time, and a kernel that believes in it clears and copies its pages that way.
const MACHINE: [&str; 6] = ["-machine", "q35", "-accel", "tcg,thread=multi,tb-size=512", "-cpu", "max,-erms,-fsrm"];
const PROGRAM: &str = "qemu-system-x86_64";
const FUNCTION: &[u8] = b"tcg_handle_interrupt\0";
/// `test al, al; jne`: what the compiler makes of the check.
const CHECK: [u8; 3] = [0x84, 0xc0, 0x75];
/// `jmp` with the same operand.
const ALWAYS: u8 = 0xeb;
/// The check stands near the function's start.
const REACH: usize = 64;
const DYNAMIC_SYMBOLS: u32 = 11;
/// Where Debian keeps QEMU's firmware: a copy does not find it beside itself.
const FIRMWARE: [&str; 2] = ["/usr/share/qemu", "/usr/share/seabios"];

/// The program, and options: those that it needs wherever it lies, and those of the machine.
///
/// # Errors
/// When QEMU is not installed or the copy cannot be written.
pub fn program() -> Result<(PathBuf, Vec<String>)> {
    let installed = installed()?;
    let copy = debian::folder()?.join(PROGRAM);
    let options = FIRMWARE.iter().flat_map(|folder| ["-L", *folder]).chain(MACHINE).map(str::to_owned).collect();
    if newer(&copy, &installed) {
        return Ok((copy, options));
    }
    let mut bytes = fs::read(&installed).context("cannot read QEMU")?;
    let Some(place) = branch(&bytes) else { return Ok((installed, MACHINE.map(str::to_owned).to_vec())) };
    bytes[place] = ALWAYS;
    // Another lab may run the old copy: a new file takes its name.
    let fresh = copy.with_extension("new");
    fs::write(&fresh, bytes).context("cannot write the mended QEMU")?;
    fs::set_permissions(&fresh, fs::Permissions::from_mode(0o755))?;
    fs::rename(fresh, &copy)?;
    Ok((copy, options))
}

fn installed() -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join(PROGRAM)).find(|program| program.is_file());
    found.context("QEMU is not installed")
}

fn newer(copy: &Path, installed: &Path) -> bool {
    let changed = |path: &Path| fs::metadata(path).and_then(|m| m.modified());
    changed(copy).is_ok_and(|copy| changed(installed).is_ok_and(|installed| copy > installed))
}

/// Where the branch of the check is.
fn branch(elf: &[u8]) -> Option<usize> {
    let sections = usize::try_from(number(elf, 40, 8)?).ok()?;
    let section = |index: u64| sections.checked_add(usize::try_from(index).ok()?.checked_mul(64)?);
    let field = |section: usize, at: usize, size| number(elf, section.checked_add(at)?, size);
    let symbols =
        (0..number(elf, 60, 2)?).filter_map(section).find(|at| field(*at, 4, 4) == Some(u64::from(DYNAMIC_SYMBOLS)))?;
    let names = field(section(field(symbols, 40, 4)?)?, 24, 8)?;
    let (start, size) = (field(symbols, 24, 8)?, field(symbols, 32, 8)?);
    for symbol in (start..start.checked_add(size)?).step_by(24) {
        let symbol = usize::try_from(symbol).ok()?;
        let name = usize::try_from(names.checked_add(field(symbol, 0, 4)?)?).ok()?;
        if elf.get(name..)?.starts_with(FUNCTION) {
            let home = section(field(symbol, 6, 2)?)?;
            let at = field(symbol, 8, 8)?.checked_sub(field(home, 16, 8)?)?.checked_add(field(home, 24, 8)?)?;
            let at = usize::try_from(at).ok()?;
            let code = elf.get(at..at.checked_add(REACH)?)?;
            return Some(at + code.windows(CHECK.len()).position(|part| part == CHECK)? + CHECK.len() - 1);
        }
    }
    None
}

/// A little-endian number.
fn number(bytes: &[u8], at: usize, size: usize) -> Option<u64> {
    let field = bytes.get(at..at.checked_add(size)?)?;
    Some(field.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_elf_file_is_left_alone() {
        assert_eq!(branch(b""), None);
        assert_eq!(branch(&[0xff; 4096]), None);
        assert_eq!(branch(&fs::read("/proc/self/exe").unwrap()), None);
    }
}
