//! Any operations on the host's state machine.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nvme_proto::testing::host_machine(data));
