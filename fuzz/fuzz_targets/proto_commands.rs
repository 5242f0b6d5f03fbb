//! Queue entries, typed commands, their data and their results.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nvme_proto::testing::commands(data));
