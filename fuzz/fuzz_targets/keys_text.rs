//! Secrets of DH-HMAC-CHAP, keys for TLS, files of them, and the kernel's listing of keys.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nvme_fabrics::testing::keys(data));
