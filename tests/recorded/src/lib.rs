//! The revision of the federation's protocol before the present one, recorded: controller and hosts may be one apart, in either direction,
//! as they are while a cloud is updated.
//!
//! When a release is made, `proto/humilis/federation/v1.proto` is copied to `federation.proto` here. Until then that file is not
//! touched: what the present revision has beyond it must be of the kind that a peer of this one can do without.

use prost::Message;

/// The recorded messages.
#[expect(missing_docs, clippy::all, reason = "generated code; the .proto file holds the documentation")]
pub mod federation {
    include!(concat!(env!("OUT_DIR"), "/humilis.federation.v1.rs"));
}

/// What is left of a message on its way through a peer that knows the older form of it alone.
///
/// # Panics
/// The older form does not read back: it is not the same message's.
#[must_use]
pub fn through<Older: Message + Default, Present: Message + Default>(message: &Present) -> Present {
    let older = Older::decode(message.encode_to_vec().as_slice()).expect("an older peer reads it");
    Present::decode(older.encode_to_vec().as_slice()).expect("what an older peer says is read")
}
