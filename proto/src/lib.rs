//! The wire form of the federation between controller and hosts and of the operators' API, generated from the `.proto` files beside this
//! crate.
//!
//! It holds generated code only: no conversion, no logic. Conversions live with the consumer.
#![expect(missing_docs, clippy::all, reason = "generated code; the .proto files hold the documentation")]

/// `humilis.federation.v1`.
pub mod federation {
    tonic::include_proto!("humilis.federation.v1");
}

/// `humilis.admin.v1`.
pub mod admin {
    tonic::include_proto!("humilis.admin.v1");

    /// The file descriptors, encoded: for gRPC reflection.
    pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/admin.descriptors"));
}
