//! Files that describe a target, of any format: what is read is written the same.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nvmet_configfs::testing::files(data));
