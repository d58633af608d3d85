//! The federation's port as hosts find it: real TLS, real streams, hosts by script.
#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod authority;
mod certificates;
mod clock;
mod images;
mod membership;
mod older;
mod update;
mod world;
