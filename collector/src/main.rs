//! The `twintap` program. Everything is in the library; this only turns its answer into an exit code.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    twintap::cli::run()
}
