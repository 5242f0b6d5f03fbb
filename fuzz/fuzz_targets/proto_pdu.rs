//! Headers of PDUs of every type.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nvme_proto::testing::pdus(data));
