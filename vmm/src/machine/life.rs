//! Third phase: the machine lives on the main thread until it ends.

use super::build::{Board, Built};
use super::filters;
use super::notice::Notice;
use super::processors::Running;
use super::reactor::{OWN_KEYS, Reactor};
use crate::boot::{self, BootError, Source, Tables};
use crate::control::{Operator, Server};
use crate::vcpu::power_on::StateError;
use crate::vcpu::thread::Trouble;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};
use vmm_control::message::{DeviceCounters, ExitStatus, Status};
use vmm_devices::power::PowerRequest;
use vmm_devices::sync::lock;
use vmm_devices::terminal::Terminal;
use vmm_sys::chips::Chips;
use vmm_sys::memory::{self, GuestMemory};
use vmm_sys::poll::Watch;
use vmm_sys::vm::{Vm, VmError};

const NOTICES: u64 = OWN_KEYS;
/// Keys from here on are the control server's.
const CONTROL: u64 = OWN_KEYS + 1;

/// A guest that faults again so soon after each reset will do so for ever.
const FAULT_INTERVAL: Duration = Duration::from_secs(5);
const MAX_FAULTS: u32 = 3;

/// Why a machine could not be reset.
#[derive(Debug, thiserror::Error)]
pub enum ResetError {
    /// Memory was not given back.
    #[error("guest memory cannot be cleared")]
    Memory(#[from] io::Error),
    /// The interrupt controllers stay as they are.
    #[error("the chips cannot be reset")]
    Chips(#[from] VmError),
    /// Kernel or firmware cannot be loaded again.
    #[error("the guest cannot be loaded again")]
    Boot(#[from] BootError),
    /// A vCPU stays as it is.
    #[error("a vCPU cannot be reset")]
    Vcpu(#[from] StateError),
}

/// A machine with its threads.
pub struct Machine {
    // The vCPUs end before what they use.
    vcpus: Running,
    state: State,
    server: Server,
    reactor: Reactor,
}

/// What requests work on.
struct State {
    id: String,
    source: Source,
    tables: Tables,
    memory: GuestMemory,
    vm: Vm,
    chips: Chips,
    board: Board,
    status: Status,
    quit: bool,
    faults: u32,
    last_start: Instant,
}

impl Machine {
    /// Starts the threads; the guest runs when [`Machine::run`] is called.
    ///
    /// # Errors
    /// When descriptors or threads are used up.
    pub fn start(built: Built) -> io::Result<Self> {
        let Built { id, source, tables, memory, vm, chips, mut board, processors, control, seccomp } = built;
        let mut reactor = Reactor::new()?;
        board.registry.drive(&mut reactor, seccomp)?;
        reactor.watch(board.notices.fd(), Watch::Readable, NOTICES)?;
        let server = Server::new(control, CONTROL, |fd, key| reactor.watch(fd, Watch::Both, key))?;
        let vcpus = processors.start(&board.buses, &board.notices, seccomp)?;
        if !filters::enter(filters::Kind::Main, seccomp) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let state = State {
            id,
            source,
            tables,
            memory,
            vm,
            chips,
            board,
            status: Status::Running,
            quit: false,
            faults: 0,
            last_start: Instant::now(),
        };
        Ok(Self { vcpus, state, server, reactor })
    }

    /// Runs the guest to its end.
    pub fn run(mut self) -> ExitStatus {
        self.vcpus.release();
        let mut keys = Vec::new();
        let status = loop {
            if let Err(error) = self.reactor.turn(&mut keys) {
                crate::log!("the event loop fails: {error}");
                break ExitStatus::Crashed;
            }
            if let Some(status) = keys.iter().find_map(|key| self.serve(*key)) {
                break status;
            }
            self.server.retry_input(&self.state.board.terminal);
        };
        self.end(status)
    }

    fn serve(&mut self, key: u64) -> Option<ExitStatus> {
        if key == NOTICES {
            let notices = self.state.board.notices.take();
            return notices.into_iter().find_map(|notice| self.carry_out(notice));
        }
        let before = self.state.status;
        let mut session = Session { vcpus: &self.vcpus, state: &mut self.state };
        let reactor = &self.reactor;
        self.server.serve(key, &mut session, |fd, key| reactor.watch(fd, Watch::Both, key));
        if self.state.status != before {
            self.server.announce(self.state.status);
        }
        if self.state.status == Status::Crashed {
            return Some(ExitStatus::Crashed);
        }
        self.state.quit.then_some(ExitStatus::Clean)
    }

    fn carry_out(&mut self, notice: Notice) -> Option<ExitStatus> {
        match notice {
            Notice::Power(PowerRequest::Off) => {
                // hostd reads it where it was away and saw neither the message nor the exit status.
                crate::log!("powered off");
                self.state.status = Status::PoweredOff;
                Some(ExitStatus::Clean)
            }
            Notice::Power(PowerRequest::Reset) => self.reset("the guest asked for it"),
            Notice::Trouble(vcpu, Trouble::TripleFault) if self.state.may_fault() => {
                self.reset(&format!("triple fault of vCPU {vcpu}"))
            }
            Notice::Trouble(vcpu, trouble) => {
                match trouble {
                    Trouble::TripleFault => crate::log!("vCPU {vcpu}: triple fault, again and again"),
                    Trouble::Crashed(reason) => crate::log!("vCPU {vcpu}: {reason}"),
                }
                Some(ExitStatus::Crashed)
            }
        }
    }

    fn reset(&mut self, why: &str) -> Option<ExitStatus> {
        crate::log!("reset: {why}");
        match self.state.reset(&self.vcpus) {
            Ok(()) => None,
            Err(error) => {
                crate::log!("reset failed: {}", crate::log::causes(&error));
                Some(ExitStatus::Crashed)
            }
        }
    }

    /// Leaves disks and console whole, tells hostd, and ends the threads.
    fn end(mut self, status: ExitStatus) -> ExitStatus {
        if status == ExitStatus::Crashed {
            self.state.status = Status::Crashed;
        } else {
            self.vcpus.hold();
        }
        self.state.board.registry.pause();
        self.state.board.registry.flush();
        self.state.board.terminal.flush();
        if !self.state.quit {
            self.server.announce(self.state.status);
        }
        status
    }
}

impl State {
    /// Whether a triple fault may be answered by a reset once more.
    fn may_fault(&mut self) -> bool {
        self.faults = if self.last_start.elapsed() < FAULT_INTERVAL { self.faults + 1 } else { 1 };
        self.faults <= MAX_FAULTS
    }

    /// Puts everything to power-on and lets the guest start again.
    fn reset(&mut self, vcpus: &Running) -> Result<(), ResetError> {
        vcpus.hold();
        // What the vCPUs asked for on their way out concerns the machine before.
        drop(self.board.notices.take());
        self.board.registry.reset();
        lock(&self.board.pci).reset();
        memory::discard(&self.memory)?;
        self.vm.set_chips(&self.chips)?;
        let entry = boot::load(&mut self.source, &self.tables, &self.memory)?;
        vcpus.reset(&entry)?;
        if self.status == Status::Paused {
            self.board.registry.resume();
            self.status = Status::Running;
        }
        self.last_start = Instant::now();
        vcpus.release();
        Ok(())
    }
}

/// The machine as a request sees it.
struct Session<'a> {
    vcpus: &'a Running,
    state: &'a mut State,
}

impl Operator for Session<'_> {
    fn id(&self) -> &str {
        &self.state.id
    }

    fn status(&self) -> Status {
        self.state.status
    }

    fn power_button(&mut self) -> Result<(), String> {
        self.state.board.power_button.trigger().map_err(|error| error.to_string())
    }

    fn reset(&mut self) -> Result<(), String> {
        self.state.reset(self.vcpus).map_err(|error| {
            self.state.status = Status::Crashed;
            crate::log::causes(&error)
        })
    }

    fn pause(&mut self) -> Result<(), String> {
        if self.state.status == Status::Running {
            self.vcpus.hold();
            self.state.board.registry.pause();
            self.state.status = Status::Paused;
        }
        Ok(())
    }

    fn resume(&mut self) -> Result<(), String> {
        if self.state.status == Status::Paused {
            self.state.board.registry.resume();
            self.vcpus.release();
            self.state.status = Status::Running;
        }
        Ok(())
    }

    fn quit(&mut self) {
        self.state.quit = true;
    }

    fn counters(&self) -> Vec<DeviceCounters> {
        self.state.board.registry.counters()
    }

    fn terminal(&self) -> &Arc<Terminal> {
        &self.state.board.terminal
    }
}
