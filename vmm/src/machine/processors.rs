//! All vCPUs of a machine: made, started, held, reset, ended together.

use super::filters;
use super::notice::{Notice, Notices};
use crate::boot::Entry;
use crate::vcpu::cpuid::{self, Model};
use crate::vcpu::gate::Gate;
use crate::vcpu::power_on::{PowerOn, StateError};
use crate::vcpu::thread::{self, Buses, Report, Trouble};
use kvm_bindings::CpuId;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use vmm_sys::kick::{self, Kicker};
use vmm_sys::kvm::{Kvm, KvmError};
use vmm_sys::vcpu::Vcpu;
use vmm_sys::vm::{Vm, VmError};

/// Why there are no vCPUs.
#[derive(Debug, thiserror::Error)]
pub enum ProcessorError {
    /// KVM itself refused.
    #[error("no vCPUs")]
    Kvm(#[from] KvmError),
    /// The machine refused a vCPU.
    #[error("no vCPU")]
    Vm(#[from] VmError),
    /// A vCPU refused its state.
    #[error("a vCPU cannot be set up")]
    State(#[from] StateError),
    /// KVM refused the processor model.
    #[error("KVM refused the CPUID leaves")]
    Cpuid(#[source] kvm_ioctls::Error),
    /// More than this KVM can.
    #[error("{wanted} vCPUs are wanted, this KVM has at most {limit}")]
    TooMany {
        /// As the spec says.
        wanted: u8,
        /// As KVM says.
        limit: usize,
    },
}

/// vCPUs that never ran.
pub struct Processors {
    vcpus: Vec<(Vcpu, PowerOn)>,
}

impl Processors {
    /// Makes `count` vCPUs with their processor model; vCPU 0 starts at `entry`.
    ///
    /// # Errors
    /// When KVM has not so many or refuses a part of their state.
    pub fn build(kvm: &Kvm, vm: &Vm, count: u8, entry: &Entry) -> Result<Self, ProcessorError> {
        let capabilities = kvm.capabilities();
        if usize::from(count) > capabilities.max_vcpus {
            return Err(ProcessorError::TooMany { wanted: count, limit: capabilities.max_vcpus });
        }
        let supported = kvm.supported_cpuid()?;
        let msrs = kvm.msr_indices()?;
        let model = Model { vcpus: count, tsc_deadline: capabilities.tsc_deadline };
        let build = |id| {
            let vcpu = vm.create_vcpu(id)?;
            set_cpuid(&vcpu, &cpuid::leaves(&supported, model, id))?;
            let power_on = PowerOn::capture(vcpu.state(), &msrs)?;
            power_on.prepare(vcpu.state(), (id == 0).then_some(entry))?;
            Ok((vcpu, power_on))
        };
        Ok(Self { vcpus: (0..count).map(build).collect::<Result<_, ProcessorError>>()? })
    }

    /// Starts the threads; the vCPUs hold until [`Running::release`].
    ///
    /// # Errors
    /// When threads are used up.
    pub fn start(self, buses: &Buses, notices: &Arc<Notices>, seccomp: bool) -> io::Result<Running> {
        kick::install_handler()?;
        let gate = Arc::new(Gate::new(self.vcpus.len()));
        let mut running = Running { gate, kickers: Vec::new(), power_on: Arc::default(), threads: Vec::new() };
        let (vcpus, power_on): (Vec<_>, Vec<_>) = self.vcpus.into_iter().unzip();
        running.power_on = Arc::new(power_on);
        for (number, vcpu) in (0..).zip(vcpus) {
            running.kickers.push(vcpu.kicker());
            running.threads.push(running.spawn(number, vcpu, buses.clone(), notices, seccomp)?);
        }
        Ok(running)
    }
}

fn set_cpuid(vcpu: &Vcpu, leaves: &[kvm_bindings::kvm_cpuid_entry2]) -> Result<(), ProcessorError> {
    let too_many = |_| ProcessorError::Cpuid(kvm_ioctls::Error::new(libc::E2BIG));
    let cpuid = CpuId::from_entries(leaves).map_err(too_many)?;
    vcpu.state().set_cpuid2(&cpuid).map_err(ProcessorError::Cpuid)
}

/// vCPUs with their threads.
pub struct Running {
    gate: Arc<Gate>,
    kickers: Vec<Kicker>,
    power_on: Arc<Vec<PowerOn>>,
    threads: Vec<JoinHandle<()>>,
}

impl Running {
    fn spawn(
        &self,
        number: u8,
        vcpu: Vcpu,
        buses: Buses,
        notices: &Arc<Notices>,
        seccomp: bool,
    ) -> io::Result<JoinHandle<()>> {
        let (gate, notices) = (Arc::clone(&self.gate), Arc::clone(notices));
        let report: Report = Arc::new(move |number, trouble| notices.post(Notice::Trouble(number, trouble)));
        let builder = std::thread::Builder::new().name(format!("vcpu{number}")).stack_size(super::THREAD_STACK);
        builder.spawn(move || {
            if filters::enter(filters::Kind::Vcpu, seccomp) {
                thread::run(number, vcpu, &buses, &gate, &report);
            } else {
                report(number, Trouble::Crashed("the system call filter cannot be set".to_owned()));
            }
        })
    }

    /// Lets all vCPUs run.
    pub fn release(&self) {
        self.gate.release();
    }

    /// Returns when all vCPUs stand.
    pub fn hold(&self) {
        self.gate.hold(&self.kickers);
    }

    /// Puts all vCPUs back to power-on, vCPU 0 at `entry`. Called while all stand.
    ///
    /// # Errors
    /// The first refusal of KVM.
    pub fn reset(&self, entry: &Entry) -> Result<(), StateError> {
        let (entry, power_on) = (*entry, Arc::clone(&self.power_on));
        let failure = Arc::new(Mutex::new(None));
        let told = Arc::clone(&failure);
        self.gate.each(Arc::new(move |number, vcpu| {
            let restored = power_on[usize::from(number)].restore(vcpu.state(), (number == 0).then_some(&entry));
            if let Err(error) = restored {
                *told.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            }
        }));
        let failure = failure.lock().unwrap_or_else(PoisonError::into_inner).take();
        failure.map_or(Ok(()), Err)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.gate.stop(&self.kickers);
        for thread in self.threads.drain(..) {
            let _ended = thread.join();
        }
    }
}
