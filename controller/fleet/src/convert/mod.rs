//! Between ports' domain types and the federation's wire form: `From` outward, `TryFrom` inward, since hosts may be hostile.

mod guest;
mod net;
mod observed;
mod update;

use controller_base::id::RequestId;
use controller_ports::fleet::{Desired, DesiredObject, ObjectKey};
use humilis_proto::federation as wire;
pub(crate) use observed::{Malformed, cpu, guest as observed_guest, numa, resources};
pub(crate) use update::update_progress;

/// A desired object in its wire form.
pub(crate) fn object(desired: Desired) -> wire::Object {
    use wire::object::Object as W;
    let object = match desired.object {
        DesiredObject::Guest(guest) => W::Guest((*guest).into_wire()),
        DesiredObject::Network(network) => W::Network(network.into_wire()),
        DesiredObject::Port(port) => W::Port(port.into_wire()),
        DesiredObject::SecurityGroup(group) => W::SecurityGroup(group.into_wire()),
        DesiredObject::Router(router) => W::Router(router.into_wire()),
    };
    let generation = u64::try_from(desired.generation.0).unwrap_or_default();
    wire::Object { id: key(&desired.key).id, generation, object: Some(object) }
}

/// A key in its wire form.
pub(crate) fn key(key: &ObjectKey) -> wire::ObjectKey {
    use wire::ObjectKind as K;
    let (kind, id) = match key {
        ObjectKey::Guest(id) => (K::Guest, id.to_string()),
        ObjectKey::Network(id) => (K::Network, id.to_string()),
        ObjectKey::Port(id) => (K::Port, id.to_string()),
        ObjectKey::SecurityGroup(id) => (K::SecurityGroup, id.to_string()),
        ObjectKey::Router(id) => (K::Router, id.to_string()),
    };
    wire::ObjectKey { kind: kind.into(), id }
}

/// Whose request changed an object.
pub(crate) fn asked(changed: &ObjectKey, request: &RequestId) -> wire::Asked {
    wire::Asked { key: Some(key(changed)), request_id: request.to_string() }
}

/// Outward conversion; a trait of our own because both sides are foreign here.
trait IntoWire {
    type Wire;
    fn into_wire(self) -> Self::Wire;
}

fn all<T: IntoWire>(items: Vec<T>) -> Vec<T::Wire> {
    items.into_iter().map(IntoWire::into_wire).collect()
}

fn texts<T: ToString>(items: &[T]) -> Vec<String> {
    items.iter().map(T::to_string).collect()
}

fn text<T: ToString>(item: Option<&T>) -> String {
    item.map(T::to_string).unwrap_or_default()
}
