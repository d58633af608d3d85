//! What is asked of a server: pure transitions, refused where the state does not allow them.

use super::model::{Fault, Server, TaskState, VmState, Wanted};
use controller_base::Timestamp;

/// A change that the server's state does not allow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotNow {
    /// Not in this state of life.
    #[error("Cannot '{action}' instance {id} while it is in vm_state {state}")]
    State {
        /// What was asked.
        action: &'static str,
        /// The server.
        id: String,
        /// Its state.
        state: &'static str,
    },
    /// Not while something else is being done.
    #[error("Cannot '{action}' instance {id} while it is in task_state {task}")]
    Task {
        /// What was asked.
        action: &'static str,
        /// The server.
        id: String,
        /// What is being done.
        task: &'static str,
    },
    /// It never ran.
    #[error("Cannot '{action}' instance {id} while instance is not launched")]
    NotLaunched {
        /// What was asked.
        action: &'static str,
        /// The server.
        id: String,
    },
}

/// Starts a stopped server.
///
/// # Errors
/// It is not stopped.
pub fn start(server: &Server, now: Timestamp) -> Result<Server, NotNow> {
    allowed(server, "start", &[VmState::Stopped], &[])?;
    Ok(powered(server, TaskState::PoweringOn, true, false, now))
}

/// Stops a running server; its guest is asked first.
///
/// # Errors
/// It does not run.
pub fn stop(server: &Server, now: Timestamp) -> Result<Server, NotNow> {
    allowed(server, "stop", &[VmState::Active, VmState::Error], &[])?;
    Ok(powered(server, TaskState::PoweringOff, false, false, now))
}

/// Restarts it. A hard one may overtake a reboot that is under way, and brings back a server in any state.
///
/// # Errors
/// Its state does not allow it.
pub fn reboot(server: &Server, hard: bool, now: Timestamp) -> Result<Server, NotNow> {
    if hard {
        let overtakes = [TaskState::Rebooting, TaskState::RebootingHard, TaskState::PoweringOff, TaskState::PoweringOn];
        allowed(server, "reboot", &[VmState::Active, VmState::Stopped, VmState::Error], &overtakes)?;
        return Ok(powered(server, TaskState::RebootingHard, true, true, now));
    }
    allowed(server, "reboot", &[VmState::Active], &[])?;
    Ok(powered(server, TaskState::Rebooting, true, false, now))
}

/// Begins its deletion; in every state.
#[must_use]
pub fn delete(server: &Server, now: Timestamp) -> Server {
    Server { task: Some(TaskState::Deleting), task_since: Some(now), updated_at: now, ..withdraw(server) }
}

/// Its host shall have it from now on, and may have something of it until it says that it has not.
#[must_use]
pub fn publish(server: &Server, now: Timestamp) -> Server {
    Server {
        gone: false,
        task: Some(TaskState::Spawning),
        task_since: Some(now),
        updated_at: now,
        desired: Wanted { published: true, ..server.desired },
        ..server.clone()
    }
}

/// Its host shall not have it any longer. One that was never published is gone already.
#[must_use]
pub fn withdraw(server: &Server) -> Server {
    Server {
        desired: Wanted { published: false, generation: server.desired.generation.next(), ..server.desired },
        ..server.clone()
    }
}

/// Something that was under way failed. A server that is being deleted goes on being deleted.
#[must_use]
pub fn fail(server: &Server, message: &str, details: &str, now: Timestamp) -> Server {
    let deleting = server.task == Some(TaskState::Deleting);
    let (task, task_since) = if deleting { (server.task, server.task_since) } else { (None, None) };
    Server {
        state: VmState::Error,
        task,
        task_since,
        fault: Some(Fault { code: 500, message: message.to_owned(), details: details.to_owned(), created: now }),
        updated_at: now,
        ..server.clone()
    }
}

/// Deleted for its tenant; whether its host still has something of it is `gone`'s business.
#[must_use]
pub fn deleted(server: &Server, now: Timestamp) -> Server {
    Server {
        state: VmState::Deleted,
        task: None,
        task_since: None,
        deleted_at: server.deleted_at.or(Some(now)),
        updated_at: now,
        ..server.clone()
    }
}

/// An administrator sets the state. For `active` its host is told to run it, so that the word comes true.
#[must_use]
pub fn reset(server: &Server, state: VmState, now: Timestamp) -> Server {
    let next = Server { state, task: None, task_since: None, fault: None, updated_at: now, ..server.clone() };
    if state != VmState::Active {
        // Its host is asked nothing: its answer would bring the server back at once.
        return next;
    }
    let generation = server.desired.generation.next();
    let desired = Wanted { running: true, generation, power_generation: generation, ..server.desired };
    Server { desired, ..next }
}

/// Something that its host tells the guest (metadata, name) changed.
#[must_use]
pub fn retold(mut server: Server, now: Timestamp) -> Server {
    server.updated_at = now;
    server.desired.generation = server.desired.generation.next();
    server
}

fn powered(server: &Server, task: TaskState, running: bool, hard: bool, now: Timestamp) -> Server {
    let generation = server.desired.generation.next();
    Server {
        task: Some(task),
        task_since: Some(now),
        updated_at: now,
        fault: None,
        desired: Wanted {
            running,
            hard,
            boot_count: server.desired.boot_count + u64::from(running),
            generation,
            power_generation: generation,
            ..server.desired
        },
        ..server.clone()
    }
}

fn allowed(server: &Server, action: &'static str, states: &[VmState], tasks: &[TaskState]) -> Result<(), NotNow> {
    let id = server.id.to_string();
    if !states.contains(&server.state) {
        let state = server.state.as_str();
        return Err(NotNow::State { action, id, state });
    }
    if let Some(task) = server.task.filter(|task| !tasks.contains(task)) {
        let task = task.as_str();
        return Err(NotNow::Task { action, id, task });
    }
    if server.launched_at.is_none() {
        return Err(NotNow::NotLaunched { action, id });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::samples::server;
    use super::*;

    const NOW: Timestamp = Timestamp(5);

    fn with(state: VmState, task: Option<TaskState>) -> Server {
        Server { state, task, ..server() }
    }

    #[test]
    fn each_change_has_its_states() {
        let (active, stopped) = (with(VmState::Active, None), with(VmState::Stopped, None));
        let error = with(VmState::Error, None);
        assert!(start(&stopped, NOW).is_ok() && start(&active, NOW).is_err() && start(&error, NOW).is_err());
        assert!(stop(&active, NOW).is_ok() && stop(&stopped, NOW).is_err());
        assert!(reboot(&active, false, NOW).is_ok() && reboot(&stopped, false, NOW).is_err());
        assert!(reboot(&stopped, true, NOW).is_ok() && reboot(&error, true, NOW).is_ok());
    }

    #[test]
    fn a_task_under_way_is_in_the_way_but_not_of_a_hard_reboot() {
        let rebooting = with(VmState::Active, Some(TaskState::Rebooting));
        let refusal = stop(&rebooting, NOW).unwrap_err();
        assert_eq!(
            refusal.to_string(),
            format!("Cannot 'stop' instance {} while it is in task_state rebooting", rebooting.id)
        );
        assert!(reboot(&rebooting, true, NOW).is_ok());
        assert!(reboot(&with(VmState::Active, Some(TaskState::Deleting)), true, NOW).is_err());
    }

    #[test]
    fn what_never_ran_cannot_be_restarted() {
        let unborn = Server { launched_at: None, ..with(VmState::Error, None) };
        assert!(matches!(reboot(&unborn, true, NOW), Err(NotNow::NotLaunched { .. })));
    }

    #[test]
    fn power_changes_are_told_to_the_host_with_a_new_number() {
        let before = with(VmState::Stopped, None);
        let after = start(&before, NOW).unwrap();
        assert!(after.desired.running && after.desired.boot_count == before.desired.boot_count + 1);
        assert!(after.desired.generation > before.desired.generation);
        assert_eq!(after.desired.power_generation, after.desired.generation);
        let off = stop(&with(VmState::Active, None), NOW).unwrap();
        assert!(!off.desired.running);
        assert_eq!(off.desired.boot_count, before.desired.boot_count);
    }

    #[test]
    fn a_failing_deletion_stays_a_deletion() {
        let failing = fail(&delete(&server(), NOW), "a", "b", NOW);
        assert_eq!((failing.state, failing.task), (VmState::Error, Some(TaskState::Deleting)));
    }
}
