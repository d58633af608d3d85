//! `cargo xtask`: the one entry for people. Every command installs what it needs.

mod bench;
mod demo;
mod faults;
mod fuzz;
mod hosts;
mod image;
mod lab;
mod monitoring;
mod setup;
mod sim;
mod story;
mod tempest;
mod test;
mod up;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Build, run, test and measure Humilis")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Install what the other commands need: Debian packages and the pinned OpenStack client
    Setup,
    /// Start a cloud on this machine and boot a first guest
    Up(up::Arguments),
    /// Everything that must pass: format, lints, documentation, unit tests, guests under KVM, stores on both databases, the lab's story
    Test(test::Arguments),
    /// A server's story on this machine's KVM, told by OpenStack's own client
    Story,
    /// Two machines' story on this machine's KVM: a network over both, and one that is unplugged
    Hosts,
    /// Measure, and print the figures beside their aims and peers
    Bench(bench::Arguments),
    /// Run an emulated host with nested virtualization, and unmodified guests in it
    Lab(lab::Arguments),
    /// Build and check the appliance: an image that makes a controller, a host or both of a bare machine
    Image(image::Arguments),
    /// Check rules and dashboards with a real Prometheus that scrapes a cloud
    Monitoring,
    /// Measure a controller with very many simulated hosts
    Sim(sim::Arguments),
    /// Throw bytes at what reads the bytes of strangers
    Fuzz(fuzz::Arguments),
    /// Run OpenStack's own test suite against a cloud and print its table
    Tempest(tempest::Arguments),
}

fn main() -> Result<()> {
    match Arguments::parse().command {
        Command::Setup => setup::run(setup::Need::All),
        Command::Up(arguments) => up::run(&arguments),
        Command::Test(arguments) => test::run(&arguments),
        Command::Story => story::run(),
        Command::Hosts => hosts::run(),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Lab(arguments) => lab::run(&arguments),
        Command::Image(arguments) => image::run(&arguments),
        Command::Monitoring => monitoring::run(),
        Command::Sim(arguments) => sim::run(&arguments),
        Command::Fuzz(arguments) => fuzz::run(&arguments),
        Command::Tempest(arguments) => tempest::run(&arguments),
    }
}
