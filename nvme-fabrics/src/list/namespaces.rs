//! One row a namespace.
//!
//! | column | width | content |
//! |---|---|---|
//! | Node | 21 | `/dev/nvme0n1` |
//! | Generic | 21 | `/dev/ng0n1` |
//! | SN | 20 | serial number |
//! | Model | 40 | model |
//! | Namespace | 10 | NSID, hexadecimal |
//! | Usage | 26 | used / capacity, powers of 1000 |
//! | Format | 16 | block size, powers of 1024, and metadata bytes |
//! | FW Rev | 8 | firmware revision |

use std::fmt::Write as _;

use super::plain::plain;
use super::units::{binary, si};
use crate::kernel::names::{GenericName, NamespaceName};
use crate::kernel::sysfs::{Inventory, Namespace, Subsystem};

/// What one line of the table says: texts for the table, numbers for everything else.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NamespaceRow {
    /// Block device.
    pub name: NamespaceName,
    /// Character device, if there is one.
    pub generic: Option<GenericName>,
    /// Serial number, empty if unknown.
    pub serial: String,
    /// Model, empty if unknown.
    pub model: String,
    /// Firmware revision, empty if unknown.
    pub firmware: String,
    /// NQN of the subsystem, empty if unknown.
    pub subsystem_nqn: String,
    /// Namespace identifier.
    pub nsid: u32,
    /// Bytes in use, if the kernel tells.
    pub used_bytes: Option<u64>,
    /// Capacity in bytes.
    pub bytes: u64,
    /// Logical blocks, if the block size is known.
    pub blocks: Option<u64>,
    /// Bytes of a logical block, if known.
    pub block_size: Option<u32>,
    /// Metadata bytes of a block, if the kernel tells.
    pub metadata_bytes: Option<u32>,
}

impl NamespaceRow {
    pub(super) fn new(subsystem: &Subsystem, ns: &Namespace) -> Self {
        // A plain namespace belongs to one controller whose data may differ from the subsystem's first controller.
        let owner =
            ns.controllers().first().and_then(|name| subsystem.controllers.iter().find(|c| c.name == *name));
        let pick = |own: Option<&String>, group: Option<&String>| own.or(group).cloned().unwrap_or_default();
        Self {
            name: ns.name,
            generic: ns.generic,
            serial: pick(owner.and_then(|c| c.serial.as_ref()), subsystem.serial.as_ref()),
            model: pick(owner.and_then(|c| c.model.as_ref()), subsystem.model.as_ref()),
            firmware: pick(owner.and_then(|c| c.firmware.as_ref()), subsystem.firmware.as_ref()),
            subsystem_nqn: subsystem.nqn.clone().unwrap_or_default(),
            nsid: ns.nsid,
            used_bytes: ns.used_bytes(),
            bytes: ns.bytes,
            blocks: ns.blocks(),
            block_size: ns.block_size,
            metadata_bytes: ns.metadata_bytes,
        }
    }

    /// `  4.29  GB /   4.29  GB`; a question mark where the kernel does not tell how much is used.
    #[must_use]
    pub fn usage(&self) -> String {
        let used = self.used_bytes.map_or_else(|| format!("{:>10}", "?"), si);
        format!("{used} / {}", si(self.bytes))
    }

    /// `  4 KiB +  0 B`; question marks for what is unknown.
    #[must_use]
    pub fn format(&self) -> String {
        let block = self.block_size.map_or_else(|| format!("{:>7}", "?"), |n| binary(u64::from(n)));
        let metadata = self.metadata_bytes.map_or_else(|| "?".to_owned(), |n| n.to_string());
        format!("{block} + {metadata:>2} B")
    }
}

/// A row for each namespace, in numeric order of the names. Discovery controllers have none.
#[must_use]
pub fn rows(inventory: &Inventory) -> Vec<NamespaceRow> {
    let mut rows: Vec<_> = inventory.namespaces().map(|(s, n)| NamespaceRow::new(s, n)).collect();
    rows.sort_by_key(|r| r.name);
    rows
}

/// The table, its two heading lines included.
#[must_use]
pub fn table(rows: &[NamespaceRow]) -> String {
    let mut text = String::new();
    let mut line = |cells: [&str; 8]| {
        let [node, generic, serial, model, nsid, usage, format, firmware] = cells;
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{node:<21} {generic:<21} {serial:<20} {model:<40} {nsid:<10} {usage:<26} {format:<16} {firmware:<8}"
        );
    };
    line(["Node", "Generic", "SN", "Model", "Namespace", "Usage", "Format", "FW Rev"]);
    let rule = |n: usize| "-".repeat(n);
    line([&rule(21), &rule(21), &rule(20), &rule(40), &rule(10), &rule(26), &rule(16), &rule(8)]);
    for row in rows {
        let generic = row.generic.map(|g| format!("/dev/{g}")).unwrap_or_default();
        line([
            &format!("/dev/{}", row.name),
            &generic,
            &plain(&row.serial),
            &plain(&row.model),
            &format!("{:#x}", row.nsid),
            &row.usage(),
            &row.format(),
            &plain(&row.firmware),
        ]);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::sysfs::fixture::{Fixture, TCP};

    fn guide() -> NamespaceRow {
        let f = Fixture::guide();
        let head = "sys/class/nvme-subsystem/nvme-subsys0/nvme0n1";
        f.dir("sys/class/nvme-generic/ng0n1")
            .file(format!("{head}/size"), "8388608")
            .file(format!("{head}/queue/logical_block_size"), "4096")
            .file(format!("{head}/nuse"), "1048576")
            .file(format!("{head}/metadata_bytes"), "0");
        rows(&Inventory::scan(&f.sysfs()).unwrap()).remove(0)
    }

    #[test]
    fn the_table_of_nvme_list() {
        let want = "\
Node                  Generic               SN                   Model                                    Namespace  Usage                      Format           FW Rev  
--------------------- --------------------- -------------------- ---------------------------------------- ---------- -------------------------- ---------------- --------
/dev/nvme0n1          /dev/ng0n1            0123456789abcdef1234 Linux                                    0x1          4.29  GB /   4.29  GB      4 KiB +  0 B   6.12.1  
";
        assert_eq!(table(&[guide()]), want);
        assert_eq!(table(&[]).lines().count(), 2);
    }

    #[test]
    fn small_sizes() {
        let row = NamespaceRow {
            bytes: 2048 * 512,
            block_size: Some(512),
            used_bytes: Some(0),
            metadata_bytes: Some(0),
            ..guide()
        };
        assert_eq!(row.usage(), "  0.00   B /   1.05  MB");
        assert_eq!(row.format(), "512   B +  0 B");
    }

    #[test]
    fn what_an_older_kernel_does_not_tell_is_a_question_mark_in_the_same_columns() {
        let row = NamespaceRow { used_bytes: None, metadata_bytes: None, block_size: None, ..guide() };
        assert_eq!(row.usage(), "         ? /   4.29  GB");
        assert_eq!(row.format(), "      ? +  ? B");
        assert_eq!((row.usage().len(), row.format().len()), (guide().usage().len(), guide().format().len()));
    }

    #[test]
    fn numeric_order_and_the_owners_serial() {
        let f = Fixture::new();
        for n in [10, 2] {
            let (c, s) = (format!("nvme{n}"), format!("nvme-subsys{n}"));
            f.controller(&c, TCP, &[("serial", &format!("S{n}"))]).subsystem(&s, "x", &[&c]).namespace(
                &format!("nvme/{c}"),
                &format!("nvme{n}n1"),
                "1",
                "259:0",
            );
        }
        let rows = rows(&Inventory::scan(&f.sysfs()).unwrap());
        let got: Vec<_> = rows.iter().map(|r| (r.name.to_string(), r.serial.as_str())).collect();
        assert_eq!(got, [("nvme2n1".to_owned(), "S2"), ("nvme10n1".to_owned(), "S10")]);
    }
}
