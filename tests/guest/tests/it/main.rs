//! Stories of real KVM guests.

mod boot;
mod disk;
mod life;
mod network;
mod power;
