//! Each thread's way into its system call filter.

pub use vmm_jail::seccomp::Thread as Kind;

/// Puts the filter on the calling thread if the spec wants filters. Whether the thread may go on.
pub fn enter(kind: Kind, wanted: bool) -> bool {
    let result = if wanted { vmm_jail::seccomp::enter(kind) } else { Ok(()) };
    if let Err(error) = &result {
        crate::log!("no system call filter: {}", crate::log::causes(error));
    }
    result.is_ok()
}
