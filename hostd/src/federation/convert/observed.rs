//! What guests are, outward.

use hostd_guests::model::{Observed, State};
use humilis_proto::federation as wire;

/// A report, of all guests or of those that changed.
#[must_use]
pub fn observed(complete: bool, guests: Vec<Observed>) -> wire::Observed {
    wire::Observed { complete, guests: guests.into_iter().map(guest).collect() }
}

fn guest(guest: Observed) -> wire::ObservedGuest {
    wire::ObservedGuest {
        id: guest.id.to_string(),
        generation: guest.generation,
        state: state(guest.state).into(),
        reason: guest.reason,
        boot_count: guest.boot_count,
        since: guest.since,
    }
}

fn state(state: State) -> wire::GuestState {
    match state {
        State::Preparing => wire::GuestState::Preparing,
        State::Running => wire::GuestState::Running,
        State::Stopped => wire::GuestState::Stopped,
        State::Crashed => wire::GuestState::Crashed,
        State::Failed => wire::GuestState::Failed,
        State::Gone => wire::GuestState::Gone,
    }
}
