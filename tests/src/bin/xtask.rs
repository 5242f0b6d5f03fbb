//! Runs everything that proves the workspace.
fn main() {}
