//! What is wrong with a Connect.

use super::Refusal;
use crate::connect::{ConnectParameter, ParameterPlace};
use crate::fabrics::{Connect, ConnectData};
use crate::status::Status;
use crate::types::{Cntlid, HostId, HostNqn, SubsysNqn};

/// Who chooses the controller of a new association.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ControllerModel {
    /// The target makes one for each: the host asks for [`Cntlid::DYNAMIC`].
    Dynamic,
    /// They are there before: the host asks for one, or for [`Cntlid::STATIC_ANY`].
    Static,
}

/// What a controller takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConnectRules {
    /// Entries of the largest admin queue, less one.
    pub max_admin_queue: u16,
    /// Entries of the largest I/O queue, less one: CAP.MQES.
    pub max_io_queue: u16,
    /// I/O queues the host was granted; the largest queue identifier.
    pub io_queues: u16,
    /// Who chooses the controller.
    pub model: ControllerModel,
}

/// A Connect without a fault in itself: who, to what.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ConnectRequest {
    /// The command.
    pub command: Connect,
    /// The host's identifier; all zero for none.
    pub host_id: HostId,
    /// The controller: of an admin queue as the model has it, of an I/O queue the one the admin queue was given.
    pub cntlid: Cntlid,
    /// The subsystem.
    pub subnqn: SubsysNqn,
    /// The host.
    pub hostnqn: HostNqn,
}

const fn invalid(place: ParameterPlace, offset: u16, reason: &'static str) -> Refusal {
    Refusal {
        status: Status::CONNECT_INVALID_PARAMETERS.with_dnr(),
        parameter: Some(ConnectParameter { place, offset }),
        reason,
    }
}

/// Checks a Connect and its data. Bits and bytes that are reserved, and a host without identifier, are fine.
///
/// Whether there is such a subsystem and controller, and whether the host may, is for the controller to find out.
///
/// # Errors
/// [`Status::CONNECT_INCOMPATIBLE_FORMAT`]; [`Status::CONNECT_INVALID_PARAMETERS`] naming the first parameter that breaks a rule, those of the command
/// before those of the data.
pub fn connect<B: AsRef<[u8]>>(
    command: &Connect,
    data: &ConnectData<B>,
    rules: &ConnectRules,
) -> Result<ConnectRequest, Refusal> {
    use ParameterPlace::{Command, Data};
    if command.record_format != 0 {
        let status = Status::CONNECT_INCOMPATIBLE_FORMAT;
        return Err(Refusal::new(status, "Connect has record format 0"));
    }
    if command.qid > rules.io_queues {
        return Err(invalid(Command, 42, "the queue was not granted"));
    }
    let max = if command.is_admin() { rules.max_admin_queue } else { rules.max_io_queue };
    if command.queue_size == 0 || command.queue_size > max {
        return Err(invalid(
            Command,
            44,
            "the queue has fewer than 2 entries or more than the controller takes",
        ));
    }
    let cntlid = data.cntlid();
    let cntlid_fits = match rules.model {
        _ if !command.is_admin() => cntlid.is_assigned(),
        ControllerModel::Dynamic => cntlid == Cntlid::DYNAMIC,
        ControllerModel::Static => cntlid == Cntlid::STATIC_ANY || cntlid.is_assigned(),
    };
    if !cntlid_fits {
        return Err(invalid(Data, 16, "no controller has this identifier"));
    }
    let (subnqn, hostnqn) = data
        .names()
        .map_err(|error| invalid(error.parameter.place, error.parameter.offset, "it is no NQN"))?;
    Ok(ConnectRequest { command: *command, host_id: data.host_id(), cntlid, subnqn, hostnqn })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    const RULES: ConnectRules = ConnectRules {
        max_admin_queue: 127,
        max_io_queue: 1023,
        io_queues: 8,
        model: ControllerModel::Dynamic,
    };

    fn data(cntlid: u16) -> ConnectData<[u8; 1024]> {
        let subnqn = SubsysNqn::new("nqn.2024-01.org.example:disk1").unwrap();
        ConnectData::new(HostId::ZERO, Cntlid(cntlid), &subnqn, &HostNqn::new("host").unwrap())
    }

    /// Status, place and offset of the parameter.
    #[test]
    fn the_first_parameter_at_fault_is_named() {
        let admin = Connect::admin(31, 5000);
        let with_format = Connect { record_format: 1, ..admin };
        let fixed = ConnectRules { model: ControllerModel::Static, ..RULES };
        for (command, cntlid, rules, expected) in [
            (admin, 0xffff, RULES, None),
            (with_format, 0xffff, RULES, Some((0x80, 0))),
            (Connect::admin(0, 0), 0xffff, RULES, Some((0x82, 0x0000_002c))),
            (Connect::admin(0xffff, 0), 0xffff, RULES, Some((0x82, 0x0000_002c))),
            (Connect::io(1, 127), 0xffff, RULES, Some((0x82, 0x0001_0010))),
            (admin, 0, RULES, Some((0x82, 0x0001_0010))),
            (admin, 0xfffe, RULES, Some((0x82, 0x0001_0010))),
            (admin, 0xfffe, fixed, None),
            (admin, 7, fixed, None),
            (admin, 0xffff, fixed, Some((0x82, 0x0001_0010))),
            (admin, 0xfff5, fixed, Some((0x82, 0x0001_0010))),
            (Connect::io(8, 1023), 1, RULES, None),
            (Connect::io(9, 127), 1, RULES, Some((0x82, 0x0000_002a))),
            (Connect::io(512, 127), 1, RULES, Some((0x82, 0x0000_002a))),
            (Connect::io(1, 1024), 1, RULES, Some((0x82, 0x0000_002c))),
            (Connect::io(1, 0), 1, RULES, Some((0x82, 0x0000_002c))),
            (Connect::io(1, 127), 0xfffe, fixed, Some((0x82, 0x0001_0010))),
        ] {
            let refusal = connect(&command, &data(cntlid), &rules).err();
            let answer = refusal.map(|refusal| (refusal.status.sc(), refusal.completion(0).dw0));
            assert_eq!(answer, expected, "{command:?} {cntlid:#x}");
        }
    }

    #[test]
    fn a_request_says_who_and_to_what() {
        let request = connect(&Connect::admin(31, 0), &data(0xffff), &RULES).unwrap();
        assert_eq!((request.hostnqn.as_str(), request.cntlid), ("host", Cntlid::DYNAMIC));
        assert_eq!(request.subnqn.as_str(), "nqn.2024-01.org.example:disk1");
        let mut bytes = data(0xffff).into_inner();
        bytes[256] = 0;
        let refusal =
            connect(&Connect::admin(31, 0), &ConnectData::new_checked(bytes).unwrap(), &RULES).unwrap_err();
        assert_eq!(
            refusal.to_string(),
            "it is no NQN: Connect Invalid Parameters (SCT 1 SC 0x82, do not retry), subsystem NQN (SUBNQN) at byte 256 of the \
             Connect data"
        );
    }
}
