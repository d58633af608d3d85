//! The formats against QEMU's own tools, and a corpus of broken images.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

mod corpus;
mod qemu;
