//! Three tables: subsystems, controllers, namespaces.
//!
//! | table | columns |
//! |---|---|
//! | subsystems | Subsystem, Subsystem-NQN, Controllers |
//! | controllers | Device, Cntlid, SN, MN, FR, TxPort, Address, State, Subsystem, Namespaces |
//! | namespaces | Device, Generic, NSID, Usage, Format, Controllers |
//!
//! These are the tables of `nvme list -v`, with three differences: a column is as wide as what is in it, so that nothing is cut; State takes the place of
//! the slot of a PCIe drive; and what `nvme` leaves out is there: subsystems of which only a namespace is left, and controllers without a subsystem.

use std::fmt::Write as _;

use super::namespaces::NamespaceRow;
use super::plain::plain;
use crate::kernel::sysfs::{Controller, Inventory, Namespace, Subsystem};

/// The three tables of the module.
#[must_use]
pub fn verbose(inventory: &Inventory) -> String {
    let mut subsystems = Columns::new(["Subsystem", "Subsystem-NQN", "Controllers"]);
    let mut controllers = Columns::new([
        "Device",
        "Cntlid",
        "SN",
        "MN",
        "FR",
        "TxPort",
        "Address",
        "State",
        "Subsystem",
        "Namespaces",
    ]);
    let mut namespaces = Columns::new(["Device", "Generic", "NSID", "Usage", "Format", "Controllers"]);
    for subsystem in &inventory.subsystems {
        let names = joined(subsystem.controllers.iter().map(|c| c.name));
        subsystems.push([subsystem.name.to_string(), subsystem.nqn.clone().unwrap_or_default(), names]);
        for controller in &subsystem.controllers {
            controllers.push(controller_row(Some(subsystem), controller));
        }
        for namespace in &subsystem.namespaces {
            namespaces.push(namespace_row(subsystem, namespace));
        }
    }
    for controller in &inventory.incomplete {
        controllers.push(controller_row(None, controller));
    }
    [subsystems.text(), controllers.text(), namespaces.text()].join("\n")
}

fn controller_row(subsystem: Option<&Subsystem>, c: &Controller) -> [String; 10] {
    let served = subsystem.into_iter().flat_map(|s| &s.namespaces).filter(|n| n.is_served_by(c.name));
    [
        c.name.to_string(),
        c.cntlid.map(|id| id.to_string()).unwrap_or_default(),
        c.serial.clone().unwrap_or_default(),
        c.model.clone().unwrap_or_default(),
        c.firmware.clone().unwrap_or_default(),
        c.transport.clone(),
        c.address.text.clone(),
        c.state.to_string(),
        subsystem.map(|s| s.name.to_string()).unwrap_or_default(),
        joined(served.map(|n| n.name)),
    ]
}

fn namespace_row(subsystem: &Subsystem, namespace: &Namespace) -> [String; 6] {
    let row = NamespaceRow::new(subsystem, namespace);
    [
        format!("/dev/{}", row.name),
        row.generic.map(|g| format!("/dev/{g}")).unwrap_or_default(),
        format!("{:#x}", row.nsid),
        row.usage(),
        row.format(),
        joined(namespace.controllers()),
    ]
}

fn joined(names: impl IntoIterator<Item = impl ToString>) -> String {
    names.into_iter().map(|name| name.to_string()).collect::<Vec<_>>().join(", ")
}

/// Rows under a heading and a rule, each column as wide as its widest text.
struct Columns<const N: usize> {
    rows: Vec<[String; N]>,
}

impl<const N: usize> Columns<N> {
    fn new(heading: [&str; N]) -> Self {
        Self { rows: vec![heading.map(str::to_owned)] }
    }

    fn push(&mut self, row: [String; N]) {
        self.rows.push(row.map(|cell| plain(&cell).into_owned()));
    }

    fn text(&self) -> String {
        let widths = self.rows.iter().fold([0; N], |mut widths: [usize; N], row| {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
            widths
        });
        let mut text = String::new();
        for (index, row) in self.rows.iter().enumerate() {
            line(&mut text, row, &widths);
            if index == 0 {
                line(&mut text, &widths.map(|width| "-".repeat(width)), &widths);
            }
        }
        text
    }
}

fn line<const N: usize>(text: &mut String, cells: &[String; N], widths: &[usize; N]) {
    let mut line = String::new();
    for (cell, width) in cells.iter().zip(widths) {
        // Writing to a String cannot fail.
        let _ = write!(line, "{cell:<width$} ");
    }
    let _ = writeln!(text, "{}", line.trim_end());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::sysfs::fixture::{Fixture, TCP};

    #[test]
    fn three_tables_with_nothing_left_out() {
        let f = Fixture::guide();
        f.controller("nvme10", TCP, &[("address", "traddr=192.0.2.11,trsvcid=4420"), ("cntlid", "12")])
            .subsystem("nvme-subsys0", "mysub", &["nvme0", "nvme10"])
            .path("nvme10", "nvme0c10n1", "inaccessible")
            .controller("nvme9", &[("state", "connecting"), ("transport", "tcp")], &[]);
        let text = verbose(&Inventory::scan(&f.sysfs()).unwrap());
        let want = "\
Subsystem    Subsystem-NQN Controllers
------------ ------------- -------------
nvme-subsys0 mysub         nvme0, nvme10

Device Cntlid SN                   MN    FR     TxPort Address                                            State      Subsystem    Namespaces
------ ------ -------------------- ----- ------ ------ -------------------------------------------------- ---------- ------------ ----------
nvme0  1      0123456789abcdef1234 Linux 6.12.1 tcp    traddr=192.0.2.10,trsvcid=4420,src_addr=192.0.2.55 live       nvme-subsys0 nvme0n1
nvme10 12     0123456789abcdef1234 Linux 6.12.1 tcp    traddr=192.0.2.11,trsvcid=4420                     live       nvme-subsys0 nvme0n1
nvme9                                           tcp                                                       connecting

Device       Generic NSID Usage                   Format         Controllers
------------ ------- ---- ----------------------- -------------- -------------
/dev/nvme0n1         0x1           ? /   1.05  MB 512   B +  ? B nvme0, nvme10
";
        assert_eq!(text, want);
        assert_eq!(verbose(&Inventory::default()).lines().count(), 8);
    }
}
