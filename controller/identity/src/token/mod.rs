//! Tokens: sealed, opened, checked, revoked; and getting one.
//!
//! `fernet` seals bytes, `payload` says which bytes, `keys` holds the keys, `provider` turns payloads into what services see and back,
//! `granted` knows which roles they have,
//! `store` knows what ended early, `prove` checks what a request
//! offers as proof, `find` what it names, `authenticate` turns both into a payload, `api` and `wire` are REST.

pub(crate) mod api;
pub(crate) mod authenticate;
pub(crate) mod cache;
pub(crate) mod federated;
pub(crate) mod fernet;
pub(crate) mod find;
mod granted;
pub(crate) mod jws;
mod keys;
pub(crate) mod payload;
pub(crate) mod prove;
pub(crate) mod provider;
mod receipt;
mod store;
mod totp;
pub(crate) mod wire;

pub use keys::KeyRepository;
#[cfg(test)]
pub(crate) use totp::passcode;
