//! Generates the Rust side of the recorded file: messages only, as nobody calls an older peer.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let file = "federation.proto";
    println!("cargo::rerun-if-changed={file}");
    let messages = tonic_prost_build::configure().build_client(false).build_server(false);
    messages.compile_fds(protox::compile([file], ["."])?)?;
    Ok(())
}
