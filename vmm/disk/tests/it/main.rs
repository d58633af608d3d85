//! The formats against QEMU's own tools, and a corpus of broken images.

mod corpus;
mod qemu;
