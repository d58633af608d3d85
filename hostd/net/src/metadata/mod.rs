//! What a guest is told about itself.
//!
//! Owns the documents' contents ([`GuestMetadata`]), their rendering and the HTTP server that hands them out at
//! 169.254.169.254. Which guest a port belongs to is asked through [`MetadataSource`].

mod interface;
mod model;

pub use interface::{GuestAddress, GuestInterface};
pub use model::{GuestMetadata, KeyPair, MetadataSource, MetadataTable};
