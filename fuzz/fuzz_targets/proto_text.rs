//! Names, identifiers and addresses as text.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nvme_proto::testing::text(data));
