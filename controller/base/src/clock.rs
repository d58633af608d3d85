//! Time as a parameter: microseconds since the epoch, from a clock that tests set.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};
use time::{OffsetDateTime, format_description::BorrowedFormatItem, macros::format_description};

const SECONDS: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]");
const MICROSECONDS: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]");

/// A moment: microseconds since 1970-01-01T00:00:00Z. Stored as BIGINT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// `2026-11-20T15:00:00Z`: the form of compute, image and network.
    #[must_use]
    pub fn seconds_z(self) -> String {
        self.render(SECONDS) + "Z"
    }

    /// `2026-11-20T15:00:00.000000Z`: the form of identity.
    #[must_use]
    pub fn micros_z(self) -> String {
        self.render(MICROSECONDS) + "Z"
    }

    /// `2026-11-20T15:00:00.000000`, without a zone: the form of a few of compute's fields.
    #[must_use]
    pub fn micros_naive(self) -> String {
        self.render(MICROSECONDS)
    }

    /// This moment and so many seconds; saturates.
    #[must_use]
    pub fn plus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(1_000_000)))
    }

    fn render(self, format: &[BorrowedFormatItem<'_>]) -> String {
        let moment =
            OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1000).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        moment.format(format).unwrap_or_default()
    }
}

/// Where the time comes from.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    Set(Arc<AtomicI64>),
}

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands until a test moves it.
    #[must_use]
    pub fn set_to(moment: Timestamp) -> Self {
        Self(Source::Set(Arc::new(AtomicI64::new(moment.0))))
    }

    /// Moves a set clock forward; the machine's clock is left alone.
    pub fn advance_seconds(&self, seconds: i64) {
        if let Source::Set(moment) = &self.0 {
            moment.fetch_add(seconds * 1_000_000, Ordering::Relaxed);
        }
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System => {
                let nanos = OffsetDateTime::now_utc().unix_timestamp_nanos();
                Timestamp(i64::try_from(nanos / 1000).unwrap_or(i64::MAX))
            }
            Source::Set(moment) => Timestamp(moment.load(Ordering::Relaxed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_service_gets_its_form() {
        let moment = Timestamp(1_790_000_000_000_042);
        assert_eq!(moment.seconds_z(), "2026-09-21T14:13:20Z");
        assert_eq!(moment.micros_z(), "2026-09-21T14:13:20.000042Z");
        assert_eq!(moment.micros_naive(), "2026-09-21T14:13:20.000042");
    }

    #[test]
    fn a_set_clock_moves_only_when_told() {
        let clock = Clock::set_to(Timestamp(5));
        clock.advance_seconds(2);
        assert_eq!(clock.now(), Timestamp(2_000_005));
    }
}
