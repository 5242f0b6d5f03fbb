//! The test program inside a guest kernel; see [`it::guest`].

use std::convert::Infallible;

use it::cases;
use it::guest::system::System;
use it::guest::{Failure, runner};

fn main() {
    if std::process::id() != 1 {
        eprintln!("this program is the first process of a guest kernel; run `cargo xtask matrix`");
        std::process::exit(2);
    }
    let Err(failure) = boot();
    // The serial port does not work: the console is all that is left. When the first process ends, the kernel panics, and
    // the machinery outside shows this line.
    eprintln!("guest: {failure}");
}

fn boot() -> Result<Infallible, Failure> {
    let mut system = System::boot()?;
    let status = match system.prepare().and_then(|()| runner::run(&mut system, &cases::all())) {
        Ok(status) => status,
        Err(failure) => {
            system.say(&format!("the test run failed: {failure}"))?;
            system.say("0 passed, 1 failed")?;
            1
        }
    };
    system.end(status)
}
