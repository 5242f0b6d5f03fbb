//! Any target can be brought to any state, or is left exactly as it was.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nvmet_configfs::testing::plan(data));
