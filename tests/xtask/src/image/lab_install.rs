//! `cargo xtask lab install`: the installer, as bare machines see it.

use super::build;
use crate::setup;
use anyhow::Result;
use humilis_harness::build as programs;
use humilis_lab::install::{self, Subjects};

pub use super::install::Arguments;

pub fn run(arguments: &Arguments) -> Result<()> {
    let name = format!("humilis_{}.installer.raw", arguments.build.version());
    let mut installer = arguments.build.output()?.join(name);
    if !arguments.built {
        installer = build::prepare(&arguments.build)?.make("image")?.installer;
    }
    let (guest, client) = (programs::guest()?, setup::client()?);
    install::run(Subjects { installer: &installer, guest: &guest, client: &client })
}
