//! The commands of a queue from capsule to completion: their transfers, and the rules that need to know them.

use std::collections::HashMap;

use nvme_proto::Status;
use nvme_proto::cqe::Cqe;
use nvme_proto::pdu::{C2hData, CapsuleCmd, H2cData, PduType, ProtocolError, R2t, Rule};
use nvme_proto::sgl::SglPlace;
use nvme_proto::sqe::{DataDirection, Sqe};

use super::capture::Time;

/// Data of one command that are kept to be decoded, bytes.
const KEEP: usize = 64 << 10;

/// Data of all commands of a queue that are kept, bytes.
const KEEP_ALL: usize = 4 << 20;

/// A command that has not ended.
#[derive(Clone, Debug)]
pub struct Command {
    /// When it was sent.
    pub since: Time,
    /// Its entry.
    pub sqe: Sqe,
    /// Where its data are; a status where TCP does not carry such an SGL.
    pub place: Result<SglPlace, Status>,
    /// Data that came with it or came back, from the beginning on and without a hole; `None` when they are not to be decoded.
    pub data: Option<Vec<u8>>,
    /// Bytes asked for with R2T.
    granted: u32,
    /// R2Ts that are not answered.
    grants: u64,
    /// Bytes that came back.
    returned: u32,
    /// The last of them came.
    all_returned: bool,
    /// All its PDUs so far are in the capture.
    whole: bool,
}

impl Command {
    /// Bytes of the data outside the capsule.
    fn transfer(&self) -> u32 {
        match self.place {
            Ok(SglPlace::Transport { length }) => length,
            _ => 0,
        }
    }
}

/// An R2T that is not answered.
#[derive(Clone, Copy, Debug)]
struct Grant {
    command: u16,
    next: u32,
    end: u32,
}

/// The commands of a queue.
#[derive(Clone, Debug)]
pub struct Commands {
    outstanding: HashMap<u16, Command>,
    grants: HashMap<u16, Grant>,
    max_r2ts: u64,
    /// Entries of the submission queue, once Connect said so.
    entries: Option<u32>,
    /// PDUs may be missing.
    gaps: bool,
    kept: usize,
}

/// The verdict of a rule.
pub type Verdict = Option<ProtocolError>;

impl Commands {
    /// No command yet. `max_r2ts` is the number of R2Ts that may be outstanding for one command.
    pub fn new(max_r2ts: u64) -> Self {
        Self {
            outstanding: HashMap::new(),
            grants: HashMap::new(),
            max_r2ts,
            entries: None,
            gaps: false,
            kept: 0,
        }
    }

    /// How many R2Ts a command may have.
    pub fn allow_r2ts(&mut self, max: u64) {
        self.max_r2ts = max;
    }

    /// The queue has so many entries.
    pub fn sized(&mut self, entries: u32) {
        self.entries = Some(entries);
    }

    /// PDUs are missing: what depends on them is not judged any more.
    pub fn lost(&mut self) {
        self.gaps = true;
        for command in self.outstanding.values_mut() {
            command.whole = false;
        }
        self.grants.clear();
    }

    /// Commands that have not ended.
    pub fn outstanding(&self) -> usize {
        self.outstanding.len()
    }

    /// A command by its identifier.
    pub fn get(&self, id: u16) -> Option<&Command> {
        self.outstanding.get(&id)
    }

    /// A command was sent.
    pub fn sent(&mut self, time: Time, capsule: &CapsuleCmd, data: &[u8], keep: Keep) -> Vec<ProtocolError> {
        let sqe = Sqe::from_bytes(&capsule.sqe);
        let place = sqe.sgl.place();
        let fail = |rule, found| ProtocolError::new(PduType::CapsuleCmd, rule, found);
        let mut errors = Vec::new();
        let len = u32::try_from(data.len()).unwrap_or(u32::MAX);
        match place {
            Ok(SglPlace::InCapsule { offset, .. }) if offset != 0 => {
                errors.push(fail(Rule::SglOffset, u32::try_from(offset).unwrap_or(u32::MAX)));
            }
            Ok(SglPlace::InCapsule { length, .. }) if length != len => {
                errors.push(fail(Rule::CapsuleDataLen, capsule.envelope.pdu_len));
            }
            Ok(SglPlace::Transport { .. }) if len != 0 => {
                errors.push(fail(Rule::CapsuleDataLen, capsule.envelope.pdu_len));
            }
            Err(_) => errors.push(fail(Rule::SglIdentifier, sqe.sgl.identifier.0.into())),
            Ok(_) => {}
        }
        let keep = keep == Keep::Data && self.kept < KEEP_ALL;
        let command = Command {
            since: time,
            sqe,
            place,
            data: keep.then(Vec::new),
            granted: 0,
            grants: 0,
            returned: 0,
            all_returned: false,
            whole: true,
        };
        if let Some(old) = self.outstanding.insert(sqe.cid, command) {
            self.forget(&old);
            self.grants.retain(|_, grant| grant.command != sqe.cid);
            if old.whole && !self.gaps {
                errors.push(fail(Rule::DuplicateCommand, sqe.cid.into()));
            }
        }
        let outstanding = u32::try_from(self.outstanding.len()).unwrap_or(u32::MAX);
        if self.entries.is_some_and(|entries| outstanding > entries) && !self.gaps {
            errors.push(fail(Rule::CommandLimit, outstanding));
        }
        errors
    }

    /// The controller asks for data.
    pub fn asked(&mut self, r2t: &R2t) -> Verdict {
        let fail = |rule, found| Some(ProtocolError::new(PduType::R2t, rule, found));
        let (gaps, max) = (self.gaps, self.max_r2ts);
        let Some(command) = self.outstanding.get_mut(&r2t.command_id) else {
            return if gaps { None } else { fail(Rule::UnknownCommand, r2t.command_id.into()) };
        };
        let end = r2t.offset.saturating_add(r2t.len);
        let grant = Grant { command: r2t.command_id, next: r2t.offset, end };
        let verdict =
            if !goes(command, DataDirection::HostToController) || command.granted >= command.transfer() {
                fail(Rule::NoDataExpected, r2t.offset)
            } else if r2t.offset != command.granted && command.whole {
                fail(Rule::OutOfOrder, r2t.offset)
            } else if end > command.transfer() {
                fail(Rule::OutOfRange, end)
            } else if command.grants >= max && command.whole {
                fail(Rule::R2tLimit, u32::try_from(command.grants + 1).unwrap_or(u32::MAX))
            } else {
                None
            };
        command.granted = end;
        command.grants += 1;
        if let Some(old) = self.grants.insert(r2t.transfer_tag, grant)
            && let Some(command) = self.outstanding.get_mut(&old.command)
        {
            command.grants = command.grants.saturating_sub(1);
        }
        verdict
    }

    /// The host sends data.
    pub fn given(&mut self, header: &H2cData) -> Verdict {
        let fail = |rule, found| Some(ProtocolError::new(PduType::H2cData, rule, found));
        let Some(grant) = self.grants.get_mut(&header.transfer_tag) else {
            return if self.gaps { None } else { fail(Rule::UnknownTag, header.transfer_tag.into()) };
        };
        if grant.command != header.command_id {
            return fail(Rule::ForeignTag, header.command_id.into());
        }
        let end = header.offset.saturating_add(header.len);
        let verdict = if header.offset != grant.next {
            fail(Rule::OutOfOrder, header.offset)
        } else if end > grant.end {
            fail(Rule::OutOfRange, end)
        } else if header.is_last() != (end == grant.end) {
            fail(Rule::LastFlag, header.envelope.flags.0.into())
        } else {
            None
        };
        grant.next = end;
        if header.is_last() || end >= grant.end {
            self.grants.remove(&header.transfer_tag);
            if let Some(command) = self.outstanding.get_mut(&header.command_id) {
                command.grants = command.grants.saturating_sub(1);
            }
        }
        verdict
    }

    /// The controller sends data.
    pub fn returned(
        &mut self,
        header: &C2hData,
        data: &[u8],
        completeness: super::event::Completeness,
    ) -> Verdict {
        let fail = |rule, found| Some(ProtocolError::new(PduType::C2hData, rule, found));
        let Some(command) = self.outstanding.get_mut(&header.command_id) else {
            return if self.gaps { None } else { fail(Rule::UnknownCommand, header.command_id.into()) };
        };
        let end = header.offset.saturating_add(header.len);
        let verdict = if !goes(command, DataDirection::ControllerToHost) || command.all_returned {
            fail(Rule::NoDataExpected, header.offset)
        } else if header.offset != command.returned && command.whole {
            fail(Rule::OutOfOrder, header.offset)
        } else if end > command.transfer() {
            fail(Rule::OutOfRange, end)
        } else if end == command.transfer() && !header.is_last() {
            fail(Rule::LastFlag, header.envelope.flags.0.into())
        } else {
            None
        };
        command.returned = end;
        command.all_returned |= header.is_last();
        if let Some(kept) = &mut command.data {
            let follows = u32::try_from(kept.len()).is_ok_and(|len| len == header.offset);
            let fits = kept.len() + data.len() <= KEEP;
            if follows && fits && completeness == super::event::Completeness::Whole {
                kept.extend_from_slice(data);
                self.kept += data.len();
            } else {
                self.kept -= kept.len();
                command.data = None;
            }
        }
        verdict
    }

    /// A command ended.
    pub fn ended(&mut self, cqe: &Cqe) -> (Option<Command>, Verdict) {
        let command = self.end(cqe.cid);
        if command.is_none() && !self.gaps {
            let error = ProtocolError::new(PduType::CapsuleResp, Rule::UnknownCompletion, cqe.cid.into());
            return (None, Some(error));
        }
        (command, None)
    }

    /// A command ended without a completion of its own.
    pub fn end(&mut self, id: u16) -> Option<Command> {
        let command = self.outstanding.remove(&id)?;
        self.forget(&command);
        if command.grants > 0 {
            self.grants.retain(|_, grant| grant.command != id);
        }
        Some(command)
    }

    fn forget(&mut self, command: &Command) {
        self.kept -= command.data.as_ref().map_or(0, Vec::len);
    }
}

/// Whether the data of a command are to be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// They are.
    Data,
    /// They are the user's.
    Nothing,
}

fn goes(command: &Command, direction: DataDirection) -> bool {
    let towards = command.sqe.direction();
    command.transfer() > 0 && (towards == direction || towards == DataDirection::Both)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dissect::event::Completeness;
    use nvme_proto::command::io::{Read, Write};
    use nvme_proto::sgl::Sgl;

    fn capsule(sqe: Sqe) -> CapsuleCmd {
        CapsuleCmd::new(sqe.encode())
    }

    fn write(cid: u16, sgl: Sgl) -> CapsuleCmd {
        capsule(Write::new(1, 0, 7).to_sqe().with_cid(cid).with_sgl(sgl))
    }

    fn read(cid: u16, len: u32) -> CapsuleCmd {
        capsule(Read::new(1, 0, 7).to_sqe().with_cid(cid).with_sgl(Sgl::transport(len)))
    }

    fn with(capsules: &[CapsuleCmd]) -> Commands {
        let mut commands = Commands::new(1);
        for capsule in capsules {
            assert_eq!(commands.sent(Time(0), capsule, b"", Keep::Data), []);
        }
        commands
    }

    fn rule(verdict: Verdict) -> Option<Rule> {
        verdict.map(|error| error.rule)
    }

    #[test]
    fn capsules() {
        let mut commands = with(&[read(1, 4096)]);
        let mut rules = |capsule: &CapsuleCmd, data: &[u8]| {
            let errors = commands.sent(Time(0), capsule, data, Keep::Nothing);
            errors.into_iter().map(|error| error.rule).collect::<Vec<_>>()
        };
        assert_eq!(rules(&read(1, 4096), b""), [Rule::DuplicateCommand]);
        assert_eq!(rules(&write(2, Sgl::in_capsule(4)), b"abcd"), []);
        assert_eq!(rules(&write(3, Sgl::in_capsule(8)), b"abcd"), [Rule::CapsuleDataLen]);
        assert_eq!(rules(&write(4, Sgl::transport(4)), b"abcd"), [Rule::CapsuleDataLen]);
        assert_eq!(rules(&write(5, Sgl { address: 8, ..Sgl::in_capsule(4) }), b"abcd"), [Rule::SglOffset]);
        assert_eq!(rules(&write(6, Sgl::keyed(1, 2, 3)), b""), [Rule::SglIdentifier]);
        commands.sized(7);
        assert_eq!(commands.sent(Time(0), &read(7, 4), b"", Keep::Nothing), []);
        assert_eq!(
            rule(commands.sent(Time(0), &read(8, 4), b"", Keep::Nothing).pop()),
            Some(Rule::CommandLimit)
        );
    }

    #[test]
    fn data_to_the_controller() {
        let mut c = with(&[write(1, Sgl::transport(8192)), write(2, Sgl::transport(4096)), read(3, 4096)]);
        assert_eq!(rule(c.asked(&R2t::new(9, 1, 0, 4096))), Some(Rule::UnknownCommand));
        assert_eq!(rule(c.asked(&R2t::new(3, 1, 0, 4096))), Some(Rule::NoDataExpected));
        assert_eq!(rule(c.given(&H2cData::new(1, 1, 0, 4).last())), Some(Rule::ForeignTag));
        assert_eq!(rule(c.given(&H2cData::new(1, 7, 0, 4).last())), Some(Rule::UnknownTag));
        assert_eq!(rule(c.asked(&R2t::new(1, 5, 0, 4096))), None);
        assert_eq!(rule(c.asked(&R2t::new(1, 6, 4096, 4096))), Some(Rule::R2tLimit));
        assert_eq!(rule(c.given(&H2cData::new(1, 5, 0, 2048))), None);
        assert_eq!(rule(c.given(&H2cData::new(1, 5, 1024, 2048))), Some(Rule::OutOfOrder));
        assert_eq!(rule(c.given(&H2cData::new(1, 5, 3072, 1024))), Some(Rule::LastFlag));
        assert_eq!(rule(c.given(&H2cData::new(1, 6, 4096, 4100).last())), Some(Rule::OutOfRange));
        assert_eq!(rule(c.asked(&R2t::new(2, 1, 4, 4096))), Some(Rule::OutOfOrder));
        let mut c = with(&[write(2, Sgl::transport(4096))]);
        assert_eq!(rule(c.asked(&R2t::new(2, 1, 0, 4100))), Some(Rule::OutOfRange));
        assert_eq!(rule(c.asked(&R2t::new(2, 2, 0, 4))), Some(Rule::NoDataExpected));
    }

    #[test]
    fn data_to_the_host_and_the_end() {
        let mut c = with(&[read(1, 8), read(2, 8), write(3, Sgl::transport(8))]);
        let whole = Completeness::Whole;
        assert_eq!(rule(c.returned(&C2hData::new(9, 0, 4), b"abcd", whole)), Some(Rule::UnknownCommand));
        assert_eq!(rule(c.returned(&C2hData::new(3, 0, 4), b"abcd", whole)), Some(Rule::NoDataExpected));
        assert_eq!(rule(c.returned(&C2hData::new(1, 0, 4), b"abcd", whole)), None);
        assert_eq!(rule(c.returned(&C2hData::new(1, 4, 4).last(), b"efgh", whole)), None);
        assert_eq!(c.get(1).unwrap().data.as_deref(), Some(&b"abcdefgh"[..]));
        assert_eq!(
            rule(c.returned(&C2hData::new(1, 8, 4).last(), b"ijkl", whole)),
            Some(Rule::NoDataExpected)
        );
        assert_eq!(rule(c.returned(&C2hData::new(2, 4, 4).last(), b"abcd", whole)), Some(Rule::OutOfOrder));
        let mut c = with(&[read(1, 8), read(2, 8)]);
        assert_eq!(rule(c.returned(&C2hData::new(1, 0, 8), b"abcdefgh", whole)), Some(Rule::LastFlag));
        assert_eq!(
            rule(c.returned(&C2hData::new(2, 0, 12).last(), b"abcdefghijkl", whole)),
            Some(Rule::OutOfRange)
        );
        assert_eq!(c.ended(&Cqe::success(1)).0.unwrap().sqe.cid, 1);
        assert_eq!(rule(c.ended(&Cqe::success(1)).1), Some(Rule::UnknownCompletion));
        assert_eq!((c.outstanding(), c.end(2).is_some(), c.kept), (1, true, 0));
    }

    #[test]
    fn after_a_gap_what_depends_on_it_is_not_judged() {
        let mut c = with(&[read(1, 8), write(2, Sgl::transport(4096))]);
        c.lost();
        let whole = Completeness::Whole;
        assert_eq!(c.sent(Time(0), &read(1, 8), b"", Keep::Nothing), []);
        let (command, verdict) = c.ended(&Cqe::success(9));
        assert!(command.is_none() && verdict.is_none());
        assert_eq!(c.returned(&C2hData::new(9, 0, 4), b"abcd", whole), None);
        assert_eq!(c.given(&H2cData::new(2, 7, 0, 4).last()), None);
        assert_eq!(c.asked(&R2t::new(2, 7, 2048, 2048)), None);
    }
}
