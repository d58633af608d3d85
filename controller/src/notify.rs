//! Tells systemd that the controller is ready and that it still works (sd_notify(3)), where it asked to be told.

use sd_notify::{NotifyState, notify, watchdog_enabled};
use std::time::Duration;

/// Tells that the controller is ready, and from now on that it works: as long as its tasks get their turns.
pub fn ready() {
    tell(NotifyState::Ready);
    if let Some(period) = watchdog_enabled() {
        tokio::spawn(alive(period / 3));
    }
}

async fn alive(period: Duration) {
    loop {
        tell(NotifyState::Watchdog);
        tokio::time::sleep(period).await;
    }
}

fn tell(state: NotifyState<'_>) {
    if let Err(error) = notify(&[state]) {
        tracing::warn!(%error, "systemd cannot be told how the controller is");
    }
}
