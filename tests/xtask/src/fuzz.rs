//! `cargo xtask fuzz`: libFuzzer on stable Rust. The counters that lead it are a pass of the compiler's back end.

use anyhow::{Result, bail};
use humilis_harness::{build, exec, paths};
use std::{fs, process::Command};

/// What is fuzzed; each is a program of `tests/fuzz`.
const TARGETS: &[&str] = &["token", "mapping", "policy", "signature"];
/// What makes the compiler count edges, as cargo-fuzz has it.
const FLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
                     -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
                     -Ccodegen-units=1";
/// Not more than what a request may be long.
const LONGEST: usize = 4096;

#[derive(clap::Args)]
pub struct Arguments {
    /// What to fuzz; all of it, one after the other, if nothing is named
    #[arg(value_parser = clap::builder::PossibleValuesParser::new(TARGETS))]
    targets: Vec<String>,
    /// How long each
    #[arg(long, default_value_t = 10)]
    minutes: u64,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let all: Vec<String> = TARGETS.iter().map(|&target| target.to_owned()).collect();
    let targets = if arguments.targets.is_empty() { &all } else { &arguments.targets };
    let folder = paths::target().join("fuzz");
    let mut build = build::cargo();
    build.args(["build", "--quiet", "--release", "--bins", "--target", "x86_64-unknown-linux-gnu", "--manifest-path"]);
    build.arg(paths::root().join("tests/fuzz/Cargo.toml")).arg("--target-dir").arg(&folder);
    println!("Building with counters (minutes, the first time) ...");
    exec::show(build.env("RUSTFLAGS", FLAGS))?;
    let failed: Vec<_> = targets.iter().filter(|target| fuzz(target, arguments.minutes).is_err()).collect();
    if !failed.is_empty() {
        bail!("found something: {failed:?}; the inputs are in {}", folder.display());
    }
    println!("Nothing was found.");
    Ok(())
}

fn fuzz(target: &str, minutes: u64) -> Result<()> {
    let folder = paths::target().join("fuzz");
    let corpus = folder.join("corpus").join(target);
    fs::create_dir_all(&corpus)?;
    println!("{target}, {minutes} min:");
    let mut fuzz = Command::new(folder.join("x86_64-unknown-linux-gnu/release").join(target));
    fuzz.arg(&corpus).arg(paths::root().join("tests/fuzz/seeds").join(target));
    fuzz.args([format!("-max_total_time={}", minutes * 60), format!("-max_len={LONGEST}"), "-timeout=10".to_owned()]);
    fuzz.args(["-print_final_stats=1", "-verbosity=0", "-rss_limit_mb=2048"]);
    exec::show(fuzz.arg(format!("-artifact_prefix={}/{target}-", folder.display())))
}
