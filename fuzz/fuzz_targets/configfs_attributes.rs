//! Values of attributes are stored as they are meant, or refused.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nvmet_configfs::testing::attributes(data));
