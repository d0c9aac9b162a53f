//! Generates the services' code from `proto/` with a compiler written in Rust: no `protoc` is needed.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto");
    println!("cargo:rerun-if-changed={}", root.display());
    let files = ["common", "log", "node", "coordinator"].map(|name| format!("almoner/v1/{name}.proto"));
    let descriptors = protox::compile(files.map(|file| root.join(file)), [&root])?;
    tonic_prost_build::configure().compile_fds(descriptors)?;
    Ok(())
}
