//! The order of standing and running for all vCPUs of a machine.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use vmm_sys::kick::Kicker;
use vmm_sys::vcpu::Vcpu;

/// What the vCPUs shall do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Order {
    /// Run the guest.
    Run,
    /// Stand.
    Hold,
    /// End the thread.
    Stop,
}

/// Work on one vCPU, done by its own thread while all stand. It is told the vCPU's number.
pub type Job = Arc<dyn Fn(u8, &Vcpu) + Send + Sync>;

/// Shared by the machine, which orders, and the vCPU threads, which obey.
pub struct Gate {
    order: AtomicU8,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    order: Order,
    vcpus: usize,
    standing: usize,
    job: Option<Job>,
    /// Counts jobs, so that each vCPU does each job once.
    jobs: u64,
    done: usize,
}

impl Gate {
    /// A gate for `vcpus` threads, which hold until [`Gate::release`].
    #[must_use]
    pub fn new(vcpus: usize) -> Self {
        let state = State { order: Order::Hold, vcpus, standing: 0, job: None, jobs: 0, done: 0 };
        Self { order: AtomicU8::new(Order::Hold as u8), state: Mutex::new(state), changed: Condvar::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, order: Order) {
        self.state().order = order;
        self.order.store(order as u8, Ordering::SeqCst);
        self.changed.notify_all();
    }

    /// Lets all vCPUs run. Called by the machine.
    pub fn release(&self) {
        self.set(Order::Run);
    }

    /// Brings all vCPUs out of the guest and returns when they stand. Called by the machine, never by a vCPU's thread.
    pub fn hold(&self, kickers: &[Kicker]) {
        self.set(Order::Hold);
        kickers.iter().for_each(Kicker::kick);
        let mut state = self.state();
        while state.standing < state.vcpus {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Ends all vCPU threads. Called by the machine, which joins them afterwards.
    pub fn stop(&self, kickers: &[Kicker]) {
        self.set(Order::Stop);
        kickers.iter().for_each(Kicker::kick);
    }

    /// Runs `job` on the own thread of each vCPU and returns when all have done it. Called by the machine while all vCPUs stand.
    pub fn each(&self, job: Job) {
        let mut state = self.state();
        state.job = Some(job);
        state.jobs += 1;
        state.done = 0;
        self.changed.notify_all();
        while state.done < state.vcpus {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.job = None;
    }

    /// What the vCPUs shall do now. Called by a vCPU's thread before each run.
    pub fn order(&self) -> Order {
        match self.order.load(Ordering::SeqCst) {
            0 => Order::Run,
            1 => Order::Hold,
            _ => Order::Stop,
        }
    }

    /// Waits until the order is another than to run: the vCPU asked for something and must not run on.
    pub fn await_order(&self) {
        let mut state = self.state();
        while state.order == Order::Run {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Stands until the order is another than to hold, doing jobs meanwhile. Called by a vCPU's thread.
    pub fn stand(&self, number: u8, vcpu: &Vcpu) {
        let mut state = self.state();
        state.standing += 1;
        let mut seen = state.jobs;
        self.changed.notify_all();
        while state.order == Order::Hold {
            match state.job.clone().filter(|_| state.jobs != seen) {
                Some(job) => {
                    seen = state.jobs;
                    drop(state);
                    job(number, vcpu);
                    state = self.state();
                    state.done += 1;
                    self.changed.notify_all();
                }
                None => state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        }
        state.standing -= 1;
    }
}
