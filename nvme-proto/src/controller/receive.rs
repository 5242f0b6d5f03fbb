//! What the host sends.

use super::event::{CommandData, Reply, Tag};
use super::slot::{Queue, Stage};
use super::{Admission, Config, Controller, Phase};
use crate::Status;
use crate::digest::Digests;
use crate::fabrics::{Connect, Fctype};
use crate::machine::{Direct, Failure, Space, Time};
use crate::pdu::{H2cData, Header, IcReq, IcResp, Negotiated, PduType, ProtocolError, Rule};
use crate::sgl::SglPlace;
use crate::sqe::{DataDirection, Sqe};

const CAPSULE_CMD: u8 = PduType::CapsuleCmd.code();
const H2C_DATA: u8 = PduType::H2cData.code();

/// What is in the middle of arriving.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arriving {
    /// A header comes next.
    Nothing,
    /// Data in the capsule of the command that came last: `need` bytes with padding and digest, if there are any.
    InCapsule { need: usize, layout: Layout },
    /// Data that were asked for, without padding and digest, into the buffer of a slot; [`Direct`] tells where. `got` bytes of the command are there
    /// then.
    Plain { slot: u16, got: u32 },
    /// The same into the buffer of a slot from byte `at` on; the framer keeps account of them.
    Framed { slot: u16, at: usize, len: usize, got: u32 },
}

impl Arriving {
    /// Whether nothing can be done before more bytes come, when none are left and `missing` are missing of those that were to be placed.
    #[inline(always)]
    pub(super) const fn is_waiting(self, missing: usize) -> bool {
        matches!(self, Self::Nothing) || matches!(self, Self::Plain { .. }) && missing > 0
    }
}

/// Whether the data of a PDU are alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// They are.
    Plain,
    /// There are padding and a digest, or may be: the framer knows.
    Framed,
}

/// What a step through the received bytes led to.
pub(super) enum Step {
    /// The command that came last.
    Command,
    /// The same, with this many bytes of data that are in the framer.
    Lend(usize, Layout),
    /// The command that came last was answered with this.
    Rejected(Status),
    /// The data of the command in this slot have come.
    Fetched(u16),
    /// The same, and they are not as they were sent.
    FetchFailed(u16),
    /// The handshake is through.
    Ready,
    /// More bytes are needed.
    Starved,
}

impl<R: AsMut<[u8]>, W: AsRef<[u8]>> Controller<R, W> {
    /// Where the next bytes from the host go; then say by [`received`](Self::received) how many came.
    #[inline]
    pub fn space(&mut self) -> Space<'_> {
        let payload = match self.arriving {
            Arriving::Plain { slot, .. } | Arriving::Framed { slot, .. } if self.direct.missing > 0 => self
                .slots
                .get_mut(usize::from(slot))
                .map(|entry| entry.place(self.direct.from, self.direct.missing))
                .unwrap_or_default(),
            _ => &mut [],
        };
        Space { payload, buffer: self.framer.space() }
    }

    /// `n` bytes came into [`space`](Self::space): first the payload was filled, then the buffer.
    #[inline]
    pub fn received(&mut self, n: usize) {
        if !matches!(self.phase, Phase::Handshake | Phase::Ready) {
            return; // what comes after the end is not looked at
        }
        let placed = self.direct.received(n);
        if placed > 0 {
            match self.arriving {
                Arriving::Framed { .. } => self.framer.placed(placed),
                _ => self.framer.passed(placed),
            }
        }
        self.framer.filled(n.wrapping_sub(placed));
    }

    /// Copies bytes in, for callers that have them already; says how many fitted. [`poll`](Self::poll) makes room for more.
    pub fn feed(&mut self, bytes: &[u8]) -> usize {
        let n = self.space().copy(bytes);
        self.received(n);
        n
    }

    /// Handles what was received, up to the first thing that is to be told.
    #[inline(always)]
    pub(super) fn step(&mut self, now: Time) -> Result<Step, Failure> {
        loop {
            match self.arriving {
                Arriving::Nothing => {}
                Arriving::Plain { slot, got } => {
                    if !self.place_plain(slot) {
                        return Ok(Step::Starved);
                    }
                    if let Some(step) = self.placed(slot, got) {
                        return Ok(step);
                    }
                }
                Arriving::Framed { slot, at, len, got } => {
                    if !self.place_framed(slot, at, len) {
                        return Ok(Step::Starved);
                    }
                    if let Some(step) = self.placed(slot, got) {
                        return Ok(step);
                    }
                }
                Arriving::InCapsule { need, layout } => {
                    if !self.has_come(need, layout) {
                        return Ok(Step::Starved);
                    }
                    self.arriving = Arriving::Nothing;
                    return Ok(Step::Lend(need, layout));
                }
            }
            // Those that come by the million, the short way.
            match self.framer.plain_code() {
                Some(CAPSULE_CMD) => {
                    if let Some(len) = self.framer.take_command(&mut self.sqe) {
                        return self.command(now, len, len, Layout::Plain);
                    }
                }
                Some(H2C_DATA) => {
                    if let Some((data, len)) = self.framer.take_plain::<H2cData>() {
                        let (slot, from, got) = self.start_data(&data)?;
                        self.direct = Direct { from, missing: len };
                        self.arriving = Arriving::Plain { slot, got };
                        continue;
                    }
                }
                _ => {}
            }
            if let Some(step) = self.unusual(now)? {
                return Ok(step);
            }
        }
    }

    /// Takes a header that is not as most are, or not all there.
    #[inline(never)]
    fn unusual(&mut self, now: Time) -> Result<Option<Step>, Failure> {
        let Some(header) = self.framer.next_header()? else {
            return Ok(Some(Step::Starved));
        };
        match header {
            Header::CapsuleCmd(capsule) => {
                let header_digest =
                    if self.agreed.is_some_and(|agreed| agreed.digests.header) { 4 } else { 0 };
                // Framing has checked that all of it fits.
                let behind = capsule.envelope.pdu_len.saturating_sub(72).saturating_sub(header_digest);
                let need = usize::try_from(behind).unwrap_or(usize::MAX);
                let len = self.framer.data_len();
                self.sqe = Sqe::from_bytes(&capsule.sqe);
                return self.command(now, len, need, Layout::Framed).map(Some);
            }
            Header::H2cData(data) => {
                let (slot, at, got) = self.start_data(&data)?;
                self.arriving = Arriving::Framed { slot, at, len: self.framer.data_len(), got };
            }
            Header::IcReq(request) => return self.agree(&request).map(Some),
            Header::TermReq(request) => {
                return Err(Failure::PeerTerminated { fes: request.fes, fei: request.fei });
            }
            // Framing lets no other type through to a controller.
            other => {
                let pdu_type = other.pdu_type();
                return Err(violation(pdu_type, Rule::WrongDirection, pdu_type.code().into()));
            }
        }
        Ok(None)
    }

    /// Whether `need` bytes have come; if not, the framer makes room for as many.
    #[inline(always)]
    fn has_come(&mut self, need: usize, layout: Layout) -> bool {
        if self.framer.buffered() >= need {
            return true;
        }
        match layout {
            Layout::Plain => self.framer.expect(need),
            Layout::Framed => {
                let _ = self.framer.data();
            }
        }
        false
    }

    fn agree(&mut self, request: &IcReq) -> Result<Step, Failure> {
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
        self.renew_terms();
        Ok(Step::Ready)
    }

    /// Takes the command that came last, with `len` bytes of data in its capsule, `need` with padding and digest.
    #[inline(always)]
    fn command(&mut self, now: Time, len: usize, need: usize, layout: Layout) -> Result<Step, Failure> {
        let sqe = &self.sqe;
        let (cid, direction) = (sqe.cid, sqe.direction());
        let data_len = u32::try_from(len).unwrap_or(u32::MAX);
        let connect = connect_of(sqe);
        let entries = connect.map_or(self.entries, |queue| queue.entries);
        let head = u32::from(self.sq_head).wrapping_add(1);
        self.sq_head = if head < entries { u16::try_from(head).unwrap_or(0) } else { 0 };
        if let Some((keep_alive, due)) = &mut self.keep_alive
            && keep_alive.counts(sqe.opcode)
        {
            *due = now.after(keep_alive.interval());
        }
        let place = self.place_of(sqe, data_len)?;
        let Some(slot) = self.free.pop() else {
            return Err(violation(PduType::CapsuleCmd, Rule::CommandLimit, cid.into()));
        };
        self.serial = self.serial.wrapping_add(1);
        let serial = self.serial;
        let is_new = self.cids.insert(cid);
        let in_sequence = self.in_sequence(connect.is_some());
        let Some(entry) = self.slots.get_mut(usize::from(slot)) else {
            // The free list holds slots only.
            return Err(violation(PduType::CapsuleCmd, Rule::CommandLimit, cid.into()));
        };
        entry.start(serial, cid, is_new);
        let data = match place {
            Ok(data) if is_new && in_sequence => data,
            place => {
                let status = match place {
                    _ if !is_new => Status::COMMAND_ID_CONFLICT,
                    Err(status) if in_sequence => status,
                    _ => Status::COMMAND_SEQUENCE_ERROR,
                };
                self.reject(slot, status, len, layout);
                return Ok(Step::Rejected(status));
            }
        };
        if let CommandData::Transfer { len } = data {
            entry.transfer = len;
            entry.fetchable = direction != DataDirection::ControllerToHost;
        }
        if connect.is_some() && self.config.admission == Admission::ConnectFirst {
            entry.connect = connect;
            self.connecting = true;
        }
        self.tag = Tag { slot, serial };
        self.data = data;
        if len == 0 {
            return Ok(Step::Command);
        }
        if self.has_come(need, layout) {
            return Ok(Step::Lend(need, layout));
        }
        self.arriving = Arriving::InCapsule { need, layout };
        Ok(Step::Starved)
    }

    /// Answers a command that is not for the caller. Its data, if it has any, are thrown away as they come.
    #[cold]
    fn reject(&mut self, slot: u16, status: Status, len: usize, layout: Layout) {
        if let Some(entry) = self.slots.get_mut(usize::from(slot)) {
            entry.stage = Stage::Answering(Reply::failed(status));
        }
        self.work.push(slot);
        if layout == Layout::Plain && len > 0 {
            self.framer.ignore(len);
        }
    }

    /// Where the data of a command are, or the status to refuse it with.
    #[inline(always)]
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
    #[inline]
    fn capsule_data(&self, sqe: &Sqe) -> u32 {
        match self.queue {
            Some(queue) if queue.id > 0 && !sqe.is_fabrics() => self.config.io_in_capsule,
            _ => self.config.in_capsule(),
        }
    }

    /// Whether a command may come now: one Connect, then the others.
    #[inline(always)]
    fn in_sequence(&self, is_connect: bool) -> bool {
        match self.config.admission {
            Admission::Any => true,
            Admission::ConnectFirst if is_connect => self.queue.is_none() && !self.connecting,
            Admission::ConnectFirst => self.queue.is_some(),
        }
    }
}

/// What a command says about the queue, if it is Connect.
#[inline(always)]
fn connect_of(sqe: &Sqe) -> Option<Queue> {
    if sqe.is_fabrics() && sqe.fctype() == Fctype::CONNECT { queue_of(sqe) } else { None }
}

/// What Connect says about the queue.
#[cold]
fn queue_of(sqe: &Sqe) -> Option<Queue> {
    let connect = Connect::from_sqe(sqe);
    Some(Queue {
        id: connect.qid,
        entries: u32::from(connect.queue_size).saturating_add(1),
        no_flow_control: connect.attributes.disables_flow_control(),
    })
}

#[cold]
pub(super) fn violation(pdu_type: PduType, rule: Rule, found: u32) -> Failure {
    Failure::Violation(ProtocolError::new(pdu_type, rule, found))
}
