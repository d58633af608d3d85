//! Compute as a whole, over fakes of the services that it asks.

mod api;
mod fakes;
mod lifecycle;
mod operations;
mod world;
