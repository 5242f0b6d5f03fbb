//! Messages of in-band authentication, keys as text, and both state machines against a peer that changes what they say.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nvme_proto::testing::auth_messages(data));
