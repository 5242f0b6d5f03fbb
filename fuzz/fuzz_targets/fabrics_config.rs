//! Configuration files of all formats, and what is written again.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nvme_fabrics::testing::config(data));
