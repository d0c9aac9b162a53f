//! Generates the services' code from `proto/` with a compiler written in Rust: no `protoc` is needed.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto");
    println!("cargo:rerun-if-changed={}", root.display());
    let files = ["almoner/v1/common.proto", "almoner/v1/node.proto", "almoner/v1/coordinator.proto"];
    let descriptors = protox::compile(files.map(|file| root.join(file)), [&root])?;
    tonic_prost_build::configure().compile_fds(descriptors)?;
    Ok(())
}
