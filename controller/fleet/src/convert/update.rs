//! How far a host's update is.

use crate::update::State;
use humilis_proto::federation::{UpdateProgress, UpdateState};

/// Version, state and reason; none where a newer host says what this controller does not know.
pub(crate) fn update_progress(progress: UpdateProgress) -> Option<(String, State, String)> {
    let state = match progress.state() {
        UpdateState::Unspecified => return None,
        UpdateState::Fetching => State::Fetching,
        UpdateState::Installing => State::Installing,
        UpdateState::Restarting => State::Restarting,
        UpdateState::Trial => State::Trial,
        UpdateState::Done => State::Done,
        UpdateState::Failed => State::Failed,
    };
    Some((progress.version, state, progress.reason))
}
