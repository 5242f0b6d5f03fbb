//! Primary and secondary controllers.

use alloc::vec::Vec;
use core::fmt;

use crate::error::DecodeError;
use crate::layout::{Field, layout};
use crate::types::Cntlid;
use crate::view::{check_count, entries, entry_mut, view, view_type};

view! {
    /// Primary Controller Capabilities (CNS 0x14): queues (VQ) and interrupts (VI) a primary controller can give to secondary ones. 4096
    /// bytes, little-endian.
    ///
    /// | bytes  | field                                                                                                            |
    /// |--------|------------------------------------------------------------------------------------------------------------------|
    /// | 0..2   | `cntlid` (CNTLID)                                                                                                |
    /// | 2..4   | `port_id` (PORTID)                                                                                               |
    /// | 4      | `resource_types` (CRT): bit 0 queues, 1 interrupts                                                               |
    /// | 32..40 | `queues_flexible`, `queues_assigned` (VQFRT, VQRFA)                                                              |
    /// | 40..48 | `queues_primary`, `queues_private`, `queues_secondary_max`, `queues_granularity` (VQRFAP, VQPRT, VQFRSM, VQGRAN) |
    /// | 64..80 | the same for interrupts (VIFRT, VIRFA, VIRFAP, VIPRT, VIFRSM, VIGRAN)                                            |
    ///
    /// Everything else is reserved and kept. Source: NVMe Base 2.0 section 5.17.2.12, libnvme
    /// `src/nvme/types.h: struct nvme_primary_ctrl_cap`.
    pub struct PrimaryCapabilities("Primary Controller Capabilities", 4096) {
        /// The primary controller.
        0 cntlid set_cntlid Cntlid;
        /// Port of the subsystem.
        2 port_id set_port_id u16;
        /// Bit 0: queues can be given, 1: interrupts.
        #[doc(alias = "CRT")]
        4 resource_types set_resource_types u8;
        /// Queues that can be given in all.
        #[doc(alias = "VQFRT")]
        32 queues_flexible set_queues_flexible u32;
        /// Queues given to secondary controllers.
        #[doc(alias = "VQRFA")]
        36 queues_assigned set_queues_assigned u32;
        /// Flexible queues the primary controller has.
        #[doc(alias = "VQRFAP")]
        40 queues_primary set_queues_primary u16;
        /// Queues that belong to the primary controller alone.
        #[doc(alias = "VQPRT")]
        42 queues_private set_queues_private u16;
        /// Queues a secondary controller can have.
        #[doc(alias = "VQFRSM")]
        44 queues_secondary_max set_queues_secondary_max u16;
        /// Preferred granularity of giving queues.
        #[doc(alias = "VQGRAN")]
        46 queues_granularity set_queues_granularity u16;
        /// Interrupts that can be given in all.
        #[doc(alias = "VIFRT")]
        64 interrupts_flexible set_interrupts_flexible u32;
        /// Interrupts given to secondary controllers.
        #[doc(alias = "VIRFA")]
        68 interrupts_assigned set_interrupts_assigned u32;
        /// Flexible interrupts the primary controller has.
        #[doc(alias = "VIRFAP")]
        72 interrupts_primary set_interrupts_primary u16;
        /// Interrupts that belong to the primary controller alone.
        #[doc(alias = "VIPRT")]
        74 interrupts_private set_interrupts_private u16;
        /// Interrupts a secondary controller can have.
        #[doc(alias = "VIFRSM")]
        76 interrupts_secondary_max set_interrupts_secondary_max u16;
        /// Preferred granularity of giving interrupts.
        #[doc(alias = "VIGRAN")]
        78 interrupts_granularity set_interrupts_granularity u16;
    }
}

view! {
    /// One secondary controller. 32 bytes, little-endian.
    ///
    /// | bytes  | field                          | meaning                                |
    /// |--------|--------------------------------|----------------------------------------|
    /// | 0..2   | `cntlid` (SCID)                |                                        |
    /// | 2..4   | `primary` (PCID)               | its primary controller                 |
    /// | 4      | `state` (SCS)                  | bit 0: online                          |
    /// | 8..10  | `virtual_function` (VFN)       | 0: none                                |
    /// | 10..14 | `queues`, `interrupts` (NVQ, NVI) | flexible ones it was given          |
    ///
    /// Everything else is reserved and kept. Source: NVMe Base 2.0 section 5.17.2.13, libnvme `src/nvme/types.h: struct nvme_secondary_ctrl`.
    pub struct SecondaryController("Secondary Controller entry", 32) {
        /// The secondary controller.
        #[doc(alias = "SCID")]
        0 cntlid set_cntlid Cntlid;
        /// Its primary controller.
        #[doc(alias = "PCID")]
        2 primary set_primary Cntlid;
        /// Bit 0: online.
        #[doc(alias = "SCS")]
        4 state set_state u8;
        /// Virtual function; 0: none.
        #[doc(alias = "VFN")]
        8 virtual_function set_virtual_function u16;
        /// Flexible queues it was given.
        #[doc(alias = "NVQ")]
        10 queues set_queues u16;
        /// Flexible interrupts it was given.
        #[doc(alias = "NVI")]
        12 interrupts set_interrupts u16;
    }
}

/// Entries the list has room for.
const ROOM: u8 = 127;
/// Bytes of an entry, and where the first begins.
const ENTRY: usize = 32;

fn check_entries(bytes: &[u8]) -> Result<(), DecodeError> {
    check_count("Secondary Controller List", 0, "NUMID", u8::read(bytes, 0).into(), ROOM.into())
}

view_type! {
    /// Secondary Controller List (CNS 0x15): up to 127 controllers, ascending from the identifier in the command on. 4096 bytes.
    ///
    /// | bytes    | field                                                                  |
    /// |----------|------------------------------------------------------------------------|
    /// | 0        | `count`                                                                |
    /// | 32..4096 | [`controllers`](Self::controllers): [`SecondaryController`]s           |
    ///
    /// Source: NVMe Base 2.0 section 5.17.2.13, libnvme `src/nvme/types.h: struct nvme_secondary_ctrl_list`.
    pub struct SecondaryControllerList("Secondary Controller List", 4096, check check_entries
        => "[`DecodeErrorKind::Limit`](crate::DecodeErrorKind::Limit) for a count above 127.");
}

layout! { SecondaryControllerList {
    /// Controllers listed.
    0 count set_count u8;
} }

impl<B: AsRef<[u8]>> SecondaryControllerList<B> {
    /// The controllers.
    pub fn controllers(&self) -> impl Iterator<Item = SecondaryController<&[u8]>> {
        let listed = entries(self.0.as_ref(), ENTRY, ENTRY, self.count().min(ROOM).into());
        listed.filter_map(|controller| SecondaryController::new_checked(controller).ok())
    }
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> SecondaryControllerList<B> {
    /// Adds a controller behind those there are; nothing is added to a full list.
    pub fn push<E: AsRef<[u8]>>(&mut self, controller: &SecondaryController<E>) {
        let count = self.count();
        if count < ROOM {
            let to = entry_mut(self.0.as_mut(), ENTRY, ENTRY, count.into());
            for (to, from) in to.iter_mut().zip(controller.as_bytes()) {
                *to = *from;
            }
            self.set_count(count.saturating_add(1));
        }
    }
}

impl<B: AsRef<[u8]>> fmt::Debug for SecondaryControllerList<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("SecondaryControllerList");
        self.debug_fields(&mut fields);
        fields.field("controllers", &self.controllers().collect::<Vec<_>>()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::check_view;

    #[test]
    fn the_fields_are_where_the_tables_say() {
        check_view!(PrimaryCapabilities, [0..5, 32..48, 64..80]);
        check_view!(SecondaryController, [0..5, 8..14]);
    }

    #[test]
    fn a_list_holds_127() {
        let (mut list, mut controller) = (SecondaryControllerList::zeroed(), SecondaryController::zeroed());
        for id in 0..200 {
            controller.set_cntlid(Cntlid(id));
            list.push(&controller);
        }
        assert_eq!(
            (list.count(), list.controllers().last().map(|last| last.cntlid())),
            (127, Some(Cntlid(126)))
        );
        assert_eq!(list.as_bytes()[4064], 126);
        let mut bytes = list.into_inner();
        bytes[0] = 128;
        assert_eq!(SecondaryControllerList::new_checked(bytes).unwrap_err().at, 0);
    }
}
