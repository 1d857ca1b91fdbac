//! See `tests/properties/descriptor_set.rs`.

#![no_main]

#[path = "../../tests/properties/mod.rs"]
mod properties;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| properties::descriptor_set::check(bytes));
