//! Identify data, the discovery log and its reader.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nvme_proto::testing::views(data));
