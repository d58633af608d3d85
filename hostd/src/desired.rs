//! The host's desired state: into the ledger first, then to the network and the guests.
//!
//! Invariants:
//! - Changes are taken in the order in which they come.
//! - A ledger that cannot be written (a full disk) holds nothing up but the acknowledgement: removals free space.

use crate::{
    federation::convert::{self, Desired, Invalid, KINDS, Removed},
    network::Network,
};
use hostd_guests::GuestsHandle;
use hostd_kit::{
    ids::GuestId,
    ledger::{Batch, Entry, Key, Ledger, LedgerError, Loaded},
    paths::Layout,
};
use hostd_net::{metadata::MetadataTable, model as net_model};
use humilis_proto::federation as wire;
use prost::Message;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

/// The ledger as it was found, in hostd's own words.
#[derive(Default)]
pub struct Found {
    /// Whether it is a whole desired state.
    pub complete: bool,
    /// Its guests.
    pub guests: Vec<Arc<hostd_guests::model::Guest>>,
    /// The network's objects.
    pub net: Vec<net_model::Object>,
}

/// Opens the ledger and reads it.
///
/// # Errors
/// When its directories cannot be used.
pub fn open(layout: &Layout) -> Result<(Ledger, Found), LedgerError> {
    let (ledger, loaded) = Ledger::open(&layout.ledger(), KINDS)?;
    Ok((ledger, understand(loaded)))
}

fn understand(loaded: Loaded) -> Found {
    for damaged in &loaded.quarantined {
        let error = &damaged.error as &dyn std::error::Error;
        tracing::error!(path = %damaged.path.display(), error, "an object of the ledger was set aside");
    }
    let mut found = Found { complete: loaded.complete, ..Found::default() };
    for entry in loaded.entries {
        let object = wire::Object::decode(entry.payload.as_slice()).map_err(|error| error.to_string());
        match object.and_then(|object| Desired::try_from(object).map_err(|error| error.to_string())) {
            Ok(Desired::Guest(guest)) => found.guests.push(guest),
            Ok(Desired::Net(object)) => found.net.push(*object),
            Err(error) => tracing::error!(object = ?entry.key, error, "an object of the ledger is not understood"),
        }
    }
    found
}

/// Where changes of the desired state go.
pub struct Store {
    ledger: Arc<Mutex<Ledger>>,
    guests: GuestsHandle,
    network: Network,
    metadata: Arc<MetadataTable>,
    unwritten: tokio::sync::Mutex<Unwritten>,
}

/// Changes that could not be written yet.
#[derive(Default)]
struct Unwritten {
    complete: bool,
    changes: BTreeMap<Key, Option<Vec<u8>>>,
}

/// One message, taken apart.
#[derive(Default)]
struct Parts {
    batch: Batch,
    guests: hostd_guests::Changes,
    net: net_model::Changes,
    rejected: Vec<(GuestId, u64, Invalid)>,
}

impl Store {
    /// The store around an open ledger.
    #[must_use]
    pub fn new(ledger: Ledger, guests: GuestsHandle, network: Network, metadata: Arc<MetadataTable>) -> Self {
        Self { ledger: Arc::new(Mutex::new(ledger)), guests, network, metadata, unwritten: Default::default() }
    }

    /// Takes a message in; `true` when all that came so far is in the ledger.
    pub async fn apply(&self, message: wire::Desired) -> bool {
        for asked in &message.asked {
            let key = asked.key.clone().unwrap_or_default();
            let kind = key.kind().as_str_name().trim_start_matches("OBJECT_KIND_").to_lowercase();
            tracing::info!(kind, id = key.id, request_id = asked.request_id, "desired state changed");
        }
        let parts = take_apart(message);
        let written = self.write(parts.batch).await;
        for guest in &parts.guests.upserts {
            self.metadata.set_guest((*guest.metadata).clone());
        }
        for id in &parts.guests.removals {
            self.metadata.remove_guest(id.as_str());
        }
        self.network.change(parts.net);
        let complete = parts.guests.complete;
        self.guests.apply(parts.guests);
        for (id, generation, error) in parts.rejected {
            self.guests.reject(id, generation, error.to_string());
        }
        if complete {
            self.network.allow_image_eviction();
        }
        written
    }

    /// Tries again to write what could not be written; `true` when nothing is left.
    pub async fn write_again(&self) -> bool {
        self.write(Batch::default()).await
    }

    async fn write(&self, batch: Batch) -> bool {
        let mut unwritten = self.unwritten.lock().await;
        let batch = unwritten.merge(batch);
        let ledger = self.ledger.clone();
        let (outcome, batch) = tokio::task::block_in_place(move || {
            let mut ledger = ledger.lock().unwrap_or_else(PoisonError::into_inner);
            (ledger.apply(&batch), batch)
        });
        let Err(error) = outcome else { return true };
        tracing::error!(error = &error as &dyn std::error::Error, "the ledger cannot be written; tried again");
        unwritten.keep(batch);
        false
    }
}

impl Unwritten {
    /// The batch with everything that is still to be written before it.
    fn merge(&mut self, batch: Batch) -> Batch {
        if batch.complete || self.changes.is_empty() {
            *self = Self::default();
            return batch;
        }
        self.keep(batch);
        let mut merged = Batch { complete: self.complete, ..Batch::default() };
        for (key, payload) in std::mem::take(self).changes {
            match payload {
                Some(payload) => merged.puts.push(Entry { key, payload }),
                None => merged.removes.push(key),
            }
        }
        merged
    }

    fn keep(&mut self, batch: Batch) {
        if batch.complete {
            *self = Self { complete: true, ..Self::default() };
        }
        self.changes.extend(batch.puts.into_iter().map(|entry| (entry.key, Some(entry.payload))));
        self.changes.extend(batch.removes.into_iter().map(|key| (key, None)));
    }
}

fn take_apart(message: wire::Desired) -> Parts {
    let mut parts = Parts::default();
    parts.batch.complete = message.complete;
    parts.guests.complete = message.complete;
    parts.net.complete = message.complete;
    for object in message.upserts {
        if let Err((object, error)) = parts.upsert(object) {
            tracing::error!(object = object.0, error = &error as &dyn std::error::Error, "a desired object is refused");
            parts.rejected.extend(object.0.parse().ok().map(|id| (id, object.1, error)));
        }
    }
    for key in message.removals {
        if let Err(error) = parts.remove(&key) {
            tracing::error!(object = key.id, error = &error as &dyn std::error::Error, "a removal is refused");
        }
    }
    parts
}

impl Parts {
    fn upsert(&mut self, object: wire::Object) -> Result<(), ((String, u64), Invalid)> {
        let named = (object.id.clone(), object.generation);
        let is_guest = matches!(object.object, Some(wire::object::Object::Guest(_)));
        let kept = convert::key(&object).map(|key| Entry { key, payload: object.encode_to_vec() });
        let understood = kept.and_then(|entry| Desired::try_from(object).map(|desired| (entry, desired)));
        match understood {
            Ok((entry, desired)) => {
                self.batch.puts.push(entry);
                match desired {
                    Desired::Guest(guest) => self.guests.upserts.push(guest),
                    Desired::Net(object) => self.net.upserts.push(*object),
                }
                Ok(())
            }
            Err(error) if is_guest => Err((named, error)),
            // Nothing to report it by: the guests that need it say so.
            Err(error) => {
                tracing::error!(
                    object = named.0,
                    error = &error as &dyn std::error::Error,
                    "a desired object is refused"
                );
                Ok(())
            }
        }
    }

    fn remove(&mut self, key: &wire::ObjectKey) -> Result<(), Invalid> {
        let key = convert::removed_key(key)?;
        match convert::removed(&key)? {
            Removed::Guest(id) => self.guests.removals.push(id),
            Removed::Net(key) => self.net.removals.push(key),
        }
        self.batch.removes.push(key);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(id: &str, payload: &[u8]) -> Entry {
        Entry { key: ("guest", id.parse().unwrap()), payload: payload.to_vec() }
    }

    #[test]
    fn what_could_not_be_written_is_written_with_the_next() {
        let mut unwritten = Unwritten::default();
        unwritten.keep(Batch { puts: vec![entry("a", b"1"), entry("b", b"1")], ..Batch::default() });
        let removal = Batch { removes: vec![entry("a", b"").key], ..Batch::default() };
        let merged = unwritten.merge(removal);
        assert_eq!((merged.puts, merged.removes), (vec![entry("b", b"1")], vec![entry("a", b"").key]));
        assert!(unwritten.changes.is_empty());
    }

    #[test]
    fn a_snapshot_replaces_what_could_not_be_written() {
        let mut unwritten = Unwritten::default();
        unwritten.keep(Batch { puts: vec![entry("a", b"1")], ..Batch::default() });
        let whole = Batch { complete: true, puts: vec![entry("b", b"1")], removes: vec![] };
        assert_eq!(unwritten.merge(whole.clone()), whole);
    }

    #[test]
    fn a_guest_that_cannot_be_is_reported_and_not_kept() {
        let guest = wire::Object {
            id: "a".into(),
            generation: 3,
            object: Some(wire::object::Object::Guest(wire::Guest::default())),
        };
        let parts = take_apart(wire::Desired { upserts: vec![guest], ..wire::Desired::default() });
        assert!(parts.batch.puts.is_empty());
        assert_eq!((parts.rejected[0].0.as_str(), parts.rejected[0].1), ("a", 3));
    }
}
