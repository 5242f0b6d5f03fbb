//! What does not fit together in an Identify Controller.

use super::super::ControllerType;
use super::IdentifyController;
use crate::error::DecodeError;

const STRUCTURE: &str = "Identify Controller";

impl<B: AsRef<[u8]>> IdentifyController<B> {
    /// What a controller says of itself that cannot be, each with the byte and the rule. Nothing here keeps the other fields from being read:
    /// the getters compute with such values safely. Entry sizes, capsules and keep-alive are looked at where the controller is no discovery
    /// controller, since Linux's leaves them zero.
    ///
    /// | field        | rule                                                                    |
    /// |--------------|-------------------------------------------------------------------------|
    /// | MDTS         | at most 31: 2^31 pages are 8 TiB and more                               |
    /// | SQES, CQES   | the smallest size is not above the largest                              |
    /// | IOCCSZ       | at least 4: a command has 64 bytes                                      |
    /// | IORCSZ       | at least 1: a response has 16 bytes                                     |
    /// | KAS          | not 0: over fabrics a controller has a keep-alive timer                 |
    /// | MAXCMD       | not 0: over fabrics a queue takes a command                             |
    pub fn oddities(&self) -> impl Iterator<Item = DecodeError> {
        let odd = |is_odd: bool, at, field, found, rule| {
            is_odd.then_some(DecodeError::invalid(STRUCTURE, at, field, found, rule))
        };
        let sizes = |sizes: u8| sizes & 0xf > sizes >> 4;
        let io = self.controller_type() != ControllerType::DISCOVERY;
        let (mdts, kas) = (self.max_data_transfer(), self.keep_alive_granularity());
        let (sq, cq) = (self.sq_entry_size(), self.cq_entry_size());
        let (command, response) = (self.io_capsule_size(), self.io_response_size());
        [
            odd(mdts > 31, 77, "MDTS", mdts.into(), "a controller moves fewer than 2^31 pages"),
            odd(io && kas == 0, 320, "KAS", kas.into(), "over fabrics a controller has a keep-alive timer"),
            odd(io && sizes(sq), 512, "SQES", sq.into(), "the smallest size is not above the largest"),
            odd(io && sizes(cq), 513, "CQES", cq.into(), "the smallest size is not above the largest"),
            odd(io && self.max_commands() == 0, 514, "MAXCMD", 0, "over fabrics a queue takes a command"),
            odd(io && command < 4, 1792, "IOCCSZ", command.into(), "a command has 64 bytes"),
            odd(io && response < 1, 1796, "IORCSZ", response.into(), "a response has 16 bytes"),
        ]
        .into_iter()
        .flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DecodeErrorKind;
    use alloc::vec::Vec;

    fn fields<B: AsRef<[u8]>>(view: &IdentifyController<B>) -> Vec<(usize, &'static str)> {
        view.oddities()
            .map(|error| match error.kind {
                DecodeErrorKind::Invalid { field, .. } => (error.at, field),
                other => panic!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn each_rule_is_found_alone() {
        let mut good = IdentifyController::zeroed();
        good.set_keep_alive_granularity(10);
        good.set_sq_entry_size(0x66);
        good.set_cq_entry_size(0x44);
        good.set_max_commands(128);
        good.set_io_capsule_size(4);
        good.set_io_response_size(1);
        assert_eq!(fields(&good), []);
        let odd = |change: fn(&mut IdentifyController<alloc::boxed::Box<[u8]>>)| {
            let mut view = good.clone();
            change(&mut view);
            fields(&view)
        };
        assert_eq!(odd(|view| view.set_max_data_transfer(31)), []);
        assert_eq!(odd(|view| view.set_max_data_transfer(32)), [(77, "MDTS")]);
        assert_eq!(odd(|view| view.set_keep_alive_granularity(0)), [(320, "KAS")]);
        assert_eq!(odd(|view| view.set_sq_entry_size(0x67)), [(512, "SQES")]);
        assert_eq!(odd(|view| view.set_cq_entry_size(0x45)), [(513, "CQES")]);
        assert_eq!(odd(|view| view.set_max_commands(0)), [(514, "MAXCMD")]);
        assert_eq!(odd(|view| view.set_io_capsule_size(3)), [(1792, "IOCCSZ")]);
        assert_eq!(odd(|view| view.set_io_response_size(0)), [(1796, "IORCSZ")]);
    }

    #[test]
    fn discovery_controllers_may_leave_zeros() {
        let mut view = IdentifyController::zeroed();
        assert_eq!(fields(&view).len(), 4);
        view.set_controller_type(ControllerType::DISCOVERY);
        assert_eq!(fields(&view), []);
        view.set_max_data_transfer(255);
        assert_eq!(fields(&view), [(77, "MDTS")]);
    }
}
