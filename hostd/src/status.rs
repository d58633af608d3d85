//! How this host is: what `hostd status` asks the daemon.

use crate::{federation::Connected, identity::Identity};
use hostd_guests::{GuestsHandle, model::State};
use hostd_kit::paths::Layout;
use nix::sys::statvfs::statvfs;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// What there is to say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The id that the controller gave.
    pub host_id: String,
    /// The certificate's SHA-256, as the controller shows it.
    pub fingerprint: String,
    /// Where the controller is.
    pub controller: String,
    /// Whether the stream to it is up.
    pub connected: bool,
    /// Why it is not, in the controller's words where it answers.
    #[serde(default)]
    pub reason: String,
    /// Guests by state, in words.
    pub guests: Vec<(String, usize)>,
    /// The pool's size and what is left of it, bytes.
    pub pool: Option<(u64, u64)>,
}

/// Whoever can tell.
#[derive(Clone)]
pub struct Status {
    guests: GuestsHandle,
    identity: watch::Receiver<Identity>,
    connected: Connected,
    reason: watch::Receiver<String>,
    layout: Layout,
}

impl Status {
    /// Tells of these.
    #[must_use]
    pub fn new(
        guests: GuestsHandle,
        identity: watch::Receiver<Identity>,
        connected: Connected,
        reason: watch::Receiver<String>,
        layout: Layout,
    ) -> Self {
        Self { guests, identity, connected, reason, layout }
    }

    /// The report as JSON.
    #[must_use]
    pub fn text(&self) -> String {
        // Texts and numbers always serialize.
        serde_json::to_string(&self.report()).unwrap_or_default()
    }

    fn report(&self) -> Report {
        let identity = self.identity.borrow().clone();
        let guests = self.guests.board().peek();
        let of = |state| guests.iter().filter(|guest| guest.state == state).count();
        let counted = State::WORDS.map(|(word, state)| (word.to_owned(), of(state))).into_iter();
        Report {
            fingerprint: identity.fingerprint().unwrap_or_default(),
            host_id: identity.host_id,
            controller: identity.url,
            connected: self.connected.borrow().is_some(),
            reason: self.reason.borrow().clone(),
            guests: counted.filter(|(_, count)| *count > 0).collect(),
            pool: pool(&self.layout),
        }
    }
}

/// The size of the pool of disks, and what is left of it, bytes.
#[must_use]
pub fn pool(layout: &Layout) -> Option<(u64, u64)> {
    let volume = statvfs(layout.data()).ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(volume.fragment_size());
    Some((bytes(volume.blocks()), bytes(volume.blocks_available())))
}
