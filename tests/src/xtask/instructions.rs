//! Instructions that operations of nvme-proto take, against the limits beside them in its bench.

use nvme_examples::vm::tools::Tool;

use super::steps::StepError;
use super::workspace::{cargo, run};

/// Counts instructions.
const VALGRIND: &[Tool] = &[Tool::new("valgrind", "valgrind")];

/// Counts all rows; fails with the row, its count and its limit where one takes more.
///
/// The limits are of x86-64, since other processors have other instructions; elsewhere there is nothing to compare with.
pub(crate) fn check() -> Result<(), StepError> {
    if !cfg!(target_arch = "x86_64") {
        println!("NOT CHECKED: the limits are counts of x86-64, and this is {}", std::env::consts::ARCH);
        return Ok(());
    }
    super::install(VALGRIND)?;
    run(cargo().args(["bench", "--package", "nvme-proto", "--bench", "wire", "--", "instructions"]))
}
