//! The programs that the stories run.

use std::{path::PathBuf, process::Command, sync::OnceLock};

/// The monitor: `HUMILIS_VMM`, else built.
pub fn vmm() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    named("HUMILIS_VMM").unwrap_or_else(|| {
        let build = || {
            run(Command::new(env!("CARGO")).args(["build", "--quiet", "-p", "vmm"]));
            PathBuf::from(env!("CARGO_BIN_EXE_hostd")).with_file_name("vmm")
        };
        BUILT.get_or_init(build).clone()
    })
}

/// The small guest of our own: `HUMILIS_GUEST`, else built.
pub fn guest() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    named("HUMILIS_GUEST").unwrap_or_else(|| {
        let build = || {
            let manifest = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/guest/program/Cargo.toml");
            let target = PathBuf::from(env!("CARGO_BIN_EXE_hostd")).ancestors().nth(2).unwrap().join("guest");
            let mut cargo = Command::new(env!("CARGO"));
            cargo.args(["build", "--quiet", "--release", "--manifest-path"]).arg(manifest);
            run(cargo.arg("--target-dir").arg(&target).env_remove("RUSTFLAGS"));
            target.join("release/humilis-guest")
        };
        BUILT.get_or_init(build).clone()
    })
}

fn named(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).map(PathBuf::from)
}

fn run(command: &mut Command) {
    assert!(command.status().unwrap().success(), "{command:?}");
}
