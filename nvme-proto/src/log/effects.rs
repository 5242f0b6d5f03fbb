//! Commands and features that a controller supports, and what else they do.

use core::fmt;

use crate::flags::wire_flags;
use crate::layout::Field;
use crate::view::{entries, entry, entry_mut, view_type};

wire_flags! {
    /// What a controller says of one command. 4 bytes, every bit kept.
    ///
    /// | bits  | meaning                                                                                              |
    /// |-------|------------------------------------------------------------------------------------------------------|
    /// | 4:0   | the constants below                                                                                  |
    /// | 15:14 | [`execution_relaxation`](Self::execution_relaxation) (CSER)                                          |
    /// | 18:16 | [`submission`](Self::submission) (CSE)                                                               |
    /// | 19    | [`UUID_SELECTION`](Self::UUID_SELECTION)                                                             |
    /// | 31:20 | [`scope`](Self::scope) (CSP)                                                                         |
    #[doc(alias = "NVME_CMD_EFFECTS")]
    pub struct CommandEffects(u32) {
        /// The command is supported.
        #[doc(alias = "CSUPP")]
        SUPPORTED = 1 << 0 => "supported",
        /// It may change what blocks hold.
        #[doc(alias = "LBCC")]
        BLOCK_CONTENT = 1 << 1 => "changes blocks",
        /// It may change what one namespace can do.
        #[doc(alias = "NCC")]
        NAMESPACE_CAPABILITY = 1 << 2 => "changes a namespace",
        /// It may change how many namespaces there are, or the capabilities of several.
        #[doc(alias = "NIC")]
        NAMESPACE_INVENTORY = 1 << 3 => "changes the inventory",
        /// It may change what the controller can do.
        #[doc(alias = "CCC")]
        CONTROLLER_CAPABILITY = 1 << 4 => "changes the controller",
        /// A UUID can be selected.
        #[doc(alias = "USS")]
        UUID_SELECTION = 1 << 19 => "UUID selection",
    }

    /// What a controller says of one feature. 4 bytes, every bit kept; 31:20 are the [`scope`](Self::scope) (FSP).
    #[doc(alias = "NVME_FID_SUPPORTED_EFFECTS")]
    pub struct FeatureEffects(u32) {
        /// The feature is supported.
        #[doc(alias = "FSUPP")]
        SUPPORTED = 1 << 0 => "supported",
        /// Setting it may change what blocks hold.
        #[doc(alias = "UDCC")]
        USER_DATA = 1 << 1 => "changes blocks",
        /// Setting it may change what one namespace can do.
        #[doc(alias = "NCC")]
        NAMESPACE_CAPABILITY = 1 << 2 => "changes a namespace",
        /// Setting it may change how many namespaces there are, or the capabilities of several.
        #[doc(alias = "NIC")]
        NAMESPACE_INVENTORY = 1 << 3 => "changes the inventory",
        /// Setting it may change what the controller can do.
        #[doc(alias = "CCC")]
        CONTROLLER_CAPABILITY = 1 << 4 => "changes the controller",
        /// A UUID can be selected.
        #[doc(alias = "USS")]
        UUID_SELECTION = 1 << 19 => "UUID selection",
    }

    /// What a command or a feature is about: 12 bits, of which one is set at most.
    #[doc(alias = "CSP")]
    #[doc(alias = "FSP")]
    pub struct Scope(u16) {
        /// One namespace.
        NAMESPACE = 1 << 0 => "namespace",
        /// The controller.
        CONTROLLER = 1 << 1 => "controller",
        /// One NVM set.
        NVM_SET = 1 << 2 => "NVM set",
        /// One endurance group.
        ENDURANCE_GROUP = 1 << 3 => "endurance group",
        /// One domain.
        DOMAIN = 1 << 4 => "domain",
        /// The whole subsystem.
        SUBSYSTEM = 1 << 5 => "subsystem",
        /// One controller data queue.
        CONTROLLER_DATA_QUEUE = 1 << 6 => "controller data queue",
    }
}

/// Bits 31:20.
const fn scope(bits: u32) -> Scope {
    let [_, _, low, high] = bits.to_le_bytes();
    Scope(u16::from_le_bytes([low, high]) >> 4)
}

impl CommandEffects {
    /// Other commands that may run beside it: 0 any, 1 only those that touch other namespaces, 2 none.
    #[doc(alias = "CSE")]
    #[must_use]
    pub const fn submission(self) -> u8 {
        let [_, _, byte, _] = self.0.to_le_bytes();
        byte & 0x7
    }

    /// How far [`submission`](Self::submission) may be relaxed, 0 to 3.
    #[doc(alias = "CSER")]
    #[must_use]
    pub const fn execution_relaxation(self) -> u8 {
        let [_, byte, ..] = self.0.to_le_bytes();
        byte >> 6
    }

    /// What the command is about; nothing where the controller does not say.
    #[must_use]
    pub const fn scope(self) -> Scope {
        scope(self.0)
    }
}

impl FeatureEffects {
    /// What the feature is about; nothing where the controller does not say.
    #[must_use]
    pub const fn scope(self) -> Scope {
        scope(self.0)
    }
}

view_type! {
    /// Commands Supported and Effects (LID 0x05), of the I/O command set the Get Log Page command names. 4096 bytes, little-endian.
    ///
    /// | bytes      | field                                                              |
    /// |------------|--------------------------------------------------------------------|
    /// | 0..1024    | [`admin`](Self::admin) (ACS): 4 bytes for each opcode              |
    /// | 1024..2048 | [`io`](Self::io) (IOCS): 4 bytes for each opcode                   |
    /// | 2048..4096 | reserved, kept                                                     |
    ///
    /// Source: NVMe Base 2.0 section 5.16.1.6, kernel `include/linux/nvme.h: struct nvme_effects_log`.
    pub struct EffectsLog("Commands Supported and Effects log", 4096);
}

/// Where the I/O commands begin.
const IO_AT: usize = 1024;

impl<B: AsRef<[u8]>> EffectsLog<B> {
    /// What is said of the admin command with this opcode.
    #[must_use]
    pub fn admin(&self, opcode: u8) -> CommandEffects {
        Field::read(entry(self.0.as_ref(), 0, 4, opcode.into()), 0)
    }

    /// What is said of the I/O command with this opcode.
    #[must_use]
    pub fn io(&self, opcode: u8) -> CommandEffects {
        Field::read(entry(self.0.as_ref(), IO_AT, 4, opcode.into()), 0)
    }

    /// The admin commands of which anything is said, by opcode.
    pub fn admin_commands(&self) -> impl Iterator<Item = (u8, CommandEffects)> {
        said(self.0.as_ref(), 0)
    }

    /// The I/O commands of which anything is said, by opcode.
    pub fn io_commands(&self) -> impl Iterator<Item = (u8, CommandEffects)> {
        said(self.0.as_ref(), IO_AT)
    }
}

/// The entries that are not zero among the 256 from offset `at` on.
fn said<T: Field + From<u32>>(bytes: &[u8], at: usize) -> impl Iterator<Item = (u8, T)> {
    let all =
        (0..=u8::MAX).zip(entries(bytes, at, 4, 256)).map(|(index, entry)| (index, u32::read(entry, 0)));
    all.filter(|(_, bits)| *bits != 0).map(|(index, bits)| (index, T::from(bits)))
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> EffectsLog<B> {
    /// Writes what is said of the admin command with this opcode.
    pub fn set_admin(&mut self, opcode: u8, effects: CommandEffects) {
        effects.write(entry_mut(self.0.as_mut(), 0, 4, opcode.into()), 0);
    }

    /// Writes what is said of the I/O command with this opcode.
    pub fn set_io(&mut self, opcode: u8, effects: CommandEffects) {
        effects.write(entry_mut(self.0.as_mut(), IO_AT, 4, opcode.into()), 0);
    }
}

impl<B: AsRef<[u8]>> fmt::Debug for EffectsLog<B> {
    /// The commands of which anything is said.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let admin: alloc::collections::BTreeMap<_, _> = self.admin_commands().collect();
        let io: alloc::collections::BTreeMap<_, _> = self.io_commands().collect();
        f.debug_struct("EffectsLog").field("admin", &admin).field("io", &io).finish()
    }
}

view_type! {
    /// Feature Identifiers Supported and Effects (LID 0x12): 256 entries of 4 bytes. 1024 bytes, little-endian.
    ///
    /// Source: NVMe Base 2.0 section 5.16.1.18, libnvme `src/nvme/types.h: struct nvme_fid_supported_effects_log`.
    pub struct FeatureEffectsLog("Feature Identifiers Supported and Effects log", 1024);
}

impl<B: AsRef<[u8]>> FeatureEffectsLog<B> {
    /// What is said of the feature with this identifier.
    #[must_use]
    pub fn feature(&self, identifier: u8) -> FeatureEffects {
        Field::read(entry(self.0.as_ref(), 0, 4, identifier.into()), 0)
    }

    /// The features of which anything is said, by identifier.
    pub fn features(&self) -> impl Iterator<Item = (u8, FeatureEffects)> {
        said(self.0.as_ref(), 0)
    }
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> FeatureEffectsLog<B> {
    /// Writes what is said of the feature with this identifier.
    pub fn set_feature(&mut self, identifier: u8, effects: FeatureEffects) {
        effects.write(entry_mut(self.0.as_mut(), 0, 4, identifier.into()), 0);
    }
}

impl<B: AsRef<[u8]>> fmt::Debug for FeatureEffectsLog<B> {
    /// The features of which anything is said.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.features()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_opcode_has_its_dword() {
        let mut log = EffectsLog::zeroed();
        log.set_admin(0x80, CommandEffects(0x0022_000f));
        log.set_io(0x01, CommandEffects::SUPPORTED | CommandEffects::BLOCK_CONTENT);
        log.set_io(0xff, CommandEffects::SUPPORTED);
        assert_eq!(log.as_bytes()[0x200..0x204], [0x0f, 0, 0x22, 0]);
        assert_eq!(log.as_bytes()[1028..1032], [3, 0, 0, 0]);
        assert_eq!(log.as_bytes()[2044..2052], [1, 0, 0, 0, 0, 0, 0, 0]);
        let format = log.admin(0x80);
        assert_eq!(
            (format.submission(), format.execution_relaxation(), format.scope()),
            (2, 0, Scope::CONTROLLER)
        );
        let io: alloc::vec::Vec<_> = log.io_commands().map(|(opcode, effects)| (opcode, effects.0)).collect();
        assert_eq!(io, [(1, 3), (255, 1)]);
        assert_eq!(log.admin_commands().count(), 1);
        assert!(alloc::format!("{log:?}").contains("128: CommandEffects(0x22000f: "));
        assert!(EffectsLog::new_checked([0; 4095]).is_err());
    }

    #[test]
    fn bits_beside_the_names_have_getters() {
        let effects = CommandEffects(0xff08_c001);
        assert_eq!((effects.submission(), effects.execution_relaxation(), effects.scope().0), (0, 3, 0xff0));
        assert!(effects.contains(CommandEffects::UUID_SELECTION));
        assert_eq!(FeatureEffects(0x0010_0001).scope().0, Scope::NAMESPACE.0);
    }

    #[test]
    fn each_feature_has_its_dword() {
        let mut log = FeatureEffectsLog::zeroed();
        log.set_feature(0x0f, FeatureEffects::SUPPORTED);
        assert_eq!(log.as_bytes()[60], 1);
        assert_eq!(log.features().collect::<alloc::vec::Vec<_>>(), [(0x0f, FeatureEffects::SUPPORTED)]);
        assert_eq!(log.feature(0x10), FeatureEffects::NONE);
    }
}
