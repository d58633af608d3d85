//! Keeping a process near one NUMA node: its threads on the node's processors, its memory from the node's.

#![expect(unsafe_code, reason = "a processor set and a memory policy, for the calling thread")]

use std::io;

/// Prefer a node, and take from another one when it is full: the first policy that the kernel has beside the default.
const MPOL_PREFERRED: libc::c_long = 1;
/// Nodes that the mask has room for: what Linux has at most.
const NODES: usize = 1024;
const WORD: usize = u64::BITS as usize;

/// The calling thread, all threads that it starts later, and all memory that they touch first.
///
/// # Errors
/// The node is none, or the process may use none of the processors.
pub fn stay(node: u32, cpus: &[u16]) -> io::Result<()> {
    let running = run_on(cpus);
    prefer(node)?;
    running
}

/// On those of the processors that the thread may run on.
fn run_on(cpus: &[u16]) -> io::Result<()> {
    const SIZE: usize = size_of::<libc::cpu_set_t>();
    // SAFETY: a set of processors is plain bits, for which zero is a value.
    let (mut allowed, mut set): (libc::cpu_set_t, libc::cpu_set_t) =
        unsafe { (std::mem::zeroed(), std::mem::zeroed()) };
    // SAFETY: the set is whole and of the size that is told; 0 is the calling thread.
    if unsafe { libc::sched_getaffinity(0, SIZE, &raw mut allowed) } != 0 {
        return Err(io::Error::last_os_error());
    }
    for cpu in cpus.iter().map(|cpu| usize::from(*cpu)).filter(|cpu| *cpu < 8 * SIZE) {
        // SAFETY: both sets are whole and have a bit for this processor.
        unsafe {
            if libc::CPU_ISSET(cpu, &allowed) {
                libc::CPU_SET(cpu, &mut set);
            }
        }
    }
    // SAFETY: as above.
    let result = unsafe { libc::sched_setaffinity(0, SIZE, &raw const set) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn prefer(node: u32) -> io::Result<()> {
    let mut mask = [0_u64; NODES / WORD];
    let place = usize::try_from(node).unwrap_or(usize::MAX);
    let word = mask.get_mut(place / WORD).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    *word = 1 << (place % WORD);
    // SAFETY: the mask lives through the call and has as many bits as it is told to have; the kernel reads one less.
    let result = unsafe { libc::syscall(libc::SYS_set_mempolicy, MPOL_PREFERRED, mask.as_ptr(), NODES) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed() -> String {
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap().trim().to_owned()
    }

    #[test]
    fn a_thread_stays_with_those_that_it_starts_and_no_other_one_does() {
        let before = allowed();
        let first: u16 = before.split([',', '-']).next().unwrap().parse().unwrap();
        let thread = std::thread::spawn(move || {
            // Some sandboxes know no memory policies.
            let known = |error: &io::Error| !matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EPERM));
            assert!(!stay(0, &[first]).is_err_and(|error| known(&error)));
            let started = std::thread::spawn(allowed).join().unwrap();
            assert_eq!((allowed(), started), (first.to_string(), first.to_string()));
        });
        thread.join().unwrap();
        assert_eq!(allowed(), before);
    }

    #[test]
    fn nowhere_is_refused() {
        std::thread::spawn(|| {
            assert!(stay(0, &[]).is_err());
            assert!(prefer(5000).is_err());
        })
        .join()
        .unwrap();
    }
}
