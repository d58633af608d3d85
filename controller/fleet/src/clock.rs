//! How far hosts' clocks are from this controller's, asked over their streams.
//!
//! A host answers with its time. When it looked at its clock is not known, but that it was between question and answer: half of the round
//! trip is added to when the question went out, and is how wrong the result may be at most. Of a few questions the one whose answer came
//! soonest counts. The stream's messages wait for each other: a busy one answers late, and is asked again soon.

use crate::{
    Hub,
    session::{SessionHandle, share},
    store,
};
use controller_base::id::HostId;
use controller_db::DbError;
use controller_ports::fleet::ClockOffset;
use humilis_proto::federation as wire;
use prost::Message as _;
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::time::sleep;

/// Questions of one measurement.
const QUESTIONS: usize = 3;
/// Before the first measurement, at least and at most: a new stream has much to say, and many may come at once.
const SETTLE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(5));
/// Between measurements; after one that may be wrong by more than [`VAGUE`] at first the other, then longer and longer.
const PERIOD: Duration = Duration::from_secs(60);
const AGAIN: Duration = Duration::from_secs(5);
const VAGUE: i64 = 100_000;
/// Clocks that differ by more, microseconds, are warned of.
const LIMIT: i64 = 2_000_000;
/// Smaller changes, microseconds, are not written down.
const NOTABLE: i64 = 10_000;
/// For so long measurements are gathered before they are written down together.
const GATHER: Duration = Duration::from_secs(1);

/// Measurements that are not written down yet.
#[derive(Default)]
pub(crate) struct Measured {
    // In an order, so that controllers which write the same hosts wait for each other rather than block each other.
    waiting: Mutex<BTreeMap<HostId, ClockOffset>>,
    writing: AtomicBool,
}

impl Measured {
    fn waiting(&self) -> MutexGuard<'_, BTreeMap<HostId, ClockOffset>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Measures for as long as it is polled.
pub(crate) async fn watch(hub: &Arc<Hub>, host: HostId, hostname: &str, session: &SessionHandle) {
    let (mut written, mut warned, mut again) = (None, false, AGAIN);
    sleep(SETTLE.0 + (SETTLE.1 - SETTLE.0).mul_f64(share(host))).await;
    loop {
        let measured = measure(hub, session).await;
        if let Some(offset) = measured {
            warned = warn(hostname, offset, warned);
            if written.is_none_or(|before| differs(before, offset)) {
                note(hub, host, offset);
                written = Some(offset);
            }
        }
        if measured.is_some_and(|offset| offset.error > VAGUE) {
            sleep(again).await;
            again = (again * 2).min(PERIOD);
        } else {
            again = AGAIN;
            sleep(PERIOD).await;
        }
    }
}

/// The best of a few answers; none of a host that does not tell its time.
async fn measure(hub: &Hub, session: &SessionHandle) -> Option<ClockOffset> {
    let mut best: Option<ClockOffset> = None;
    for _ in 0..QUESTIONS {
        let (asked, began) = (hub.clock.now().0, Instant::now());
        let pong = wire::Pong::decode(hub.ping(session).await?.as_slice()).ok()?;
        let round_trip = i64::try_from(began.elapsed().as_micros()).ok()?;
        let offset = offset(asked, round_trip, pong.clock)?;
        best = Some(best.filter(|best| best.error <= offset.error).unwrap_or(offset));
    }
    best
}

/// From when the question went out, how long the answer took, and what the host's clock said in between.
fn offset(asked: i64, round_trip: i64, said: i64) -> Option<ClockOffset> {
    let half = round_trip / 2;
    // An older host says nothing.
    (said != 0).then(|| ClockOffset { micros: said.saturating_sub(asked.saturating_add(half)), error: half })
}

/// Whether two measurements tell different things.
fn differs(before: ClockOffset, now: ClockOffset) -> bool {
    let doubt = before.error.min(now.error).max(NOTABLE);
    before.micros.abs_diff(now.micros) > doubt.unsigned_abs() || before.error > now.error.saturating_mul(2).max(NOTABLE)
}

/// Says once that a clock is wrong, and once that it is right again.
fn warn(hostname: &str, offset: ClockOffset, warned: bool) -> bool {
    let beyond = offset.micros.unsigned_abs().saturating_sub(offset.error.unsigned_abs()) > LIMIT.unsigned_abs();
    let seconds = offset.micros as f64 / 1e6;
    match (warned, beyond) {
        (false, true) => tracing::warn!(hostname, seconds, "a host's clock differs from this controller's"),
        (true, false) => tracing::info!(hostname, seconds, "a host's clock is right again"),
        _ => {}
    }
    beyond
}

/// Has it written down, soon: after a mass return a thousand hosts' clocks are one transaction a second, not a thousand.
fn note(hub: &Arc<Hub>, host: HostId, offset: ClockOffset) {
    let mut waiting = hub.measured.waiting();
    waiting.insert(host, offset);
    // One writes, also what the others add meanwhile.
    if !hub.measured.writing.swap(true, Ordering::AcqRel) {
        let hub = hub.clone();
        tokio::spawn(async move { write_all(&hub).await });
    }
}

async fn write_all(hub: &Hub) {
    loop {
        sleep(GATHER).await;
        let measured = std::mem::take(&mut *hub.measured.waiting());
        if let Err(error) = write(hub, &measured).await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "hosts' clocks could not be written down; tried again");
            let mut waiting = hub.measured.waiting();
            for (host, offset) in measured {
                waiting.entry(host).or_insert(offset);
            }
        }
        let waiting = hub.measured.waiting();
        if waiting.is_empty() {
            // Whoever adds one holds the lock.
            hub.measured.writing.store(false, Ordering::Release);
            return;
        }
    }
}

async fn write(hub: &Hub, measured: &BTreeMap<HostId, ClockOffset>) -> Result<(), DbError> {
    let mut tx = hub.db.begin().await?;
    for (host, offset) in measured {
        store::set_clock(&mut tx, *host, *offset).await?;
    }
    // They will be measured again.
    tx.commit_soon().await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(micros: i64, error: i64) -> ClockOffset {
        ClockOffset { micros, error }
    }

    #[test]
    fn the_round_trip_is_accounted_for() {
        assert_eq!(offset(1_000_000, 400, 1_000_200), Some(of(0, 200)));
        assert_eq!(offset(1_000_000, 400, 6_000_200), Some(of(5_000_000, 200)));
        assert_eq!(offset(1_000_000, 400, 200), Some(of(-1_000_000, 200)));
        assert_eq!(offset(1_000_000, 400, 0), None, "an older host");
        assert_eq!(offset(1, 2, i64::MIN), Some(of(i64::MIN, 1)), "a hostile one");
    }

    #[test]
    fn what_is_written_down_is_news() {
        assert!(!differs(of(0, 200), of(9_000, 300)));
        assert!(differs(of(0, 200), of(11_000, 300)));
        assert!(!differs(of(0, 50_000), of(40_000, 60_000)), "it may be the same");
        assert!(differs(of(0, 500_000), of(0, 200)), "it is known better now");
    }

    #[test]
    fn a_wrong_clock_is_told_of_only_when_it_is_certain() {
        assert!(!warn("a", of(2_100_000, 200_000), false));
        assert!(warn("a", of(-2_100_000, 50_000), false));
        assert!(!warn("a", of(0, 1), true));
    }
}
