//! What a target says of itself makes the same target.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nvmet_configfs::testing::saved(data));
