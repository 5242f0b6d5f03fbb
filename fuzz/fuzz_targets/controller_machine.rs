//! Any operations on the controller's state machine.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nvme_proto::testing::controller_machine(data));
