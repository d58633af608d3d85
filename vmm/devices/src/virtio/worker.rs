//! The queue side of a device: when it runs, when it stands, and what happens when the guest breaks the rules.

use super::chain::RingError;
use super::ring::Ring;
use super::signal::Signals;
use crate::poll::{Interest, Placement, Pollable, Source};
use crate::sync::lock;
use std::io;
use std::os::fd::AsRawFd;
use std::sync::{Arc, Mutex};
use vmm_sys::memory::GuestMemory;
use vmm_sys_util::eventfd::EventFd;

/// The first token that is not a queue's number: an engine's own descriptors.
pub const OWN_TOKENS: u64 = 1 << 16;

/// What a device works on between activation and reset.
pub struct Active {
    /// Guest memory.
    pub memory: GuestMemory,
    /// The queues; `None` where the driver set up none.
    pub rings: Vec<Option<Ring>>,
    /// Negotiated features.
    pub features: u64,
    /// Interrupts.
    pub signals: Arc<Signals>,
}

impl Active {
    /// Interrupts for what was pushed to a queue, if the guest wants that.
    ///
    /// # Errors
    /// When the rings cannot be read.
    pub fn signal(&mut self, queue: usize) -> Result<(), RingError> {
        if let Some(Some(ring)) = self.rings.get_mut(queue)
            && ring.needs_interrupt(&self.memory)?
        {
            self.signals.queue(queue);
        }
        Ok(())
    }
}

/// How a call of [`Engine::handle`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Nothing is left to do until a descriptor announces it.
    Done,
    /// There is more to do on this queue, after others had their turn.
    Again(usize),
}

/// What a device does with its queues. Called by one thread at a time.
pub trait Engine: Send {
    /// The driver is ready; queues are served from now on.
    fn start(&mut self, _active: &mut Active) {}

    /// A queue was kicked (`token` is its number) or an own descriptor is ready.
    ///
    /// # Errors
    /// When the guest broke the rules: the device stands until it is reset.
    fn handle(&mut self, active: &mut Active, token: u64) -> Result<Turn, RingError>;

    /// The device is reset; what was kept from requests is dropped.
    fn stop(&mut self) {}
}

/// The queue side as the transport sees it.
pub trait Backend: Pollable {
    /// One event per queue; the guest's notifications end up there.
    fn kicks(&self) -> &[EventFd];

    /// Starts work on queues that the driver has set up.
    fn activate(&self, active: Active);

    /// Stops and forgets the queues. When it returns, guest memory is no longer touched.
    fn deactivate(&self);

    /// Stops for a while. When it returns, guest memory is no longer touched.
    fn pause(&self);

    /// Goes on after [`Backend::pause`].
    fn resume(&self);
}

struct Slot<E> {
    engine: E,
    active: Option<Active>,
    paused: bool,
    broken: bool,
}

/// An [`Engine`] with its state and its kicks.
pub struct Worker<E> {
    name: String,
    placement: Placement,
    kicks: Vec<EventFd>,
    own: Vec<Source>,
    slot: Mutex<Slot<E>>,
}

impl<E: Engine> Worker<E> {
    /// A worker at rest for `queues` queues; `own` are the engine's descriptors, with tokens from [`OWN_TOKENS`] on.
    ///
    /// # Errors
    /// When an event cannot be made.
    pub fn new(name: &str, placement: Placement, queues: usize, own: Vec<Source>, engine: E) -> io::Result<Arc<Self>> {
        let kicks =
            (0..queues).map(|_| EventFd::new(libc::EFD_NONBLOCK | libc::EFD_CLOEXEC)).collect::<Result<_, _>>()?;
        let slot = Mutex::new(Slot { engine, active: None, paused: false, broken: false });
        Ok(Arc::new(Self { name: name.to_owned(), placement, kicks, own, slot }))
    }

    /// Runs `f` on the engine while no queue is being served.
    pub fn with_engine<R>(&self, f: impl FnOnce(&mut E, Option<&mut Active>) -> R) -> R {
        let slot = &mut *lock(&self.slot);
        f(&mut slot.engine, slot.active.as_mut())
    }

    /// Has a queue looked at by the thread that usually does it.
    fn kick(&self, queue: usize) {
        if let Some(kick) = self.kicks.get(queue) {
            // The event can only fail to be written when it is signalled already.
            kick.write(1).ok();
        }
    }

    fn kick_all(&self) {
        (0..self.kicks.len()).for_each(|queue| self.kick(queue));
    }
}

impl<E: Engine> Pollable for Worker<E> {
    fn name(&self) -> &str {
        &self.name
    }

    fn placement(&self) -> Placement {
        self.placement
    }

    fn sources(&self) -> Vec<Source> {
        let kick = |(queue, event): (usize, &EventFd)| Source {
            fd: event.as_raw_fd(),
            token: queue as u64,
            interest: Interest::Readable,
        };
        self.kicks.iter().enumerate().map(kick).chain(self.own.iter().copied()).collect()
    }

    fn handle(&self, token: u64) {
        let slot = &mut *lock(&self.slot);
        let Some(active) = slot.active.as_mut().filter(|_| !slot.paused && !slot.broken) else { return };
        match slot.engine.handle(active, token) {
            Ok(Turn::Done) => {}
            Ok(Turn::Again(queue)) => self.kick(queue),
            Err(_) => {
                slot.broken = true;
                active.signals.needs_reset();
            }
        }
    }
}

impl<E: Engine> Backend for Worker<E> {
    fn kicks(&self) -> &[EventFd] {
        &self.kicks
    }

    fn activate(&self, mut active: Active) {
        let slot = &mut *lock(&self.slot);
        slot.engine.start(&mut active);
        slot.active = Some(active);
        slot.broken = false;
        self.kick_all();
    }

    fn deactivate(&self) {
        let slot = &mut *lock(&self.slot);
        slot.active = None;
        slot.broken = false;
        slot.engine.stop();
    }

    fn pause(&self) {
        lock(&self.slot).paused = true;
    }

    fn resume(&self) {
        lock(&self.slot).paused = false;
        self.kick_all();
        for source in &self.own {
            self.handle(source.token);
        }
    }
}
