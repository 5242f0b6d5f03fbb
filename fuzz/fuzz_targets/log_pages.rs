//! Log pages, Identify's lists and structures, extended discovery entries.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nvme_proto::testing::log_pages(data));
