//! The machine goes down: every guest is asked to power itself off, as a person would at its button, and one that does not in time is
//! ended with its disks flushed. For when no hostd runs: the guests are to run again after the machine's next start, and nobody
//! shall take their end for a wish of theirs.

use crate::{
    process::{control::Control, find::Scope, live::Live},
    record::ProcessId,
};
use hostd_kit::{ids::GuestId, paths::Layout};
use std::{io, time::Duration};
use tokio::{task::JoinSet, time::timeout};
use vmm_control::message::Request;

/// How long a guest's process may take to flush and end.
const FLUSH: Duration = Duration::from_secs(10);

/// How guests ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// By themselves.
    pub gracefully: usize,
    /// By us.
    pub forced: usize,
}

/// Ends all guests of a host; returns when the last is gone.
///
/// # Errors
/// When the guests' directory cannot be read.
pub async fn shut_down(layout: &Layout, grace: Duration) -> io::Result<Ended> {
    let mut guests = JoinSet::new();
    for (id, processes) in Scope::of(layout)?.processes() {
        for process in processes {
            guests.spawn(end(layout.clone(), id.clone(), process, grace));
        }
    }
    let mut ended = Ended::default();
    while let Some(graceful) = guests.join_next().await {
        match graceful {
            Ok(true) => ended.gracefully += 1,
            Ok(false) | Err(_) => ended.forced += 1,
        }
    }
    Ok(ended)
}

/// True when it ended by itself.
async fn end(layout: Layout, id: GuestId, process: ProcessId, grace: Duration) -> bool {
    // One that is not there any more has ended by itself.
    let Ok(live) = Live::open(process) else { return true };
    let asked = async {
        let mut control = Control::connect(&layout.guest(&id).control()).await?;
        control.send(&[Request::PowerButton]).await?;
        Ok::<_, io::Error>(control)
    };
    let mut control = asked.await.ok();
    if control.is_some() && timeout(grace, live.exited()).await.is_ok() {
        return true;
    }
    tracing::warn!(guest = %id, "a guest did not power itself off; it is ended");
    if let Some(control) = &mut control
        && control.send(&[Request::Quit]).await.is_ok()
        && timeout(FLUSH, live.exited()).await.is_ok()
    {
        return false;
    }
    live.kill();
    live.exited().await;
    false
}
