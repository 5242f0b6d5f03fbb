//! What three kernels once answered to 501 operations, asked again: the recordings that the simulated target is checked against.

#[path = "../../../nvmet-configfs/tests/observed/replay.rs"]
mod replay;

use std::fs::{self, File};

use nvme_examples::vm::Release;
use nvmet_configfs::{OsTree, clear};
use replay::{DIRECTORY, Difference, FILES, HARMFUL, OPERATIONS, RECORDED, field, is_harmful};

use super::scene;
use crate::ensure;
use crate::guest::{Case, Ctx, Failure};

/// The cases of this file.
pub const CASES: &[Case] =
    &[Case::new("configfs_recorded::this_kernel_answers_as_recorded", this_kernel_answers_as_recorded)];

/// Longest texts of addresses, in bytes, as recorded. Newer stable kernels (6.12.118 among them) keep a byte of the field for the NUL
/// at its end, where it was written behind the field before.
const WHOLE_FIELDS: [(&str, usize); 2] = [("addr_traddr", 256), ("addr_trsvcid", 32)];

/// A row that is known to be answered otherwise by newer kernels of the same series: an address of the whole length of its field comes
/// back without its last byte.
fn is_known(difference: &Difference) -> bool {
    let Difference { recorded, result, got, .. } = difference;
    let (attribute, value) = (field(recorded, "path"), field(recorded, "value"));
    let fills = WHOLE_FIELDS.iter().any(|(name, len)| attribute.ends_with(name) && value.len() == *len);
    let shorter = value.get(..value.len().saturating_sub(1)).map(|value| format!("{value}\n"));
    fills && result == "ok" && got.as_ref().and_then(|got| got.as_str()) == shorter.as_deref()
}

fn this_kernel_answers_as_recorded(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    ctx.ram_disk(1)?;
    let recording = match ctx.release() {
        Release::V6_1 => RECORDED[0],
        Release::V6_12 => RECORDED[1],
        Release::V7 => RECORDED[2],
        other => return Err(Failure::new(format!("there is no recording of {other}"))),
    };
    let [file, empty] = FILES;
    File::create(file)?.set_len(16 << 20)?;
    File::create(empty)?;
    fs::create_dir(DIRECTORY)?;
    let tree = OsTree::open_default()?;
    let differences = replay::replay(&tree, recording, is_harmful);
    clear(&tree)?;
    for path in FILES {
        fs::remove_file(path)?;
    }
    fs::remove_dir(DIRECTORY)?;
    let (known, new): (Vec<_>, Vec<_>) = differences.into_iter().partition(is_known);
    ctx.note(&format!(
        "{} of {OPERATIONS} operations answered as recorded, {HARMFUL} not tried since they harm the kernel",
        OPERATIONS - HARMFUL - known.len() - new.len()
    ));
    for row in known {
        let (path, len) = (field(&row.recorded, "path"), field(&row.recorded, "value").len());
        ctx.note(&format!("newer than the recording: {len} bytes in {path} read back as {}", len - 1));
    }
    let new: Vec<String> = new.iter().map(ToString::to_string).collect();
    ensure!(new.is_empty(), "{} rows differ:\n{}", new.len(), new.join("\n"));
    Ok(())
}
