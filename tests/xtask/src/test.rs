//! `cargo xtask test`: everything that must pass, in the order in which it is quickest to fail.

use crate::setup::{self, Need};
use anyhow::Result;
use humilis_harness::{
    build::{self, Profile},
    exec, paths,
    postgres::Postgres,
};
use std::process::Command;

#[derive(clap::Args)]
pub struct Arguments {
    /// Only tests whose name contains this; leaves format, lints, documentation and the story out
    filter: Option<String>,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    setup::run(Need::All)?;
    if arguments.filter.is_none() {
        lints()?;
    }
    // Tests of whole programs shall find them built: a build is not what their time is for.
    let programs = build::programs(Profile::Dev)?;
    let postgres = Postgres::start()?;
    let mut tests = runner();
    tests.env("TEST_POSTGRES_URL", postgres.url());
    if let Some(folder) = programs.controller.parent() {
        tests.env("HUMILIS_PROGRAMS", folder);
    }
    exec::show(tests.args(&arguments.filter))?;
    drop(postgres);
    if arguments.filter.is_some() {
        return Ok(());
    }
    println!("A server's story on this machine's KVM:");
    // In a program of its own, which goes into a network of its own.
    exec::show(&mut cargo(&["xtask", "story"]))?;
    println!("Two machines' story on this machine's KVM:");
    exec::show(&mut cargo(&["xtask", "hosts"]))?;
    println!("What Prometheus sees of a cloud:");
    exec::show(&mut cargo(&["xtask", "monitoring"]))?;
    println!("An unmodified Debian's story in the lab:");
    exec::show(&mut cargo(&["xtask", "lab", "story"]))?;
    println!("Some kills of daemons and guests:");
    exec::show(&mut cargo(&["xtask", "lab", "faults", "--quick", "--kills", "12", "--seed", "3"]))
}

fn cargo(words: &[&str]) -> Command {
    let mut cargo = build::cargo();
    cargo.current_dir(paths::root()).env("CARGO_TARGET_DIR", paths::target()).args(words);
    cargo
}

fn lints() -> Result<()> {
    exec::show(&mut cargo(&["fmt", "--all", "--check"]))?;
    exec::show(&mut cargo(&["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    exec::show(cargo(&["doc", "--quiet", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"))
}

/// nextest where it is installed, else cargo's own runner.
fn runner() -> Command {
    if exec::has("cargo-nextest") {
        return cargo(&["nextest", "run", "--workspace", "--no-fail-fast"]);
    }
    cargo(&["test", "--workspace", "--no-fail-fast"])
}
