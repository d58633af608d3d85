//! What tests, benches and `cargo xtask` share: where things lie, how they are built and started, a database server, a whole
//! cloud on this machine, and further hosts of it.
//!
//! It owns processes, directories and network namespaces that it made itself, and removes them. It knows the product only from
//! outside: binaries, configuration files, REST.

pub mod build;
pub mod cloud;
pub mod controller;
pub mod exec;
pub mod guest;
pub mod host;
pub mod isolate;
pub mod kvm;
pub mod paths;
pub mod postgres;
pub mod rest;
