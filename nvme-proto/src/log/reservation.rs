//! What happened to reservations.

use crate::layout::newtype_fields;
use crate::registry::wire_values;
use crate::view::view;

wire_values! {
    /// What happened to a reservation. 1 byte.
    #[doc(alias = "RNLPT")]
    pub struct ReservationEvent(u8) {
        /// Nothing: the log is empty.
        EMPTY = 0 => "empty",
        /// The host's registration was preempted.
        REGISTRATION_PREEMPTED = 1 => "registration preempted",
        /// The reservation was released.
        RELEASED = 2 => "reservation released",
        /// The host's reservation was preempted.
        PREEMPTED = 3 => "reservation preempted",
    }
}

newtype_fields!(ReservationEvent);

view! {
    /// Reservation Notification (LID 0x80): the oldest of the notifications that were not read yet. 64 bytes, little-endian.
    ///
    /// | bytes  | field                | meaning                                                                          |
    /// |--------|----------------------|----------------------------------------------------------------------------------|
    /// | 0..8   | `count`              | number of this notification; after the largest comes 1; 0: none                  |
    /// | 8      | `event`              | what happened                                                                    |
    /// | 9      | `available`          | notifications that wait behind this one, 255 for more                            |
    /// | 12..16 | `nsid` (NSID)        | the namespace                                                                    |
    ///
    /// Everything else is reserved and kept. Source: NVMe Base 2.0 section 5.16.1.23, kernel
    /// `include/linux/nvme.h: struct nvme_pr_log` (since 6.13).
    pub struct ReservationLog("Reservation Notification log", 64) {
        /// Number of this notification; 0: there is none.
        0 count set_count u64;
        /// What happened.
        #[doc(alias = "RNLPT")]
        8 event set_event ReservationEvent;
        /// Notifications that wait behind this one; 255 for more.
        #[doc(alias = "NALP")]
        9 available set_available u8;
        /// The namespace.
        12 nsid set_nsid u32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::check_view;

    #[test]
    fn the_fields_are_where_the_table_says() {
        check_view!(ReservationLog, [0..10, 12..16]);
        let bytes: [u8; 64] = core::array::from_fn(|at| at as u8);
        let log = ReservationLog::new_checked(bytes).unwrap();
        assert_eq!(
            (log.count(), log.event(), log.available()),
            (0x0706_0504_0302_0100, ReservationEvent(8), 9)
        );
        assert_eq!(log.nsid(), 0x0f0e_0d0c);
    }
}
