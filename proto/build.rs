//! Generates the Rust side of the protocol files; needs no protoc.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = ["humilis/federation/v1.proto"];
    for file in files {
        println!("cargo::rerun-if-changed={file}");
    }
    let descriptors = protox::compile(files, ["."])?;
    tonic_prost_build::configure().compile_fds(descriptors)?;
    Ok(())
}
