//! The cgroup around a guest's process, for hostd: version 2 where the host has it, else the version 1 controllers that it mounts.
//!
//! A group is `<parent>/<name>` below each mount. hostd's own unit must have the controllers delegated (`Delegate=yes`).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Where Linux distributions mount cgroups.
const MOUNT: &str = "/sys/fs/cgroup";
const CONTROLLERS: [&str; 3] = ["memory", "cpu", "pids"];
/// The period of a CPU quota in microseconds.
const PERIOD: u64 = 100_000;

/// What a guest's process may use of the host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Memory in bytes, the guest's and the process's own.
    pub memory: Option<u64>,
    /// Processor time in hundredths of a processor.
    pub cpu_percent: Option<u64>,
    /// Threads.
    pub pids: Option<u64>,
}

/// A cgroup that could not be worked on.
#[derive(Debug, thiserror::Error)]
pub enum CgroupError {
    /// The host mounts no cgroups.
    #[error("no cgroups below {0}")]
    NotMounted(PathBuf),
    /// A name that leaves the parent.
    #[error("{0:?} is no name of a cgroup")]
    Name(String),
    /// The kernel refused.
    #[error("cannot write {path}")]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// How the kernel answered.
        source: io::Error,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

/// One guest's cgroup: a folder in version 2, one per controller in version 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cgroup {
    version: Version,
    folders: Vec<PathBuf>,
}

/// Makes the cgroup `name` in `parent`, or takes it over when it exists, and sets its limits.
///
/// # Errors
/// When the host has no cgroups or refuses a limit.
pub fn create(parent: &str, name: &str, limits: Limits) -> Result<Cgroup, CgroupError> {
    create_below(Path::new(MOUNT), parent, name, limits)
}

/// The cgroup `name` in `parent`, which an earlier hostd made.
///
/// # Errors
/// When the host has no cgroups.
pub fn open(parent: &str, name: &str) -> Result<Cgroup, CgroupError> {
    locate(Path::new(MOUNT), parent, name)
}

fn create_below(mount: &Path, parent: &str, name: &str, limits: Limits) -> Result<Cgroup, CgroupError> {
    let group = locate(mount, parent, name)?;
    for folder in &group.folders {
        fs::create_dir_all(folder).map_err(|source| CgroupError::Write { path: folder.clone(), source })?;
    }
    if group.version == Version::Two {
        delegate(mount, parent)?;
    }
    group.limit(limits)?;
    Ok(group)
}

fn locate(mount: &Path, parent: &str, name: &str) -> Result<Cgroup, CgroupError> {
    let plain = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.contains('\0');
    if !plain(name) || name.contains('/') || !parent.split('/').all(plain) {
        return Err(CgroupError::Name(format!("{parent}/{name}")));
    }
    let below = |root: PathBuf| root.join(parent).join(name);
    let unified = fs::read_to_string(mount.join("cgroup.controllers")).unwrap_or_default();
    if unified.split_whitespace().any(|controller| controller == "memory") {
        return Ok(Cgroup { version: Version::Two, folders: vec![below(mount.to_path_buf())] });
    }
    let mounted = CONTROLLERS.iter().map(|controller| mount.join(controller)).filter(|root| root.is_dir());
    let folders: Vec<_> = mounted.map(below).collect();
    if folders.is_empty() {
        return Err(CgroupError::NotMounted(mount.to_path_buf()));
    }
    Ok(Cgroup { version: Version::One, folders })
}

/// Hands the controllers down to `parent`'s children.
fn delegate(mount: &Path, parent: &str) -> Result<(), CgroupError> {
    let mut folder = mount.to_path_buf();
    for part in [""].into_iter().chain(parent.split('/')) {
        folder.push(part);
        write(&folder.join("cgroup.subtree_control"), "+memory +cpu +pids")?;
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<(), CgroupError> {
    fs::write(path, text).map_err(|source| CgroupError::Write { path: path.to_path_buf(), source })
}

impl Cgroup {
    /// Puts a process with all its threads into the group.
    ///
    /// # Errors
    /// When the process is gone or the kernel refuses.
    pub fn add(&self, process: u32) -> Result<(), CgroupError> {
        self.folders.iter().try_for_each(|folder| write(&folder.join("cgroup.procs"), &process.to_string()))
    }

    /// Removes the group. A group that is gone already is no error.
    ///
    /// # Errors
    /// When a process is still in it.
    pub fn remove(&self) -> Result<(), CgroupError> {
        for folder in &self.folders {
            match fs::remove_dir(folder) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    return Err(CgroupError::Write { path: folder.clone(), source });
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn limit(&self, limits: Limits) -> Result<(), CgroupError> {
        self.settings(limits).into_iter().try_for_each(|(path, value)| write(&path, &value))
    }

    /// The files to write, in order.
    fn settings(&self, limits: Limits) -> Vec<(PathBuf, String)> {
        let quota = limits.cpu_percent.map(|percent| percent * PERIOD / 100);
        let number = |limit: Option<u64>, none: &str| limit.map_or(none.to_owned(), |limit| limit.to_string());
        let (unlimited, memory_unlimited, files): (_, _, [&str; 3]) = match self.version {
            Version::Two => ("max", "max", ["memory.max", "cpu.max", "pids.max"]),
            Version::One => ("max", "-1", ["memory.limit_in_bytes", "cpu.cfs_quota_us", "pids.max"]),
        };
        let cpu = match self.version {
            Version::Two => format!("{} {PERIOD}", number(quota, "max")),
            Version::One => number(quota, "-1"),
        };
        let values = [number(limits.memory, memory_unlimited), cpu, number(limits.pids, unlimited)];
        let place = |controller: &str, file: &str| match self.version {
            Version::Two => self.folders.first().map(|folder| folder.join(file)),
            Version::One => {
                self.folders.iter().find(|folder| names(folder, controller)).map(|folder| folder.join(file))
            }
        };
        let placed = CONTROLLERS.iter().zip(files).map(|(controller, file)| place(controller, file)).zip(values);
        placed.filter_map(|(path, value)| Some((path?, value))).collect()
    }
}

/// Whether a version 1 folder belongs to a controller's mount.
fn names(folder: &Path, controller: &str) -> bool {
    folder.iter().any(|part| part == controller)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { memory: Some(1 << 30), cpu_percent: Some(250), pids: None };

    fn settings(mount: &Path) -> Vec<(String, String)> {
        let group = locate(mount, "humilis", "g1").unwrap();
        let relative = |path: PathBuf| path.strip_prefix(mount).unwrap().display().to_string();
        group.settings(LIMITS).into_iter().map(|(path, value)| (relative(path), value)).collect()
    }

    fn pairs(expected: [(&str, &str); 3]) -> Vec<(String, String)> {
        expected.map(|(path, value)| (path.to_owned(), value.to_owned())).into()
    }

    #[test]
    fn version_two_is_one_folder() {
        let mount = tempfile::tempdir().unwrap();
        fs::write(mount.path().join("cgroup.controllers"), "cpu memory pids").unwrap();
        let expected = [
            ("humilis/g1/memory.max", "1073741824"),
            ("humilis/g1/cpu.max", "250000 100000"),
            ("humilis/g1/pids.max", "max"),
        ];
        assert_eq!(settings(mount.path()), pairs(expected));
    }

    #[test]
    fn version_one_is_a_folder_per_controller() {
        let mount = tempfile::tempdir().unwrap();
        for controller in ["memory", "cpu", "pids", "devices"] {
            fs::create_dir(mount.path().join(controller)).unwrap();
        }
        let expected = [
            ("memory/humilis/g1/memory.limit_in_bytes", "1073741824"),
            ("cpu/humilis/g1/cpu.cfs_quota_us", "250000"),
            ("pids/humilis/g1/pids.max", "max"),
        ];
        assert_eq!(settings(mount.path()), pairs(expected));
    }

    #[test]
    fn a_name_cannot_leave_its_parent() {
        for (parent, name) in [("humilis", "../x"), ("humilis", ""), ("../..", "x"), ("humilis", "a/b"), ("", "x")] {
            assert!(matches!(locate(Path::new(MOUNT), parent, name), Err(CgroupError::Name(_))), "{parent} {name}");
        }
    }

    #[test]
    fn a_group_takes_a_process_and_goes_again() {
        let name = format!("jail-test-{}", std::process::id());
        let Ok(group) = create("humilis-test", &name, LIMITS) else {
            // Without the right to make cgroups there is nothing to see.
            return;
        };
        let mut process = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        group.add(process.id()).unwrap();
        assert!(group.remove().is_err(), "a group with a process must stay");
        process.kill().unwrap();
        process.wait().unwrap();
        assert!((0..100).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(20));
            group.remove().is_ok()
        }));
        assert!(group.folders.iter().all(|folder| !folder.exists()));
        for folder in &group.folders {
            fs::remove_dir(folder.parent().unwrap()).unwrap();
        }
    }
}
