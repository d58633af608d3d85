//! What all guests' actors share.

use crate::{GuestPorts, GuestsConfig, board::Board, process::find::Scope, uids::Uids};
use hostd_images::Cache;
use hostd_kit::paths::Layout;
use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};
use tokio::sync::Notify;

/// What all guests' actors share.
pub(crate) struct Context {
    pub(crate) layout: Layout,
    pub(crate) config: GuestsConfig,
    pub(crate) images: Cache,
    pub(crate) ports: Arc<dyn GuestPorts>,
    pub(crate) board: Arc<Board>,
    pub(crate) uids: Uids,
    pub(crate) scope: Scope,
    /// The host's boot: a process of another one is no more.
    pub(crate) boot_id: String,
    /// The network's objects have changed: a port that was missing may be there.
    pub(crate) ports_changed: Notify,
}

/// Microseconds since the epoch.
pub(crate) fn now() -> i64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(elapsed.as_micros()).unwrap_or(i64::MAX)
}
