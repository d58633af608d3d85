//! From the wire to hostd's own words, and back. What comes in is checked here and nowhere else.

mod guest;
mod net;
mod observed;

use hostd_guests::model::Guest;
use hostd_kit::{
    ids::{GuestId, InvalidId, ObjectId},
    ledger,
};
use hostd_net::model as net_model;
use humilis_proto::federation::{self as wire, object};
use std::sync::Arc;

pub use observed::observed;

/// The ledger's folders, one per kind of object.
pub const KINDS: &[ledger::Kind] = &["guest", "network", "port", "security-group", "router"];

/// A desired object that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// It has no content, or one that this version does not know.
    #[error("{0} is missing or unknown")]
    Missing(&'static str),
    /// A field has a value that it cannot have.
    #[error("{field} cannot be {value:?}")]
    Value {
        /// The field.
        field: &'static str,
        /// Its value.
        value: String,
    },
    /// An id is none.
    #[error(transparent)]
    Id(#[from] InvalidId),
}

impl Invalid {
    fn value(field: &'static str, value: impl std::fmt::Display) -> Self {
        Self::Value { field, value: value.to_string() }
    }
}

/// A desired object in hostd's own words.
#[derive(Clone, Debug)]
pub enum Desired {
    /// For the guests.
    Guest(Arc<Guest>),
    /// For the network.
    Net(Box<net_model::Object>),
}

/// Parses one field.
fn parse<T: std::str::FromStr>(field: &'static str, text: &str) -> Result<T, Invalid> {
    text.parse().map_err(|_| Invalid::value(field, text))
}

/// The same where nothing means none.
fn parse_option<T: std::str::FromStr>(field: &'static str, text: &str) -> Result<Option<T>, Invalid> {
    if text.is_empty() { Ok(None) } else { parse(field, text).map(Some) }
}

fn parse_all<T: std::str::FromStr>(field: &'static str, texts: &[String]) -> Result<Vec<T>, Invalid> {
    texts.iter().map(|text| parse(field, text)).collect()
}

fn number<T: TryFrom<N>, N: Copy + std::fmt::Display>(field: &'static str, value: N) -> Result<T, Invalid> {
    T::try_from(value).map_err(|_| Invalid::value(field, value))
}

/// The object's name in the ledger.
///
/// # Errors
/// When its id is no file name or it has no content.
pub fn key(object: &wire::Object) -> Result<ledger::Key, Invalid> {
    let kind = match object.object.as_ref().ok_or(Invalid::Missing("object"))? {
        object::Object::Guest(_) => KINDS[0],
        object::Object::Network(_) => KINDS[1],
        object::Object::Port(_) => KINDS[2],
        object::Object::SecurityGroup(_) => KINDS[3],
        object::Object::Router(_) => KINDS[4],
    };
    Ok((kind, object.id.parse()?))
}

/// The name in the ledger of an object that goes.
///
/// # Errors
/// When its id is no file name or its kind unknown.
pub fn removed_key(key: &wire::ObjectKey) -> Result<ledger::Key, Invalid> {
    let id: ObjectId = key.id.parse()?;
    let kind = match wire::ObjectKind::try_from(key.kind) {
        Ok(wire::ObjectKind::Guest) => KINDS[0],
        Ok(wire::ObjectKind::Network) => KINDS[1],
        Ok(wire::ObjectKind::Port) => KINDS[2],
        Ok(wire::ObjectKind::SecurityGroup) => KINDS[3],
        Ok(wire::ObjectKind::Router) => KINDS[4],
        Ok(wire::ObjectKind::Unspecified) | Err(_) => return Err(Invalid::Missing("kind")),
    };
    Ok((kind, id))
}

/// What a ledger's key names in hostd's own words.
pub enum Removed {
    /// A guest.
    Guest(GuestId),
    /// An object of the network.
    Net(net_model::ObjectKey),
}

/// What a ledger's key names.
///
/// # Errors
/// Never for a key that this module made.
pub fn removed(key: &ledger::Key) -> Result<Removed, Invalid> {
    let id = key.1.as_str();
    Ok(match key.0 {
        "guest" => Removed::Guest(id.parse()?),
        "network" => Removed::Net(net_model::ObjectKey::Network(id.into())),
        "port" => Removed::Net(net_model::ObjectKey::Port(id.into())),
        "security-group" => Removed::Net(net_model::ObjectKey::SecurityGroup(id.into())),
        "router" => Removed::Net(net_model::ObjectKey::Router(id.into())),
        _ => return Err(Invalid::Missing("kind")),
    })
}

impl TryFrom<wire::Object> for Desired {
    type Error = Invalid;

    fn try_from(object: wire::Object) -> Result<Self, Invalid> {
        let id = object.id;
        Ok(match object.object.ok_or(Invalid::Missing("object"))? {
            object::Object::Guest(guest) => Self::Guest(Arc::new(guest::guest(&id, object.generation, guest)?)),
            object::Object::Network(network) => {
                Self::Net(Box::new(net_model::Object::Network(net::network(&id, network)?)))
            }
            object::Object::Port(port) => Self::Net(Box::new(net_model::Object::Port(net::port(&id, port)?))),
            object::Object::SecurityGroup(group) => {
                Self::Net(Box::new(net_model::Object::SecurityGroup(net::security_group(&id, group)?)))
            }
            object::Object::Router(router) => Self::Net(Box::new(net_model::Object::Router(net::router(&id, router)?))),
        })
    }
}
