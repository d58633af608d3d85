//! What a host was sent, by content, and the differences to what it shall have. Pure.

use super::Keys;
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
        self.message(wire::Desired { complete: true, upserts, ..Default::default() })
    }

    /// The differences to a whole desired state; `None` when there is none.
    pub(super) fn against_all(&mut self, desired: Vec<Desired>) -> Option<wire::Desired> {
        let keys = desired.iter().map(|d| d.key).chain(self.prints.keys().copied()).map(|key| (key, None)).collect();
        self.against(&keys, desired)
    }

    /// The differences for these keys, of which `desired` holds those that shall be.
    pub(super) fn against(&mut self, keys: &Keys, desired: Vec<Desired>) -> Option<wire::Desired> {
        let present: BTreeSet<_> = desired.iter().map(|d| d.key).collect();
        let gone = keys.keys().filter(|key| !present.contains(key));
        let mut changed: BTreeSet<_> = gone.filter(|key| self.prints.remove(key).is_some()).copied().collect();
        let removals = changed.iter().map(convert::key).collect();
        let mut upserts = Vec::new();
        for desired in desired {
            let key = desired.key;
            if let Some(object) = self.upsert(desired) {
                upserts.push(object);
                changed.insert(key);
            }
        }
        let asked = |key| Some(convert::asked(key, keys.get(key)?.as_ref()?));
        let asked = changed.iter().filter_map(asked).collect();
        let message = wire::Desired { upserts, removals, asked, ..Default::default() };
        (!changed.is_empty()).then(|| self.message(message))
    }

    fn upsert(&mut self, desired: Desired) -> Option<wire::Object> {
        let key = desired.key;
        let object = convert::object(desired);
        let print: Print = Sha256::digest(object.encode_to_vec()).into();
        (self.prints.insert(key, print) != Some(print)).then_some(object)
    }

    fn message(&mut self, message: wire::Desired) -> wire::Desired {
        self.sequence += 1;
        wire::Desired { sequence: self.sequence, ..message }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use controller_base::Generation;
    use controller_base::id::{RequestId, SecurityGroupId};
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
    fn who_asked_for_a_change_goes_with_it_alone() {
        let (a, b) = keys();
        let (mut sent, asked) = (Sent::default(), RequestId::random());
        sent.complete(vec![group(a, "a"), group(b, "b")]);
        let keys = Keys::from([(a, Some(asked.clone())), (b, Some(RequestId::random()))]);
        let change = sent.against(&keys, vec![group(b, "b")]).unwrap();
        assert_eq!(change.asked, [convert::asked(&a, &asked)], "what did not change is nobody's");
    }

    #[test]
    fn a_touched_key_that_was_never_sent_and_shall_not_be_says_nothing() {
        let (a, _) = keys();
        assert_eq!(Sent::default().against(&Keys::from([(a, None)]), Vec::new()), None);
    }
}
