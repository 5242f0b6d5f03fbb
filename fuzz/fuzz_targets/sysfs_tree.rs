//! Any tree in the place of sysfs: an inventory is made of it, and everything that is shown of one.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nvme_fabrics::testing::sysfs_tree(data));
