//! What the kernel's host prints and what goes into its option string.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nvme_fabrics::testing::text(data));
