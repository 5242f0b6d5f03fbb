//! Runs everything that proves the workspace; see [`it::xtask`].

use std::process::ExitCode;

fn main() -> ExitCode {
    it::xtask::main()
}
