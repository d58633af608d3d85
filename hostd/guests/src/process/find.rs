//! Guests' processes in `/proc`, by what [`super::spawn`] writes into their first argument: `vmm:<scope>:<guest>`.

use crate::record::ProcessId;
use hostd_kit::{ids::GuestId, paths::Layout};
use std::{collections::HashMap, fs};

/// What the first argument of a guest's process starts with.
const PREFIX: &str = "vmm";

/// Tells one hostd's processes from another's on the same machine: the device and inode of its guests' directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope(String);

impl Scope {
    /// The scope of a hostd with this state.
    ///
    /// # Errors
    /// When its directories were not made.
    pub fn of(layout: &Layout) -> std::io::Result<Self> {
        use std::os::unix::fs::MetadataExt;
        let found = fs::metadata(layout.guests())?;
        Ok(Self(format!("{:x}-{:x}", found.dev(), found.ino())))
    }

    /// The first argument of a guest's process.
    pub fn argument(&self, id: &GuestId) -> String {
        format!("{PREFIX}:{}:{id}", self.0)
    }

    /// Every guest's process of this scope.
    #[must_use]
    pub fn processes(&self) -> HashMap<GuestId, Vec<ProcessId>> {
        let mut found: HashMap<GuestId, Vec<ProcessId>> = HashMap::new();
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            if let (Some(id), Some(start_time)) = (self.guest_of(pid), start_time(pid)) {
                found.entry(id).or_default().push(ProcessId { pid, start_time });
            }
        }
        found
    }

    /// The guest whose process this is. A zombie has no arguments and is nobody's.
    fn guest_of(&self, pid: i32) -> Option<GuestId> {
        let arguments = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let first = std::str::from_utf8(arguments.split(|byte| *byte == 0).next()?).ok()?;
        let (scope, id) = first.strip_prefix(PREFIX)?.strip_prefix(':')?.split_once(':')?;
        if scope == self.0 { id.parse().ok() } else { None }
    }
}

/// Clock ticks from the host's boot to the process's start. `None` when it has ended, zombies included.
#[must_use]
pub fn start_time(pid: i32) -> Option<u64> {
    let (state, start_time) = stat(pid)?;
    (!matches!(state, 'Z' | 'X')).then_some(start_time)
}

/// The same of a child that was not waited for: its number is its own even when it has ended.
pub fn start_time_of_child(pid: i32) -> Option<u64> {
    stat(pid).map(|(_, start_time)| start_time)
}

/// State and field 22 of `/proc/<pid>/stat`, counted after the name in brackets.
fn stat(pid: i32) -> Option<(char, u64)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    let state = fields.next()?.chars().next()?;
    Some((state, fields.nth(18)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_by_its_start() {
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(start_time(own).unwrap() > 0);
        assert_eq!(start_time(own), start_time(own));
        assert_eq!(start_time(i32::MAX), None);
    }

    #[test]
    fn a_process_is_known_by_its_first_argument() {
        use std::os::unix::process::CommandExt;
        let (own, other) = (Scope("own".into()), Scope("other".into()));
        let id: GuestId = "11111111-2222-4333-8444-555555555555".parse().unwrap();
        let mut child = std::process::Command::new("sleep").arg0(own.argument(&id)).arg("60").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        // The kernel lets us go on a moment before the child has its arguments.
        let look = |_| {
            std::thread::sleep(std::time::Duration::from_millis(5));
            own.processes().remove(&id)
        };
        let found = (0..1000).find_map(look).unwrap_or_default();
        let found_by_other = other.processes();
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(found.iter().map(|process| process.pid).collect::<Vec<_>>(), [pid]);
        assert!(!found_by_other.contains_key(&id));
        assert!(!own.processes().contains_key(&id));
    }
}
