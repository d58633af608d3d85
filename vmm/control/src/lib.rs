//! The contract between `hostd` and one guest's process: what the process is given at its start ([`spec`]) and what the two
//! say to each other while it runs ([`message`], framed by [`frame`]).
//!
//! It owns the wire form alone: no I/O beyond framing, no KVM, no tokio, so that both sides may depend on it.
//!
//! Invariants:
//! - Every file that a guest uses is opened by hostd; the spec names inherited descriptors by number, never paths.
//! - Both enums only grow at their end, and [`message::VERSION`] moves with them: a new hostd adopts processes that an older one started.
//!
//! ```text
//! hostd                                         vmm
//!   |-- fork, exec; fd 3 = spec, others listed in it -->|  build, jail, run
//!   |-- connect(control.sock) ------------------------->|  (listening socket inherited; any number of reconnects)
//!   |-- Hello ----------------------------------------->|
//!   |<------------------------------------------ Hello --|
//!   |-- Request{id} ---->            <---- Reply{id} | Event
//! ```

pub mod frame;
pub mod message;
pub mod spec;
