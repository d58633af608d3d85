//! The actor in a network namespace of its own, with guests that are namespaces behind taps. Needs root, nft, ip and busybox.

mod filter;
mod hosts;
mod ipv6;
mod lab;
mod life;
mod routers;
mod services;
