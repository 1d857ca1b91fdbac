//! Generates the prost types of `record.proto`; protox compiles it, so no protoc is needed.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=record.proto");
    let files = protox::compile(["record.proto"], ["."])?;
    prost_build::Config::new()
        // Zero-copy: fields are slices of the received batch.
        .bytes(["."])
        .compile_fds(files)?;
    Ok(())
}
