//! What a host was sent, by content, and the differences to what it shall have. Pure.

use crate::convert;
use controller_ports::fleet::{Desired, ObjectKey};
use humilis_proto::federation as wire;
use prost::Message as _;
use sha2::{Digest, Sha256};
use std::collections::{BTreeSet, HashMap};

type Print = [u8; 32];

/// What the host holds, as far as it was sent on this stream.
#[derive(Default)]
pub(super) struct Sent {
    prints: HashMap<ObjectKey, Print>,
    sequence: u64,
}

impl Sent {
    /// The host's whole desired state, whatever was sent before.
    pub(super) fn complete(&mut self, desired: Vec<Desired>) -> wire::Desired {
        self.prints.clear();
        let upserts = desired.into_iter().filter_map(|d| self.upsert(d)).collect();
        self.message(true, upserts, Vec::new())
    }

    /// The differences to a whole desired state; `None` when there is none.
    pub(super) fn against_all(&mut self, desired: Vec<Desired>) -> Option<wire::Desired> {
        let keys: BTreeSet<_> = desired.iter().map(|d| d.key).chain(self.prints.keys().copied()).collect();
        self.against(&keys, desired)
    }

    /// The differences for these keys, of which `desired` holds those that shall be.
    pub(super) fn against(&mut self, keys: &BTreeSet<ObjectKey>, desired: Vec<Desired>) -> Option<wire::Desired> {
        let present: BTreeSet<_> = desired.iter().map(|d| d.key).collect();
        let gone: Vec<_> = keys.difference(&present).filter(|key| self.prints.remove(key).is_some()).collect();
        let removals: Vec<_> = gone.into_iter().map(convert::key).collect();
        let upserts: Vec<_> = desired.into_iter().filter_map(|d| self.upsert(d)).collect();
        let changed = !removals.is_empty() || !upserts.is_empty();
        changed.then(|| self.message(false, upserts, removals))
    }

    fn upsert(&mut self, desired: Desired) -> Option<wire::Object> {
        let key = desired.key;
        let object = convert::object(desired);
        let print: Print = Sha256::digest(object.encode_to_vec()).into();
        (self.prints.insert(key, print) != Some(print)).then_some(object)
    }

    fn message(&mut self, complete: bool, upserts: Vec<wire::Object>, removals: Vec<wire::ObjectKey>) -> wire::Desired {
        self.sequence += 1;
        wire::Desired { sequence: self.sequence, complete, upserts, removals }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use controller_base::Generation;
    use controller_base::id::SecurityGroupId;
    use controller_ports::fleet::{DesiredObject, DesiredSecurityGroup};

    fn group(key: ObjectKey, name: &str) -> Desired {
        let (name, rules, member_addresses) = (name.to_owned(), Vec::new(), Vec::new());
        let object = DesiredSecurityGroup { name, rules, stateful: true, member_addresses };
        Desired { key, generation: Generation::FIRST, object: DesiredObject::SecurityGroup(object) }
    }

    fn keys() -> (ObjectKey, ObjectKey) {
        let key = || ObjectKey::SecurityGroup(SecurityGroupId::random());
        (key(), key())
    }

    #[test]
    fn what_the_host_has_is_not_sent_again() {
        let (a, b) = keys();
        let mut sent = Sent::default();
        assert_eq!(sent.complete(vec![group(a, "a")]).upserts.len(), 1);
        assert_eq!(sent.against_all(vec![group(a, "a")]), None);
        let more = sent.against_all(vec![group(a, "a"), group(b, "b")]).unwrap();
        assert_eq!((more.sequence, more.upserts.len(), more.removals.len()), (2, 1, 0));
    }

    #[test]
    fn a_changed_object_is_sent_and_a_missing_one_removed() {
        let (a, b) = keys();
        let mut sent = Sent::default();
        sent.complete(vec![group(a, "a"), group(b, "b")]);
        let change = sent.against_all(vec![group(a, "c")]).unwrap();
        assert_eq!(change.upserts[0].id, convert::key(&a).id);
        assert_eq!(change.removals, [convert::key(&b)]);
    }

    #[test]
    fn a_touched_key_that_was_never_sent_and_shall_not_be_says_nothing() {
        let (a, _) = keys();
        assert_eq!(Sent::default().against(&BTreeSet::from([a]), Vec::new()), None);
    }
}
