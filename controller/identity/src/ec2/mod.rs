//! EC2 and S3: access keys of users, and tokens for requests that were signed with them.
//!
//! An access key is a credential of type `ec2` whose id is the SHA-256 of the key's public half; `credential` keeps it. This module
//! owns Keystone's older API for such keys and the checking of signatures. It asks `token` for tokens.

pub(crate) mod api;
pub(crate) mod policy;
mod service;
pub(crate) mod signature;

pub(crate) use service::credential_id;
