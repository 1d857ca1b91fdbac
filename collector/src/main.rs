//! The `twintap` program. Everything is in the library; this only turns its answer into an exit code.

fn main() -> std::process::ExitCode {
    twintap::cli::run()
}
