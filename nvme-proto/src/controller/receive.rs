//! What the host sends.

use super::event::{CommandData, Event, Incoming, Reply, Tag};
use super::slot::{Queue, Slot, Stage};
use super::transmit::transfer_tag;
use super::{Admission, Config, Controller, Phase};
use crate::Status;
use crate::digest::Digests;
use crate::fabrics::{Connect, Fctype};
use crate::frame::{DataDigest, Placed};
use crate::machine::{Direct, Failure, Space, Time};
use crate::pdu::{CapsuleCmd, H2cData, Header, IcReq, IcResp, Negotiated, PduType, ProtocolError, Rule};
use crate::sgl::SglPlace;
use crate::sqe::{DataDirection, Sqe};

/// What is in the middle of arriving.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arriving {
    /// A header comes next.
    Nothing,
    /// Data in the capsule of the command that came last: `need` bytes with padding and digest.
    InCapsule { need: usize },
    /// Data that were asked for, into the buffer of a slot from byte `at` on.
    Data { slot: u16, at: usize, len: usize },
}

/// What a step through the received bytes led to.
pub(super) enum Step<R, W> {
    /// Something to tell.
    Event(Event<'static, R, W>),
    /// The command that came last is to be told.
    Command,
    /// The same, and its data are in the framer.
    Lend,
    /// More bytes are needed.
    Starved,
}

impl<R: AsMut<[u8]>, W: AsRef<[u8]>> Controller<R, W> {
    /// Where the next bytes from the host go; then say by [`received`](Self::received) how many came.
    pub fn space(&mut self) -> Space<'_> {
        let payload = match self.arriving {
            Arriving::Data { slot, .. } if self.direct.missing > 0 => self
                .slots
                .get_mut(usize::from(slot))
                .map(|entry| entry.place(self.direct.from, self.direct.missing))
                .unwrap_or_default(),
            _ => &mut [],
        };
        Space { payload, buffer: self.framer.space() }
    }

    /// `n` bytes came into [`space`](Self::space): first the payload was filled, then the buffer.
    pub fn received(&mut self, n: usize) {
        if !matches!(self.phase, Phase::Handshake | Phase::Ready) {
            return; // what comes after the end is not looked at
        }
        let placed = self.direct.received(n);
        if placed > 0 {
            self.framer.placed(placed);
        }
        self.framer.filled(n.saturating_sub(placed));
    }

    /// Copies bytes in, for callers that have them already; says how many fitted. [`poll`](Self::poll) makes room for more.
    pub fn feed(&mut self, bytes: &[u8]) -> usize {
        let n = self.space().copy(bytes);
        self.received(n);
        n
    }

    /// Handles what was received, up to the first thing that is to be told.
    pub(super) fn step(&mut self, now: Time) -> Result<Step<R, W>, Failure> {
        loop {
            match self.arriving {
                Arriving::Nothing => {}
                Arriving::Data { slot, at, len } => match self.place(slot, at, len) {
                    Some(step) => return Ok(step),
                    None => continue,
                },
                Arriving::InCapsule { need } => {
                    if self.framer.buffered() < need {
                        // Makes the framer ask for that much.
                        let _ = self.framer.data();
                        return Ok(Step::Starved);
                    }
                    self.arriving = Arriving::Nothing;
                    return Ok(Step::Lend);
                }
            }
            // Those that come by the million, the short way.
            if let Some(capsule) = self.framer.next_usual() {
                return self.command(now, &capsule);
            }
            if let Some(data) = self.framer.next_usual() {
                self.start_data(&data)?;
                continue;
            }
            let Some(header) = self.framer.next_header()? else {
                return Ok(Step::Starved);
            };
            match header {
                Header::CapsuleCmd(capsule) => return self.command(now, &capsule),
                Header::H2cData(data) => self.start_data(&data)?,
                Header::IcReq(request) => return self.agree(&request),
                Header::TermReq(request) => {
                    return Err(Failure::PeerTerminated { fes: request.fes, fei: request.fei });
                }
                // Framing lets no other type through to a controller.
                other => {
                    let pdu_type = other.pdu_type();
                    return Err(violation(pdu_type, Rule::WrongDirection, pdu_type.code().into()));
                }
            }
        }
    }

    fn agree(&mut self, request: &IcReq) -> Result<Step<R, W>, Failure> {
        let Config { digests, required, alignment, max_h2c_data, .. } = self.config;
        let asked = request.digests();
        if !required.is_subset_of(asked) {
            return Err(Failure::DigestsRefused { required, granted: asked });
        }
        let offered =
            Digests { header: digests.header || required.header, data: digests.data || required.data };
        let response = IcResp::new(alignment, asked.intersection(offered), max_h2c_data);
        let agreed = Negotiated::new(request, &response);
        self.framer.ready(agreed.to_controller, super::limits(&self.config));
        // Nothing was sent before, so there is room.
        self.outbox.push(&response.encode(), None);
        self.agreed = Some(agreed);
        self.phase = Phase::Ready;
        Ok(Step::Event(Event::Ready(agreed)))
    }

    fn command(&mut self, now: Time, capsule: &CapsuleCmd) -> Result<Step<R, W>, Failure> {
        let data_len = u32::try_from(self.framer.data_len()).unwrap_or(u32::MAX);
        let sqe = Sqe::from_bytes(&capsule.sqe);
        let connect = connect_of(&sqe);
        let entries = connect.or(self.queue).map_or(1 << 16, |queue| queue.entries);
        let head = u32::from(self.sq_head).saturating_add(1);
        self.sq_head = if head < entries { u16::try_from(head).unwrap_or(0) } else { 0 };
        if let Some((keep_alive, due)) = &mut self.keep_alive
            && keep_alive.counts(sqe.opcode)
        {
            *due = now.after(keep_alive.interval());
        }
        let place = self.place_of(&sqe, data_len)?;
        let header_digest = if self.agreed.is_some_and(|agreed| agreed.digests.header) { 4 } else { 0 };
        let Some(slot) = self.free.pop() else {
            return Err(violation(PduType::CapsuleCmd, Rule::CommandLimit, sqe.cid.into()));
        };
        self.serial = self.serial.wrapping_add(1);
        let tag = Tag { slot, serial: self.serial };
        let is_new = self.cids.insert(sqe.cid);
        let in_sequence = self.in_sequence(connect);
        let Some(entry) = self.slots.get_mut(usize::from(slot)) else {
            // The free list holds slots only.
            return Err(violation(PduType::CapsuleCmd, Rule::CommandLimit, sqe.cid.into()));
        };
        entry.start(tag.serial, sqe.cid);
        entry.owns_cid = is_new;
        let verdict = match place {
            _ if !is_new => Err(Status::COMMAND_ID_CONFLICT),
            _ if !in_sequence => Err(Status::COMMAND_SEQUENCE_ERROR),
            place => place,
        };
        let data = match verdict {
            Ok(data) => data,
            Err(status) => {
                entry.stage = Stage::Answering(Reply::failed(status));
                self.work.push(slot);
                // Its data, if it has any, are thrown away as they come.
                return Ok(Step::Event(Event::Rejected { sqe, status }));
            }
        };
        if let CommandData::Transfer { len } = data {
            entry.transfer = len;
            entry.fetchable = sqe.direction() != DataDirection::ControllerToHost;
        }
        if self.config.admission == Admission::ConnectFirst {
            entry.connect = connect;
            self.connecting |= connect.is_some();
        }
        self.incoming = Incoming { tag, sqe, data };
        if data_len > 0 {
            // Framing has checked that all of it fits.
            let behind = capsule.envelope.pdu_len.saturating_sub(72).saturating_sub(header_digest);
            let need = usize::try_from(behind).unwrap_or(usize::MAX);
            if self.framer.buffered() >= need {
                return Ok(Step::Lend);
            }
            let _ = self.framer.data();
            self.arriving = Arriving::InCapsule { need };
            return Ok(Step::Starved);
        }
        Ok(Step::Command)
    }

    /// Where the data of a command are, or the status to refuse it with.
    fn place_of(&self, sqe: &Sqe, data_len: u32) -> Result<Result<CommandData<'static>, Status>, Failure> {
        let fatal = |rule, found| Err(violation(PduType::CapsuleCmd, rule, found));
        Ok(match sqe.sgl.place() {
            Err(status) => Err(status),
            Ok(SglPlace::InCapsule { length, .. })
                if length > 0 && sqe.direction() == DataDirection::ControllerToHost =>
            {
                Err(Status::SGL_DESCRIPTOR_TYPE_INVALID.with_dnr())
            }
            Ok(SglPlace::InCapsule { length, .. }) if length != data_len => {
                return fatal(Rule::CapsuleDataLen, length);
            }
            Ok(SglPlace::InCapsule { .. }) if data_len > self.capsule_data(sqe) => {
                return fatal(Rule::DataLimit, data_len);
            }
            Ok(SglPlace::InCapsule { offset, .. }) if offset != 0 => {
                Err(Status::SGL_OFFSET_INVALID.with_dnr())
            }
            Ok(SglPlace::InCapsule { length: 0, .. }) => Ok(CommandData::None),
            Ok(SglPlace::InCapsule { .. }) => Ok(CommandData::InCapsule(&[])),
            Ok(SglPlace::Transport { length }) if data_len > 0 => return fatal(Rule::CapsuleDataLen, length),
            Ok(SglPlace::Transport { length: 0 }) => Ok(CommandData::None),
            Ok(SglPlace::Transport { length }) if length > self.config.max_transfer => {
                Err(Status::DATA_SGL_LENGTH_INVALID.with_dnr())
            }
            Ok(SglPlace::Transport { length }) => Ok(CommandData::Transfer { len: length }),
        })
    }

    /// Bytes of data that the capsule of this command may have.
    fn capsule_data(&self, sqe: &Sqe) -> u32 {
        match self.queue {
            Some(queue) if queue.id > 0 && !sqe.is_fabrics() => self.config.io_in_capsule,
            _ => self.config.in_capsule(),
        }
    }

    /// Whether a command may come now: one Connect, then the others.
    fn in_sequence(&self, connect: Option<Queue>) -> bool {
        match self.config.admission {
            Admission::Any => true,
            Admission::ConnectFirst if connect.is_some() => self.queue.is_none() && !self.connecting,
            Admission::ConnectFirst => self.queue.is_some(),
        }
    }

    fn start_data(&mut self, data: &H2cData) -> Result<(), Failure> {
        let refuse = |rule, found| Err(violation(PduType::H2cData, rule, found));
        let mask = 1_u32.checked_shl(self.slot_bits).unwrap_or(0).wrapping_sub(1);
        let slot = data.transfer_tag & u16::try_from(mask & 0xffff).unwrap_or(u16::MAX);
        let number = data.transfer_tag.checked_shr(self.slot_bits).unwrap_or(0);
        let piece = self.config.max_r2t_data;
        let bits = self.slot_bits;
        let Some(entry) = self.slots.get_mut(usize::from(slot)) else {
            return refuse(Rule::UnknownTag, data.transfer_tag.into());
        };
        // R2Ts of a command are served in order, so that only the oldest can get data.
        let is_tag =
            |ahead: u16| transfer_tag(bits, slot, entry.r2t.wrapping_add(ahead)) == data.transfer_tag;
        let is_oldest = is_asking(entry) && is_tag(0);
        let is_later = is_asking(entry) && (1..entry.r2ts).any(is_tag);
        if !is_oldest && !is_later {
            return refuse(Rule::UnknownTag, number.into());
        }
        if data.command_id != entry.cid {
            return refuse(Rule::ForeignTag, data.command_id.into());
        }
        if is_later || data.offset != entry.got {
            return refuse(Rule::OutOfOrder, data.offset);
        }
        let r2t_end = entry.r2t_end(piece);
        let end = match data.offset.checked_add(data.len) {
            Some(end) if end <= r2t_end => end,
            _ => return refuse(Rule::OutOfRange, data.len),
        };
        if end < r2t_end && data.len.checked_rem(4) != Some(0) {
            return refuse(Rule::DataLenUnaligned, data.len);
        }
        if data.is_last() != (end == r2t_end) {
            return refuse(Rule::LastFlag, data.offset);
        }
        // Both are within the buffer.
        let at = usize::try_from(data.offset).unwrap_or(usize::MAX);
        let len = usize::try_from(data.len).unwrap_or(usize::MAX);
        self.arriving = Arriving::Data { slot, at, len };
        Ok(())
    }

    /// Puts what came of the data of a PDU into the slot's buffer; `None`: those were all, and there is nothing to tell.
    fn place(&mut self, slot: u16, at: usize, len: usize) -> Option<Step<R, W>> {
        self.direct = Direct::default();
        let piece = self.config.max_r2t_data;
        let Some(entry) = self.slots.get_mut(usize::from(slot)) else {
            self.arriving = Arriving::Nothing;
            return None;
        };
        let digest = match self.framer.place(entry.place(at, len)) {
            Ok(Placed::Done(digest)) => digest,
            Ok(Placed::More { filled, missing }) => {
                self.direct = Direct { from: at.saturating_add(filled), missing };
                return Some(Step::Starved);
            }
            // The buffer has shrunk while the machine had it: the data have no place any more, and the framer throws them away.
            Err(_) => DataDigest::Absent,
        };
        self.arriving = Arriving::Nothing;
        entry.damaged |= matches!(digest, DataDigest::Bad { .. });
        let r2t_end = entry.r2t_end(piece);
        entry.got = entry.got.saturating_add(u32::try_from(len).unwrap_or(u32::MAX));
        if entry.got < r2t_end {
            return None;
        }
        entry.r2t_start = r2t_end;
        entry.r2t = entry.r2t.wrapping_add(1);
        entry.r2ts = entry.r2ts.saturating_sub(1);
        match entry.stage {
            Stage::Fetching if entry.got >= entry.transfer => {
                entry.fetchable = false;
                let tag = Tag { slot, serial: entry.serial };
                let buffer = entry.fetch.take()?;
                if entry.damaged {
                    entry.stage = Stage::Answering(Reply::failed(Status::TRANSIENT_TRANSPORT_ERROR));
                    self.connecting &= entry.connect.take().is_none();
                    self.work.push(slot);
                    return Some(Step::Event(Event::FetchFailed { tag, buffer }));
                }
                entry.stage = Stage::Open;
                Some(Step::Event(Event::Fetched { tag, buffer }))
            }
            // Room for one more R2T, or the last one is served and the answer can go.
            _ => {
                self.work.push(slot);
                None
            }
        }
    }
}

/// Whether R2Ts of a slot may be outstanding.
fn is_asking<R, W>(entry: &Slot<R, W>) -> bool {
    entry.r2ts > 0 && matches!(entry.stage, Stage::Fetching | Stage::Answering(_))
}

/// What a command says about the queue, if it is Connect.
fn connect_of(sqe: &Sqe) -> Option<Queue> {
    if !sqe.is_fabrics() || sqe.fctype() != Fctype::CONNECT {
        return None;
    }
    let connect = Connect::from_sqe(sqe);
    Some(Queue {
        id: connect.qid,
        entries: u32::from(connect.queue_size).saturating_add(1),
        no_flow_control: connect.attributes.disables_flow_control(),
    })
}

fn violation(pdu_type: PduType, rule: Rule, found: u32) -> Failure {
    Failure::Violation(ProtocolError::new(pdu_type, rule, found))
}
