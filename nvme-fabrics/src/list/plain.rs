//! Texts of a controller's on a terminal: a target chooses its model, serial number and NQN, and could write line ends and escape sequences into them.

use std::borrow::Cow;

/// The text with control characters, line ends among them, as escapes (`\u{1b}`): one cell stays one cell, and no terminal obeys it.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let escaped = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    Cow::Owned(text.chars().map(escaped).collect())
}

#[cfg(test)]
mod tests {
    use super::super::{rows, subsystems, table, verbose};
    use super::*;
    use crate::kernel::disconnect::{Selector, plan_disconnect};
    use crate::kernel::sysfs::Inventory;
    use crate::kernel::sysfs::fixture::{Fixture, TCP};

    #[test]
    fn control_characters_are_escaped_and_nothing_else() {
        assert_eq!(plain("caf\u{e9} \\ 1"), "caf\u{e9} \\ 1");
        assert_eq!(plain("a\nb\u{1b}[2J\u{85}"), "a\\nb\\u{1b}[2J\\u{85}");
    }

    #[test]
    fn a_target_writes_no_lines_of_its_own_into_what_is_listed() {
        let f = Fixture::guide();
        let nasty = "Disk\nnvme9 \u{1b}[31mlive";
        f.controller("nvme0", TCP, &[("model", nasty), ("serial", nasty), ("firmware_rev", nasty)])
            .subsystem("nvme-subsys0", nasty, &["nvme0"]);
        let inventory = Inventory::scan(&f.sysfs()).unwrap();
        assert_eq!(table(&rows(&inventory)).lines().count(), 3);
        for text in [table(&rows(&inventory)), subsystems(&inventory), verbose(&inventory)] {
            assert!(!text.contains('\u{1b}') && text.contains("\\nnvme9 \\u{1b}[31mlive"), "{text}");
        }
        let plan = |selector: &Selector| plan_disconnect(&f.sysfs(), selector);
        f.file("sys/class/nvme/nvme0/subsysnqn", nasty);
        let nothing = plan(&Selector::Subsystem("mysub".parse().unwrap())).unwrap_err();
        let all = plan(&Selector::All).unwrap();
        assert_eq!(all.to_string().lines().filter(|line| line.contains("nvme9")).count(), 1);
        f.file("sys/class/nvme/nvme0/transport", "p\u{1b}cie");
        let other = plan(&Selector::Controller(all.controllers[0].name))
            .map_or_else(|e| e.to_string(), |p| p.to_string());
        for text in [nothing.to_string(), all.to_string(), other] {
            assert!(!text.trim_end().replace('\n', "").contains(char::is_control), "{text:?}");
        }
        assert!(nothing.to_string().contains("\\nnvme9 \\u{1b}[31mlive"), "{nothing}");
    }
}
