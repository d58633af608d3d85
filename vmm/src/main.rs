//! The process of one guest. It is started by hostd with the guest's spec as descriptor 3 and has no command line.

use std::process::ExitCode;
use vmm::machine::Machine;
use vmm::machine::build::Built;
use vmm::machine::plan::Plan;
use vmm_control::message::ExitStatus;
use vmm_control::spec::{GuestSpec, SPEC_FD};

/// A spec is a few KiB.
const MAX_SPEC: u64 = 1 << 20;

fn main() -> ExitCode {
    if std::env::args_os().nth(1).is_some_and(|argument| argument == "--version") {
        println!("vmm {}", env!("CARGO_PKG_VERSION"));
        return ExitCode::SUCCESS;
    }
    let status = start().map_or_else(
        |error| {
            vmm::log!("the guest cannot be built: {}", vmm::log::causes(error.as_ref()));
            ExitStatus::BadSpec
        },
        Machine::run,
    );
    ExitCode::from(status as u8)
}

fn start() -> Result<Machine, Box<dyn std::error::Error>> {
    let bytes = vmm_sys::descriptor::read_whole(vmm_sys::descriptor::adopt(SPEC_FD)?, MAX_SPEC)?;
    let spec: GuestSpec = vmm_control::frame::decode(&bytes)?;
    // Threads and memory that come later inherit it.
    if let Some(near) = &spec.near
        && let Err(error) = vmm_sys::near::stay(near.node, &near.cpus)
    {
        vmm::log!("the guest is not near NUMA node {}: {error}", near.node);
    }
    let (plan, confinement) = Plan::new(spec)?;
    if let Some(confinement) = confinement {
        confinement.enter()?;
    }
    Ok(Machine::start(Built::new(plan)?)?)
}
