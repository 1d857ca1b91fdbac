//! Link arguments of the wasm module: what makes its memory budget provable from the binary.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_FAMILY").as_deref() != Ok("wasm") {
        return;
    }
    for argument in [
        // A reachable panic becomes an import that `tests/no_trap.rs` sees, not a link error that
        // nobody can read.
        "--allow-undefined",
        // 16 MiB, the budget of one worker. The module declares it, so no host can exceed it.
        "--max-memory=16777216",
        // The stack lies below all data, so that it cannot grow into a buffer; nothing recurses.
        "--stack-first",
        "-zstack-size=131072",
    ] {
        println!("cargo:rustc-link-arg-cdylib={argument}");
    }
}
