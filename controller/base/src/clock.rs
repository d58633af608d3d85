//! Time as a parameter: microseconds since the epoch, from a clock that tests set.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};
use time::{OffsetDateTime, format_description::BorrowedFormatItem, macros::format_description};

const SECONDS: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]");
const MICROSECONDS: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]");

const HTTP_DATE: &[BorrowedFormatItem<'_>] =
    format_description!("[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT");

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

    /// `Fri, 20 Nov 2026 15:00:00 GMT`: the form of HTTP's headers (RFC 9110, 5.6.7).
    #[must_use]
    pub fn http_date(self) -> String {
        self.render(HTTP_DATE)
    }

    /// Reads ISO 8601, in its long form or its short one (`20261120T150000Z`), with or without a fraction; without a zone it is UTC.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (date, clock) = text.split_once(['T', ' '])?;
        let zone_at = clock.find(['Z', 'z', '+', '-']).unwrap_or(clock.len());
        let (clock, zone) = clock.split_at_checked(zone_at)?;
        let (whole, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
        let (date, whole) = (digits::<3>(date, '-', &[4, 2, 2])?, digits::<3>(whole, ':', &[2, 2, 2])?);
        let fraction_fits = !fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit());
        let micros: u32 = format!("{fraction:0<6}").get(..6).filter(|_| fraction_fits)?.parse().ok()?;
        let small = |number: u32| u8::try_from(number).ok();
        let month = time::Month::try_from(small(date[1])?).ok()?;
        let day = time::Date::from_calendar_date(i32::try_from(date[0]).ok()?, month, small(date[2])?).ok()?;
        let time = time::Time::from_hms_micro(small(whole[0])?, small(whole[1])?, small(whole[2])?, micros).ok()?;
        let moment = time::PrimitiveDateTime::new(day, time).assume_utc();
        let micros = i64::try_from(moment.unix_timestamp_nanos() / 1000).ok()?;
        Some(Self(micros).plus_seconds(-zone_seconds(zone)?))
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

/// Numbers of these lengths, all with the separator between them or all without.
fn digits<const N: usize>(text: &str, separator: char, lengths: &[usize; N]) -> Option<[u32; N]> {
    let (mut numbers, mut rest) = ([0; N], text);
    let separated = text.contains(separator);
    for (at, length) in lengths.iter().enumerate() {
        if separated && at > 0 {
            rest = rest.strip_prefix(separator)?;
        }
        let (number, after) = rest.split_at_checked(*length)?;
        if !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        (numbers[at], rest) = (number.parse().ok()?, after);
    }
    rest.is_empty().then_some(numbers)
}

/// `Z`, nothing, `+01:00`, `+0100` or `+01`: seconds east of UTC.
fn zone_seconds(zone: &str) -> Option<i64> {
    let (sign, rest) = match zone.chars().next() {
        None => return Some(0),
        Some('Z' | 'z') => return (zone.len() == 1).then_some(0),
        Some('+') => (1, zone.get(1..)?),
        Some(_) => (-1, zone.get(1..)?),
    };
    let [hours, minutes] = match rest.len() {
        2 => [digits::<1>(rest, ':', &[2])?[0], 0],
        _ => digits::<2>(rest, ':', &[2, 2])?,
    };
    (hours < 24 && minutes < 60).then(|| sign * (i64::from(hours) * 3600 + i64::from(minutes) * 60))
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
        assert_eq!(moment.http_date(), "Mon, 21 Sep 2026 14:13:20 GMT");
    }

    #[test]
    fn iso_8601_is_read_in_its_usual_forms() {
        for (text, micros) in [
            ("2026-09-21T14:13:20.000042Z", 1_790_000_000_000_042),
            ("2026-09-21T14:13:20", 1_790_000_000_000_000),
            ("2026-09-21 14:13:20.5", 1_790_000_000_500_000),
            ("20260921T141320Z", 1_790_000_000_000_000),
            ("2026-09-21T15:13:20+01:00", 1_790_000_000_000_000),
            ("2026-09-21T15:43:20+0130", 1_790_000_000_000_000),
            ("2026-09-21T14:13:20.0000421234Z", 1_790_000_000_000_042),
        ] {
            assert_eq!(Timestamp::parse(text), Some(Timestamp(micros)), "{text}");
        }
        for text in [
            "",
            "bad.123Z",
            "2026-13-21T14:13:20Z",
            "2026-09-21T14:13:20.Z",
            "2026-09-21T24:13:20Z",
            "2026-09-21",
            "2026-09-21T14:13:20Zx",
            "2026-9-21T14:13:20",
            "2026-09-21T14:13:20+1",
            "+026-09-21T14:13:20",
            "2026-09-21T14:13:2é",
        ] {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_set_clock_moves_only_when_told() {
        let clock = Clock::set_to(Timestamp(5));
        clock.advance_seconds(2);
        assert_eq!(clock.now(), Timestamp(2_000_005));
    }
}
