//! What a host's observation means for a server: a pure decision.
//!
//! Observations come twice, late and out of order. One that answers an older power change than the last one asked for says
//! nothing; one that repeats what is known changes nothing.

use super::model::{Fault, PowerState, Server, TaskState, VmState};
use controller_base::Timestamp;
use controller_ports::fleet::{GuestState, ObservedGuest};

/// The server as it is after the observation; `None`: nothing changed.
#[must_use]
pub fn react(server: &Server, seen: &ObservedGuest, now: Timestamp) -> Option<Server> {
    if seen.state == GuestState::Gone {
        return gone(server);
    }
    let stale = seen.generation < server.desired.power_generation;
    if !server.desired.published || server.state == VmState::Deleted || stale {
        return None;
    }
    match seen.state {
        GuestState::Running => running(server, seen, now),
        GuestState::Stopped => stopped(server, now),
        GuestState::Crashed => crashed(server, seen, now),
        GuestState::Failed => failed(server, seen, now),
        GuestState::Preparing => preparing(server, now),
        GuestState::Gone => None,
    }
}

/// So often the host's work is noted, microseconds.
const NOTED_EVERY: i64 = 30_000_000;

/// Its host is at work: the time limit of the task starts anew.
fn preparing(server: &Server, now: Timestamp) -> Option<Server> {
    let since = server.task_since.filter(|_| server.task != Some(TaskState::Deleting))?;
    let news = now.0.saturating_sub(since.0) >= NOTED_EVERY;
    news.then(|| Server { task_since: Some(now), ..server.clone() })
}

/// The server after its host no longer lists it.
#[must_use]
pub fn gone(server: &Server) -> Option<Server> {
    let news = !server.desired.published && !server.gone;
    news.then(|| Server { gone: true, ..server.clone() })
}

fn running(server: &Server, seen: &ObservedGuest, now: Timestamp) -> Option<Server> {
    if !server.desired.running || seen.boot_count < server.desired.boot_count {
        return None;
    }
    settled(server, VmState::Active, PowerState::Running, None, now)
        .map(|next| Server { launched_at: next.launched_at.or(Some(now)), ..next })
}

fn stopped(server: &Server, now: Timestamp) -> Option<Server> {
    let on_its_way =
        matches!(server.task, Some(TaskState::PoweringOn | TaskState::Rebooting | TaskState::RebootingHard));
    if server.state == VmState::Building || (on_its_way && server.desired.running) {
        return None;
    }
    settled(server, VmState::Stopped, PowerState::Shutdown, server.fault.clone(), now).map(at_rest)
}

fn crashed(server: &Server, seen: &ObservedGuest, now: Timestamp) -> Option<Server> {
    let fault = fault("The guest ended by itself.", &seen.reason, now);
    if server.state == VmState::Building {
        return settled(server, VmState::Error, PowerState::Crashed, Some(fault), now);
    }
    if !server.desired.running {
        return settled(server, VmState::Stopped, PowerState::Crashed, server.fault.clone(), now);
    }
    settled(server, VmState::Stopped, PowerState::Crashed, Some(fault), now).map(at_rest)
}

fn failed(server: &Server, seen: &ObservedGuest, now: Timestamp) -> Option<Server> {
    let fault = fault("The host could not start the server.", &seen.reason, now);
    settled(server, VmState::Error, PowerState::Unknown, Some(fault), now)
}

/// The state with its task done, unless all of that is known already. A server that is being deleted keeps its task.
fn settled(server: &Server, state: VmState, power: PowerState, fault: Option<Fault>, now: Timestamp) -> Option<Server> {
    let deleting = server.task == Some(TaskState::Deleting);
    if deleting {
        return None;
    }
    if server.state == state && server.power == power && server.task.is_none() {
        return None;
    }
    Some(Server { state, power, fault, task: None, task_since: None, updated_at: now, ..server.clone() })
}

/// A guest that ended by itself is not started again by itself.
fn at_rest(mut server: Server) -> Server {
    if server.desired.running {
        server.desired.running = false;
        server.desired.generation = server.desired.generation.next();
        server.desired.power_generation = server.desired.generation;
    }
    server
}

fn fault(message: &str, reason: &str, now: Timestamp) -> Fault {
    let message = if reason.is_empty() { message.to_owned() } else { format!("{message} {reason}") };
    Fault { code: 500, message, details: reason.to_owned(), created: now }
}

#[cfg(test)]
mod tests {
    use super::super::samples::server;
    use super::*;
    use controller_base::Generation;

    const NOW: Timestamp = Timestamp(9);

    fn seen(state: GuestState, generation: i64, boot_count: u64) -> ObservedGuest {
        ObservedGuest {
            id: server().id,
            generation: Generation(generation),
            state,
            reason: "why".to_owned(),
            boot_count,
            since: Timestamp(0),
        }
    }

    fn building() -> Server {
        let mut server = server();
        server.state = VmState::Building;
        server.task = Some(TaskState::Spawning);
        server.task_since = Some(Timestamp(0));
        server.power = PowerState::Unknown;
        server.launched_at = None;
        server
    }

    /// Active since its first boot.
    fn active() -> Server {
        react(&building(), &seen(GuestState::Running, 1, 1), NOW).unwrap()
    }

    fn with_task(task: TaskState, running: bool, boot_count: u64) -> Server {
        let mut server = active();
        server.task = Some(task);
        server.desired.running = running;
        server.desired.boot_count = boot_count;
        server.desired.generation = Generation(2);
        server.desired.power_generation = Generation(2);
        server
    }

    #[test]
    fn a_build_ends_when_the_guest_runs() {
        let done = active();
        assert_eq!((done.state, done.task, done.power), (VmState::Active, None, PowerState::Running));
        assert_eq!(done.launched_at, Some(NOW));
        assert_eq!(react(&done, &seen(GuestState::Running, 1, 1), Timestamp(10)), None, "twice is once");
    }

    #[test]
    fn a_build_that_fails_says_why() {
        let failed = react(&building(), &seen(GuestState::Failed, 1, 0), NOW).unwrap();
        assert_eq!(failed.state, VmState::Error);
        assert_eq!(failed.fault.unwrap().message, "The host could not start the server. why");
        assert_eq!(react(&building(), &seen(GuestState::Preparing, 1, 0), NOW), None);
        let late = Timestamp(60_000_000);
        let noted = react(&building(), &seen(GuestState::Preparing, 1, 0), late).unwrap();
        assert_eq!((noted.task_since, noted.state), (Some(late), VmState::Building));
        assert_eq!(react(&building(), &seen(GuestState::Stopped, 1, 0), NOW), None);
    }

    #[test]
    fn a_stop_ends_when_it_is_answered_and_not_before() {
        let stopping = with_task(TaskState::PoweringOff, false, 1);
        assert_eq!(react(&stopping, &seen(GuestState::Running, 1, 1), NOW), None);
        assert_eq!(react(&stopping, &seen(GuestState::Running, 2, 1), NOW), None);
        assert_eq!(react(&stopping, &seen(GuestState::Stopped, 1, 1), NOW), None, "an older answer");
        let stopped = react(&stopping, &seen(GuestState::Stopped, 2, 1), NOW).unwrap();
        assert_eq!((stopped.state, stopped.task, stopped.power), (VmState::Stopped, None, PowerState::Shutdown));
    }

    #[test]
    fn a_reboot_ends_with_the_boot_that_was_asked_for() {
        let rebooting = with_task(TaskState::RebootingHard, true, 2);
        assert_eq!(react(&rebooting, &seen(GuestState::Running, 2, 1), NOW), None);
        assert_eq!(react(&rebooting, &seen(GuestState::Stopped, 2, 1), NOW), None);
        let done = react(&rebooting, &seen(GuestState::Running, 2, 2), NOW).unwrap();
        assert_eq!((done.state, done.task), (VmState::Active, None));
    }

    #[test]
    fn a_guest_that_ends_by_itself_stays_off() {
        for (state, power) in [(GuestState::Stopped, PowerState::Shutdown), (GuestState::Crashed, PowerState::Crashed)]
        {
            let off = react(&active(), &seen(state, 1, 1), NOW).unwrap();
            assert_eq!((off.state, off.power, off.desired.running), (VmState::Stopped, power, false));
            assert_eq!(off.desired.generation, Generation(2));
            assert_eq!(off.fault.is_some(), state == GuestState::Crashed);
        }
    }

    #[test]
    fn an_error_is_mended_when_the_guest_is_seen_running() {
        let failed = react(&active(), &seen(GuestState::Failed, 1, 1), NOW).unwrap();
        assert_eq!(failed.state, VmState::Error);
        let mended = react(&failed, &seen(GuestState::Running, 1, 1), NOW).unwrap();
        assert_eq!((mended.state, mended.fault), (VmState::Active, None));
    }

    #[test]
    fn only_a_server_that_shall_go_can_be_gone() {
        assert_eq!(react(&active(), &seen(GuestState::Gone, 1, 1), NOW), None);
        let mut deleting = with_task(TaskState::Deleting, true, 1);
        deleting.desired.published = false;
        assert_eq!(react(&deleting, &seen(GuestState::Running, 2, 1), NOW), None);
        assert!(react(&deleting, &seen(GuestState::Gone, 2, 1), NOW).unwrap().gone);
    }
}
