//! A host's update, and what comes next. Pure.

use controller_base::{Timestamp, id::HostId};

/// How long a host may be silent about its update: fetching, installing and starting again on a slow machine.
const PATIENCE_SECONDS: i64 = 45 * 60;

/// A host that shall run a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The host.
    pub host: HostId,
    /// The version.
    pub version: String,
    /// Its turn: the lowest first.
    pub place: i64,
    /// How far it is.
    pub state: State,
    /// Why it failed or was stopped; may be empty.
    pub reason: String,
    /// When the state was entered.
    pub changed_at: Timestamp,
}

/// How far a host's update is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Another host comes first.
    Waiting,
    /// The host shall, and has not said anything yet.
    Ordered,
    /// It fetches the bundle.
    Fetching,
    /// It writes it beside what runs.
    Installing,
    /// It starts again.
    Restarting,
    /// It runs the version, which was not found healthy yet.
    Trial,
    /// The version stays.
    Done,
    /// It does not run the version, and will not.
    Failed,
    /// An operator, or another host's failure, stopped it.
    Stopped,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Waiting,
        Self::Ordered,
        Self::Fetching,
        Self::Installing,
        Self::Restarting,
        Self::Trial,
        Self::Done,
        Self::Failed,
        Self::Stopped,
    ];

    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Ordered => "ordered",
            Self::Fetching => "fetching",
            Self::Installing => "installing",
            Self::Restarting => "restarting",
            Self::Trial => "trial",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
        }
    }

    /// Whether the host is at it.
    #[must_use]
    pub fn active(self) -> bool {
        matches!(self, Self::Ordered | Self::Fetching | Self::Installing | Self::Restarting | Self::Trial)
    }

    /// Whether nothing more becomes of it.
    #[must_use]
    pub fn ended(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Stopped)
    }
}

/// What is to be done now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing: a host is at it, or none is left.
    Nothing,
    /// It is this host's turn.
    Tell(HostId),
    /// This host has been silent for too long.
    GiveUp(HostId),
    /// This host failed: the others' turn does not come.
    Stop(HostId),
}

/// Looks at all orders in the order of their places.
pub(super) fn next(orders: &[Order], now: Timestamp) -> Next {
    let waiting = orders.iter().find(|order| order.state == State::Waiting);
    if let Some(order) = orders.iter().find(|order| order.state.active()) {
        let late = order.changed_at.plus_seconds(PATIENCE_SECONDS) < now;
        return if late { Next::GiveUp(order.host) } else { Next::Nothing };
    }
    let Some(waiting) = waiting else { return Next::Nothing };
    // Places of one roll follow each other; what ended before it has lower ones.
    let before = orders.iter().filter(|order| order.place < waiting.place && order.version == waiting.version);
    match before.max_by_key(|order| order.place) {
        Some(failed) if failed.state == State::Failed && failed.place + 1 == waiting.place => Next::Stop(failed.host),
        _ => Next::Tell(waiting.host),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn orders(states: &[State]) -> Vec<Order> {
        let order = |(place, state): (i64, &State)| Order {
            host: HostId::random(),
            version: "2".to_owned(),
            place,
            state: *state,
            reason: String::new(),
            changed_at: Timestamp(0),
        };
        (0..).zip(states).map(order).collect()
    }

    #[test]
    fn one_host_at_a_time_in_order() {
        let mut all = orders(&[State::Waiting, State::Waiting]);
        assert_eq!(next(&all, Timestamp(1)), Next::Tell(all[0].host));
        for state in State::ALL.into_iter().filter(|state| state.active()) {
            all[0].state = state;
            assert_eq!(next(&all, Timestamp(1)), Next::Nothing, "{state:?}");
        }
        all[0].state = State::Done;
        assert_eq!(next(&all, Timestamp(1)), Next::Tell(all[1].host));
        all[1].state = State::Done;
        assert_eq!(next(&all, Timestamp(1)), Next::Nothing);
    }

    #[test]
    fn none_after_one_that_failed_or_says_nothing() {
        let mut all = orders(&[State::Restarting, State::Waiting]);
        let late = Timestamp(0).plus_seconds(PATIENCE_SECONDS + 1);
        assert_eq!(next(&all, late), Next::GiveUp(all[0].host));
        all[0].state = State::Failed;
        assert_eq!(next(&all, late), Next::Stop(all[0].host));
        all[1].state = State::Stopped;
        assert_eq!(next(&all, late), Next::Nothing);
    }

    #[test]
    fn an_older_failure_stops_nothing() {
        let mut all = orders(&[State::Failed, State::Waiting]);
        all[1].place = 5;
        assert_eq!(next(&all, Timestamp(1)), Next::Tell(all[1].host));
    }

    #[test]
    fn words_are_different() {
        let words: std::collections::BTreeSet<_> = State::ALL.map(State::word).into();
        assert_eq!(words.len(), State::ALL.len());
    }
}
