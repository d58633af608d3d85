//! What a guest is told about itself.
//!
//! Owns the documents' contents ([`GuestMetadata`]), their rendering ([`documents`], [`config_drive`]; pure) and the HTTP
//! server that hands them out at 169.254.169.254. Which guest a port belongs to is asked through [`MetadataSource`]; who asks
//! is known by the source address, which anti-spoofing makes sound. A guest may post one thing, once: the password that it made
//! for itself.

mod ec2;
mod http;
mod interface;
mod model;
mod network_data;
mod render;
pub(crate) mod server;

pub use interface::{GuestAddress, GuestInterface};
pub use model::{GuestMetadata, Keep, KeyPair, MetadataSource, MetadataTable, NotKept};
pub use render::{Answer, MediaType, config_drive, documents};
