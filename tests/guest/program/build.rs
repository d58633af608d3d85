//! Links the program as a static image at a fixed address, without a C library or start files.

fn main() {
    println!("cargo:rerun-if-changed=link.ld");
    println!("cargo:rerun-if-changed=src/ring0/start.s");
    println!("cargo:rerun-if-changed=src/smp/trampoline.s");
    let script = std::path::Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("link.ld");
    let script = format!("-Wl,-T,{}", script.display());
    let arguments = ["-nostartfiles", "-nostdlib", "-static", "-no-pie", "-Wl,--build-id=none", "-Wl,-n", &script];
    for argument in arguments {
        println!("cargo:rustc-link-arg-bins={argument}");
    }
}
