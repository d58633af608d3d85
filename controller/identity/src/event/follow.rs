//! Following the log: events as they are stored, by this controller or another one.
//!
//! A follower reads page by page and only when somebody takes what it has: a slow reader costs a page of memory. Events are stored a
//! little out of their order, so it looks again at the last seconds and leaves out what it gave before.

use super::{Cursor, Event, EventQuery, store};
use crate::{Identity, IdentityError};
use controller_db::DbError;
use std::{collections::BTreeSet, time::Duration};
use tokio::sync::watch;

/// Events that are read at once.
const PAGE: u32 = 256;
/// How much later than its own time an event may be stored, microseconds.
const OVERLAP: i64 = 2_000_000;
/// How often other controllers' events are looked for.
const POLL: Duration = Duration::from_millis(500);
/// Several events that are stored together are read together.
const GATHER: Duration = Duration::from_millis(10);

/// Why there is nothing more to follow.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// The event to begin after is not kept.
    #[error("event {0} is unknown, or not kept any more")]
    Unknown(String),
    /// The log forgot events that the reader has not taken yet.
    #[error("events were forgotten before they were taken")]
    FellBehind,
    /// The database failed.
    #[error(transparent)]
    Identity(#[from] IdentityError),
}

impl From<DbError> for FollowError {
    fn from(error: DbError) -> Self {
        Self::Identity(error.into())
    }
}

/// A reader's place in the log.
pub struct Follower {
    identity: Identity,
    filter: EventQuery,
    stored: watch::Receiver<()>,
    /// Nothing before this is wanted.
    floor: Cursor,
    /// Where the next page begins.
    from: Cursor,
    /// The last event that was read, if any.
    latest: Option<Cursor>,
    /// What was read of the last seconds.
    seen: BTreeSet<(i64, String)>,
}

impl std::fmt::Debug for Follower {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Follower").field("from", &self.from).finish_non_exhaustive()
    }
}

impl Identity {
    /// Begins to follow: behind the event of this id, or now. Of the filter, type, initiator, target and success count.
    ///
    /// # Errors
    /// [`FollowError::Unknown`], or the database's.
    pub async fn follow_events(&self, filter: EventQuery, after: Option<&str>) -> Result<Follower, FollowError> {
        let stored = self.events.stored();
        let floor = match after {
            None => Cursor::at(self.clock.now()),
            Some(id) => {
                self.flush_events().await;
                let place = store::place(&mut *self.db.read().await?, id).await?;
                place.ok_or_else(|| FollowError::Unknown(id.to_owned()))?
            }
        };
        let (from, latest) = (floor.clone(), after.map(|_| floor.clone()));
        Ok(Follower { identity: self.clone(), filter, stored, floor, from, latest, seen: BTreeSet::new() })
    }
}

impl Follower {
    /// The next events, one at least; waits until there are some.
    ///
    /// # Errors
    /// [`FollowError::FellBehind`], or the database's.
    pub async fn next(&mut self) -> Result<Vec<Event>, FollowError> {
        loop {
            self.stored.borrow_and_update();
            let (events, more) = self.read().await?;
            let wanted: Vec<_> = events.into_iter().filter(|event| self.filter.fits(event)).collect();
            if !wanted.is_empty() {
                return Ok(wanted);
            }
            if !more {
                tokio::select! {
                    Ok(()) = self.stored.changed() => tokio::time::sleep(GATHER).await,
                    () = tokio::time::sleep(POLL) => {}
                }
            }
        }
    }

    /// A page without what was given before, and whether there is another one.
    async fn read(&mut self) -> Result<(Vec<Event>, bool), FollowError> {
        let mut conn = self.identity.db.read().await?;
        if let Some(latest) = &self.latest
            && store::place(&mut conn, latest.id()).await?.is_none()
        {
            return Err(FollowError::FellBehind);
        }
        let query = EventQuery { after: Some(self.from.clone()), limit: PAGE, ..EventQuery::default() };
        let events = store::list(&mut conn, &query).await?;
        drop(conn);
        let more = u32::try_from(events.len()).is_ok_and(|count| count >= PAGE);
        if let Some(last) = events.last().map(Cursor::from) {
            self.latest = Some(last.clone());
            self.from = last;
        }
        let fresh = events.into_iter().filter(|event| self.seen.insert((event.moment.0, event.id.clone()))).collect();
        if !more {
            self.turn_back();
        }
        Ok((fresh, more))
    }

    /// The next look begins a little earlier than this one ended.
    fn turn_back(&mut self) {
        let Some(latest) = &self.latest else { return };
        let begin = latest.moment().saturating_sub(OVERLAP);
        self.seen = self.seen.split_off(&(begin, String::new()));
        let begin = Cursor::at(controller_base::Timestamp(begin));
        self.from = if begin > self.floor { begin } else { self.floor.clone() };
    }
}

impl EventQuery {
    /// Whether an event is one of those that are wanted; time and place aside.
    fn fits(&self, event: &Event) -> bool {
        let is = |wanted: &Option<String>, value: &str| wanted.as_deref().is_none_or(|wanted| wanted == value);
        let kind = self.event_type.as_deref().is_none_or(|kind| {
            event.event_type.strip_prefix(kind).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        });
        kind && is(&self.initiator_id, &event.initiator_id)
            && is(&self.target_id, &event.target_id)
            && self.success.is_none_or(|success| success == event.success)
    }
}
