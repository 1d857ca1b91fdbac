//! See `tests/properties/capture_reader.rs`.

#![no_main]

#[path = "../../tests/properties/mod.rs"]
mod properties;
#[path = "../../tests/support/mod.rs"]
mod support;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| properties::capture_reader::check(bytes));
