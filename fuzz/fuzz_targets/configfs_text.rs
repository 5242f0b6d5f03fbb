//! Names, paths, numbers and identifiers of the target's tree as text.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nvmet_configfs::testing::text(data));
