//! How long the machine runs and how busy it is, as uptime(1) says it: OpenStack's clients take that line apart.

use std::{
    fs,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// The line, from the kernel's own files; what cannot be read is left at nothing.
#[must_use]
pub fn line() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    render(now, &read("/proc/uptime"), &read("/proc/loadavg"), users(Path::new("/run/utmp")))
}

/// Time of day (UTC), time since the start, users, and the load of 1, 5 and 15 minutes.
fn render(now: Duration, uptime: &str, load: &str, users: usize) -> String {
    let of_day = now.as_secs() % 86_400;
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    let up = uptime.split(['.', ' ']).next().and_then(|seconds| seconds.parse::<u64>().ok()).unwrap_or_default();
    let (days, hours, minutes) = (up / 86_400, up / 3600 % 24, up / 60 % 60);
    let days = match days {
        0 => String::new(),
        1 => "1 day, ".to_owned(),
        days => format!("{days} days, "),
    };
    let rest = if hours == 0 { format!("{minutes} min") } else { format!("{hours:2}:{minutes:02}") };
    let load = load.split_whitespace().take(3).collect::<Vec<_>>().join(", ");
    let plural = if users == 1 { "" } else { "s" };
    format!(" {hour:02}:{minute:02}:{second:02} up {days}{rest},  {users} user{plural},  load average: {load}")
}

/// Logins that utmp(5) knows: records of 384 bytes, of which type 7 is a user's.
fn users(utmp: &Path) -> usize {
    let records = fs::read(utmp).unwrap_or_default();
    records.chunks_exact(384).filter(|record| record.starts_with(&[7, 0])).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_as_uptime_says_it() {
        let at = |uptime: &str, users| {
            render(Duration::from_secs(86_400 * 3 + 30_731), uptime, "0.20 0.12 0.14 1/80 9", users)
        };
        assert_eq!(at("8101500.07 9.9", 12), " 08:32:11 up 93 days, 18:25,  12 users,  load average: 0.20, 0.12, 0.14");
        assert_eq!(at("90060.07 9.9", 1), " 08:32:11 up 1 day,  1:01,  1 user,  load average: 0.20, 0.12, 0.14");
        assert_eq!(at("300.07 9.9", 0), " 08:32:11 up 5 min,  0 users,  load average: 0.20, 0.12, 0.14");
        assert!(line().contains(" up "));
    }

    #[test]
    fn users_are_counted() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("utmp");
        let mut records = vec![0; 3 * 384];
        (records[0], records[384]) = (7, 8);
        fs::write(&path, records).unwrap();
        assert_eq!((users(&path), users(Path::new("/nonexistent"))), (1, 0));
    }
}
