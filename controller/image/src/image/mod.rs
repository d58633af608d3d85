//! The catalogue of images; see [`model`] for an image's life.

pub mod attributes;
pub mod model;
pub mod patch;
mod policy;
pub mod query;
mod service;
pub mod store;
pub mod wire;

pub use policy::RULES;
pub use service::{ImageService, Viewer};
pub use store::MIGRATIONS;
