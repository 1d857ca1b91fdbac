//! See `tests/properties/parquet.rs`.

#![no_main]

#[path = "../../tests/properties/mod.rs"]
mod properties;

libfuzzer_sys::fuzz_target!(
    init: {
        // The decoder may panic, which the reader contains. Without the hook, which aborts, only what gets
        // out of `check` is a crash.
        drop(std::panic::take_hook());
    },
    |bytes: &[u8]| properties::parquet::check(bytes)
);
