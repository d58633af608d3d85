//! Generates the Rust side of the protocol files; needs no protoc.

use prost::Message as _;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = ["humilis/federation/v1.proto", "humilis/admin/v1.proto"];
    for file in files {
        println!("cargo::rerun-if-changed={file}");
    }
    let descriptors = protox::compile(files, ["."])?;
    // For gRPC reflection, what operators' tools may know: not the federation.
    let admin = protox::compile(["humilis/admin/v1.proto"], ["."])?;
    let out = std::path::PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("admin.descriptors"), admin.encode_to_vec())?;
    tonic_prost_build::configure().compile_fds(descriptors)?;
    Ok(())
}
