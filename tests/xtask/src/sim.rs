//! `cargo xtask sim fleet`: a controller with a thousand simulated hosts (`tests/fleet`).

use anyhow::Result;
use humilis_harness::{
    build::{self, Profile},
    exec, paths,
};

#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// A thousand hosts' streams, over SQLite and PostgreSQL, and the scheduler alone with ten thousand
    Fleet(Fleet),
}

#[derive(clap::Args)]
struct Fleet {
    /// What is built for tests instead of what is released: slower to run, quicker to build
    #[arg(long)]
    dev: bool,
    /// Further words for tests/fleet: --hosts N --servers N --one-project --scheduler-hosts N --only sqlite|postgres|scheduler --json
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let What::Fleet(fleet) = &arguments.what;
    let programs = build::product(if fleet.dev { Profile::Dev } else { Profile::Release })?;
    let mut cargo = build::cargo();
    cargo.current_dir(paths::root()).env("CARGO_TARGET_DIR", paths::target()).args([
        "run",
        "--quiet",
        "-p",
        "humilis-fleet",
    ]);
    if !fleet.dev {
        cargo.arg("--release");
    }
    exec::show(cargo.args(["--", "--controller"]).arg(programs.controller).args(&fleet.words))
}
