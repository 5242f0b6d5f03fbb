//! The test program inside a guest kernel.
fn main() {}
