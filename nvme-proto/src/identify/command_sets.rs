//! I/O command sets and their combinations.

use core::fmt;

use crate::flags::wire_flags;
use crate::layout::{Field, newtype_fields};
use crate::registry::wire_values;
use crate::view::{entry, entry_mut, view_type};

wire_values! {
    /// I/O command set of a namespace or of a command. 1 byte.
    #[doc(alias = "CSI")]
    pub struct CommandSet(u8) {
        /// Blocks: read and write.
        NVM = 0 => "NVM",
        /// Keys and values.
        KEY_VALUE = 1 => "key value",
        /// Zones that are written in order.
        ZONED = 2 => "zoned namespace",
    }
}

newtype_fields!(CommandSet);

wire_flags! {
    /// I/O command sets that can be used together: bit n is command set n. 8 bytes.
    pub struct CommandSetCombination(u64) {
        /// Blocks.
        NVM = 1 << 0 => "NVM",
        /// Keys and values.
        KEY_VALUE = 1 << 1 => "key value",
        /// Zones.
        ZONED = 1 << 2 => "zoned namespace",
    }
}

view_type! {
    /// I/O Command Set Combinations (CNS 0x1c): which command sets a controller can process at the same time. 512 entries of 8 bytes.
    ///
    /// | bytes    | field                                                                    |
    /// |----------|--------------------------------------------------------------------------|
    /// | 8n..8n+8 | combination n, which the feature I/O Command Set Profile selects; 0: none |
    ///
    /// Source: NVMe Base 2.0 section 5.17.2.21, libnvme `src/nvme/types.h: struct nvme_id_iocs`.
    pub struct CommandSetCombinations("I/O Command Set data structure", 4096);
}

impl<B: AsRef<[u8]>> CommandSetCombinations<B> {
    /// The combination number `index`, 0 to 511; none beyond that.
    #[must_use]
    pub fn combination(&self, index: usize) -> CommandSetCombination {
        Field::read(if index < 512 { entry(self.0.as_ref(), 0, 8, index) } else { &[] }, 0)
    }

    /// The combinations that are not empty, with their numbers.
    pub fn combinations(&self) -> impl Iterator<Item = (usize, CommandSetCombination)> {
        let all = (0..512).map(|index| (index, self.combination(index)));
        all.filter(|(_, sets)| *sets != CommandSetCombination::NONE)
    }
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> CommandSetCombinations<B> {
    /// Writes the combination number `index`; beyond 511 nothing is written.
    pub fn set_combination(&mut self, index: usize, sets: CommandSetCombination) {
        if index < 512 {
            sets.write(entry_mut(self.0.as_mut(), 0, 8, index), 0);
        }
    }
}

impl<B: AsRef<[u8]>> fmt::Debug for CommandSetCombinations<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.combinations()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_combination_has_eight_bytes() {
        let mut list = CommandSetCombinations::zeroed();
        list.set_combination(0, CommandSetCombination::NVM);
        list.set_combination(511, CommandSetCombination::NVM | CommandSetCombination::ZONED);
        list.set_combination(512, CommandSetCombination::NVM);
        assert_eq!((list.as_bytes()[0], list.as_bytes()[4088]), (1, 5));
        assert_eq!(
            list.combinations().collect::<alloc::vec::Vec<_>>(),
            [(0, CommandSetCombination(1)), (511, CommandSetCombination(5))]
        );
        assert_eq!(list.combination(512), CommandSetCombination::NONE);
        assert_eq!(alloc::format!("{}", list.combination(511)), "NVM, zoned namespace");
        assert!(CommandSetCombinations::new_checked([0; 4095]).is_err());
    }
}
