//! Arbitrary commands to a target in user space that is being changed.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nvme_fabrics::testing::soft_target(data));
