//! The two programs of every story: built once per test process, or named by `HUMILIS_VMM` and `HUMILIS_GUEST`.

use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The monitor under test.
///
/// # Errors
/// When it cannot be built.
pub fn vmm() -> Result<PathBuf> {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    once(&BUILT, "HUMILIS_VMM", || {
        cargo(&["build", "--package", "vmm", "--bin", "vmm"], &target()?)?;
        Ok(target()?.join("debug/vmm"))
    })
}

/// The guest's kernel image.
///
/// # Errors
/// When it cannot be built.
pub fn guest() -> Result<PathBuf> {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    once(&BUILT, "HUMILIS_GUEST", || {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("program/Cargo.toml");
        let target = target()?.join("guest-program");
        cargo(&["build", "--release", "--manifest-path", &manifest.to_string_lossy()], &target)?;
        Ok(target.join("release/humilis-guest"))
    })
}

fn once(built: &OnceLock<PathBuf>, variable: &str, build: impl FnOnce() -> Result<PathBuf>) -> Result<PathBuf> {
    if let Some(path) = built.get() {
        return Ok(path.clone());
    }
    let path = std::env::var_os(variable).map(PathBuf::from).map_or_else(build, Ok)?;
    ensure!(path.is_file(), "{} is missing", path.display());
    Ok(built.get_or_init(|| path).clone())
}

/// The folder that this test was built in: `TARGET/debug/deps/it-...`.
fn target() -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    let target = program.ancestors().nth(3).context("the test does not lie in a target folder")?;
    Ok(target.to_path_buf())
}

fn cargo(arguments: &[&str], target: &Path) -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(arguments).arg("--target-dir").arg(target).current_dir(env!("CARGO_MANIFEST_DIR"));
    let output = command.output().context("cargo does not start")?;
    ensure!(output.status.success(), "cargo {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
