//! The controller: configuration, wiring of the services, listeners, and the command line of its operators.
//!
//! `cli` has a file per command, `config` what can be set, `wiring` a function per service, `listener` the sockets, `admin` the
//! operators' gRPC API. No rule of any
//! service stands here.

mod admin;
mod cli;
mod config;
mod listener;
mod logging;
mod metrics;
mod notify;
mod wiring;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::Arguments::parse().run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("controller: {error:#}");
            ExitCode::FAILURE
        }
    }
}
