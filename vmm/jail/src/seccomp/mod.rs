//! System call filters, one per kind of thread. What is not listed in [`rules`] ends the process.

mod rules;

use rules::{Argument, Rule};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};
use std::collections::BTreeMap;

/// The kinds of threads of a guest's process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thread {
    /// The event loop: shared devices and control.
    Main,
    /// Runs a vCPU.
    Vcpu,
    /// A device that waits for files.
    Device,
}

/// A filter could not be made or set.
#[derive(Debug, thiserror::Error)]
pub enum SeccompError {
    /// The rules make no program.
    #[error("the rules make no filter")]
    Compile(#[from] seccompiler::BackendError),
    /// The kernel refused.
    #[error("the kernel refused the filter")]
    Install(#[from] seccompiler::Error),
}

/// Puts the filter of its kind on the calling thread and on the threads that it starts from now on.
///
/// # Errors
/// When the kernel has no seccomp filters.
pub fn enter(thread: Thread) -> Result<(), SeccompError> {
    Ok(seccompiler::apply_filter(&program(thread, SeccompAction::KillProcess)?)?)
}

fn program(thread: Thread, otherwise: SeccompAction) -> Result<BpfProgram, SeccompError> {
    let process = u64::from(std::process::id());
    let mut map: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    for rule in rules::of(thread) {
        let conditions = map.entry(rule.call).or_default();
        if let Some(condition) = condition(rule, process)? {
            conditions.push(SeccompRule::new(vec![condition])?);
        }
    }
    Ok(SeccompFilter::new(map, otherwise, SeccompAction::Allow, std::env::consts::ARCH.try_into()?)?.try_into()?)
}

fn condition(rule: &Rule, process: u64) -> Result<Option<SeccompCondition>, SeccompError> {
    let compare = |index, operator, value| SeccompCondition::new(index, SeccompCmpArgLen::Dword, operator, value);
    Ok(match rule.argument {
        Argument::Any => None,
        Argument::Equals(index, value) => Some(compare(index, SeccompCmpOp::Eq, value)?),
        Argument::Clear(index, bits) => Some(compare(index, SeccompCmpOp::MaskedEq(bits), 0)?),
        Argument::OwnProcess(index) => Some(compare(index, SeccompCmpOp::Eq, process)?),
    })
}

#[cfg(test)]
#[expect(unsafe_code, reason = "a system call without a wrapper")]
mod tests {
    use super::*;
    use seccompiler::{apply_filter, sock_filter};

    /// Runs `work` on a thread under the filter of `thread`, where what is refused fails with EPERM instead of ending the process.
    fn under<T: Send>(thread: Thread, work: impl FnOnce() -> T + Send) -> T {
        let program: Vec<sock_filter> = program(thread, SeccompAction::Errno(libc::EPERM as u32)).unwrap();
        std::thread::scope(|scope| {
            let run = || {
                nix::sys::prctl::set_no_new_privs().unwrap();
                apply_filter(&program).unwrap();
                work()
            };
            scope.spawn(run).join().unwrap()
        })
    }

    #[test]
    fn files_cannot_be_opened_by_any_thread() {
        for thread in [Thread::Main, Thread::Vcpu, Thread::Device] {
            let error = under(thread, || std::fs::File::open("/dev/null").unwrap_err());
            assert_eq!(error.raw_os_error(), Some(libc::EPERM), "{thread:?}");
        }
    }

    #[test]
    fn memory_and_events_work_on_every_thread() {
        for thread in [Thread::Main, Thread::Vcpu, Thread::Device] {
            let sum = under(thread, || {
                let large = vec![1_u8; 4 << 20];
                std::thread::yield_now();
                large.iter().map(|byte| u64::from(*byte)).sum::<u64>()
            });
            assert_eq!(sum, 4 << 20, "{thread:?}");
        }
    }

    #[test]
    fn only_own_threads_can_be_signalled() {
        let ask = |process: i32, thread: i32| {
            under(Thread::Main, move || {
                // SAFETY: no pointer is passed, and the signal 0 only asks.
                let result = unsafe { libc::syscall(libc::SYS_tgkill, process, thread, 0) };
                nix::errno::Errno::result(result).map(drop)
            })
        };
        let (own, thread, parent) = (nix::unistd::getpid(), nix::unistd::gettid(), nix::unistd::getppid());
        assert_eq!(ask(own.as_raw(), thread.as_raw()), Ok(()));
        assert_eq!(ask(parent.as_raw(), parent.as_raw()), Err(nix::errno::Errno::EPERM));
    }

    #[test]
    fn every_rule_has_a_reason() {
        for thread in [Thread::Main, Thread::Vcpu, Thread::Device] {
            assert!(rules::of(thread).all(|rule| !rule.reason.is_empty()), "{thread:?}");
        }
    }
}
