//! Streams of PDUs, cut in every way.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    nvme_proto::testing::frame(data);
});
