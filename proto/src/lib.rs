//! The wire form of the federation between controller and hosts, generated from the `.proto` files beside this crate.
//!
//! It holds generated code only: no conversion, no logic. Conversions live with the consumer.
#![expect(missing_docs, clippy::all, reason = "generated code; the .proto files hold the documentation")]

/// `humilis.federation.v1`.
pub mod federation {
    tonic::include_proto!("humilis.federation.v1");
}
