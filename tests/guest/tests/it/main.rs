//! Stories of real KVM guests.

mod boot;
mod config_drive;
mod console;
mod disk;
mod life;
mod network;
mod power;
