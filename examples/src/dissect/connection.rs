//! An NVMe/TCP connection: both directions, what they agreed on, and what goes on between them.

use std::io;

use nvme_proto::auth::AuthMessage;
use nvme_proto::cqe::Cqe;
use nvme_proto::digest::crc32c;
use nvme_proto::fabrics::{ConnectData, FabricsCommand};
use nvme_proto::frame::DataDigest;
use nvme_proto::pdu::{Header, IcReq, Negotiated, PduType, Role, Shape};
use nvme_proto::sqe::Sqe;

use super::authentication::{Keys, Proof, Transaction};
use super::capture::Time;
use super::commands::{Command, Commands, Keep};
use super::content::{self, Content, Queue};
use super::direction::{Direction, End, Lost, Step};
use super::event::{Completeness, Event, Passed, SeenPdu, Sink, Start, Violation, What, Why};
use super::fields::Fields;
use super::structures;

/// A connection.
#[derive(Debug)]
pub struct Connection {
    id: u32,
    host: Direction,
    controller: Direction,
    request: Option<IcReq>,
    commands: Commands,
    queue: Queue,
    transaction: Transaction,
}

/// What one PDU means.
struct Meaning {
    content: Content,
    latency: Option<u64>,
    violations: Vec<Violation>,
}

impl Connection {
    /// The connection of this number.
    pub fn new(id: u32, start: Start) -> Self {
        let mut connection = Self {
            id,
            host: Direction::new(Role::Host),
            controller: Direction::new(Role::Controller),
            request: None,
            commands: Commands::new(1),
            queue: Queue::Unknown,
            transaction: Transaction::default(),
        };
        if start != Start::Beginning {
            connection.host.look();
            connection.controller.look();
            connection.commands.allow_r2ts(u64::MAX);
            connection.commands.lost();
        }
        connection
    }

    /// The bytes that come next in this direction need not be its first ones, since the SYN is not in the capture.
    pub fn unopened(&mut self, from: Role, bytes: &[u8]) {
        let handshake = match from {
            Role::Host => PduType::IcReq,
            Role::Controller => PduType::IcResp,
        };
        let direction = self.direction(from);
        if direction.is_silent() && bytes.first().is_some_and(|code| *code != handshake.code()) {
            direction.look();
            self.commands.lost();
        }
    }

    /// Bytes of a direction.
    ///
    /// # Errors
    /// Those of `sink`.
    pub fn bytes(
        &mut self,
        from: Role,
        time: Time,
        bytes: &[u8],
        keys: &Keys,
        sink: &mut Sink<'_>,
    ) -> io::Result<()> {
        self.direction(from).push(bytes);
        self.run(from, time, End::Open, keys, sink)
    }

    /// Bytes of a direction that are not in the capture.
    ///
    /// # Errors
    /// Those of `sink`.
    pub fn gap(
        &mut self,
        from: Role,
        time: Time,
        missing: u64,
        keys: &Keys,
        sink: &mut Sink<'_>,
    ) -> io::Result<()> {
        if self.direction(from).gap(missing) == Lost::Pdus {
            self.unsettled(from);
        }
        self.run(from, time, End::Open, keys, sink)
    }

    /// The end of both directions.
    ///
    /// # Errors
    /// Those of `sink`.
    pub fn end(&mut self, time: Time, keys: &Keys, sink: &mut Sink<'_>) -> io::Result<()> {
        for from in [Role::Host, Role::Controller] {
            self.run(from, time, End::Reached, keys, sink)?;
        }
        Ok(())
    }

    fn direction(&mut self, from: Role) -> &mut Direction {
        match from {
            Role::Host => &mut self.host,
            Role::Controller => &mut self.controller,
        }
    }

    fn run(&mut self, from: Role, time: Time, end: End, keys: &Keys, sink: &mut Sink<'_>) -> io::Result<()> {
        let connection = self.id;
        loop {
            match self.direction(from).next(end) {
                Step::Wait => return Ok(()),
                Step::Passed(passed) => {
                    self.passed(passed);
                    sink(&Event { time, connection, what: What::Passed(passed) })?;
                }
                Step::Refused(position, error) => {
                    self.unsettled(from);
                    sink(&Event {
                        time,
                        connection,
                        what: What::Violation(Violation::of(from, position, &error)),
                    })?;
                }
                Step::Pdu(position, header, shape, completeness) => {
                    let bytes = self.direction(from).taken().to_vec();
                    let (data, data_digest) = data(&shape, &bytes, completeness);
                    let seen = Seen { from, time, position, header, data, completeness };
                    let Meaning { content, latency, violations } = self.meaning(&seen, keys);
                    let header_digest = shape.header_digest.then(|| le32(&bytes, shape.header_end() - 4));
                    let bad = match data_digest {
                        Some(DataDigest::Bad { received, computed }) => Some(format!(
                            "{}: the data digest is {received:#010x}, that of the data {computed:#010x}; the command fails with \
                             Transient Transport Error",
                            header.pdu_type()
                        )),
                        _ => None,
                    };
                    let what = What::Pdu(SeenPdu {
                        from,
                        position,
                        header,
                        header_digest,
                        data,
                        data_digest,
                        bytes: &bytes,
                        completeness,
                        content,
                        latency,
                    });
                    sink(&Event { time, connection, what })?;
                    if let Some(words) = bad {
                        sink(&Event {
                            time,
                            connection,
                            what: What::Violation(Violation::other(from, position, "DataDigest", words)),
                        })?;
                    }
                    for violation in violations {
                        sink(&Event { time, connection, what: What::Violation(violation) })?;
                    }
                }
            }
        }
    }

    /// After bytes that could not be read.
    fn passed(&mut self, passed: Passed) {
        if passed.why != Why::CutOff {
            self.unsettled(passed.from);
        }
    }

    /// A PDU may have been lost.
    fn unsettled(&mut self, from: Role) {
        self.commands.lost();
        // Without the handshake the flags have to tell.
        if self.direction(from).awaits_handshake() {
            self.direction(from).guess();
            if from == Role::Controller {
                self.host.guess();
            }
        }
    }

    fn meaning(&mut self, seen: &Seen<'_>, keys: &Keys) -> Meaning {
        let Seen { from, time, position, header, data, completeness } = *seen;
        let mut violations = Vec::new();
        let mut latency = None;
        let content = match header {
            Header::IcReq(request) => {
                self.request = Some(request);
                // Until the answer is seen.
                self.host.guess();
                let fields = Fields::new()
                    .with("pfv", request.version)
                    .with("hpda", request.data_alignment)
                    .with("header_digest", request.digests().header)
                    .with("data_digest", request.digests().data)
                    .with("max_r2ts", request.max_r2ts());
                Content::new("", fields)
            }
            Header::IcResp(response) => {
                match self.request {
                    Some(request) => {
                        if let Err(error) = response.check_answers(&request) {
                            violations.push(Violation::of(from, position, &error));
                        }
                        let agreed = Negotiated::new(&request, &response);
                        self.host.negotiated(agreed.to_controller, agreed.max_h2c_data);
                        self.controller.negotiated(agreed.to_host, agreed.max_h2c_data);
                        self.commands.allow_r2ts(agreed.max_r2ts);
                    }
                    None => {
                        self.controller.guess();
                        self.commands.lost();
                    }
                }
                let fields = Fields::new()
                    .with("pfv", response.version)
                    .with("cpda", response.data_alignment)
                    .with("header_digest", response.digests().header)
                    .with("data_digest", response.digests().data)
                    .with("max_h2c_data", response.max_h2c_data);
                Content::new("", fields)
            }
            Header::TermReq(request) => {
                let fields = Fields::new().with("fei", request.fei);
                let cause = Header::decode(data)
                    .ok()
                    .map(|header| Content::new(format!("about a {}", header.pdu_type()), Fields::new()));
                Content::new(request.fes.to_string(), fields).carrying(cause)
            }
            Header::CapsuleCmd(capsule) => {
                // The controller's half may not be in the capture.
                if self.controller.is_silent() {
                    self.commands.lost();
                }
                let sqe = Sqe::from_bytes(&capsule.sqe);
                let keep = if structures::is_known(self.queue, &sqe) { Keep::Data } else { Keep::Nothing };
                for error in self.commands.sent(time, &capsule, data, keep) {
                    violations.push(Violation::of(from, position, &error));
                }
                let mut content = content::command(self.queue, &sqe, data);
                if sqe.is_fabrics() {
                    self.fabrics(&sqe, seen, keys, &mut content, &mut violations);
                }
                content
            }
            Header::CapsuleResp(capsule) => {
                let cqe = Cqe::from_bytes(&capsule.cqe);
                let (command, verdict) = self.commands.ended(&cqe);
                violations.extend(verdict.map(|error| Violation::of(from, position, &error)));
                latency = command.as_ref().map(|command| time.since(command.since));
                let sqe = command.as_ref().map(|command| &command.sqe);
                content::completion(self.queue, sqe, &cqe)
            }
            Header::H2cData(header) => {
                let verdict = self.commands.given(&header);
                violations.extend(verdict.map(|error| Violation::of(from, position, &error)));
                let fields = Fields::new()
                    .with("offset", header.offset)
                    .with("len", header.len)
                    .with("last", header.is_last());
                self.transfer(header.command_id, fields)
            }
            Header::R2t(r2t) => {
                let verdict = self.commands.asked(&r2t);
                violations.extend(verdict.map(|error| Violation::of(from, position, &error)));
                let fields = Fields::new()
                    .with("ttag", r2t.transfer_tag)
                    .with("offset", r2t.offset)
                    .with("len", r2t.len);
                self.transfer(r2t.command_id, fields)
            }
            Header::C2hData(header) => {
                let verdict = self.commands.returned(&header, data, completeness);
                let refused = verdict.is_some();
                violations.extend(verdict.map(|error| Violation::of(from, position, &error)));
                let fields = Fields::new()
                    .with("offset", header.offset)
                    .with("len", header.len)
                    .with("last", header.is_last())
                    .with("success", header.is_success());
                let mut content = self.transfer(header.command_id, fields);
                if header.is_last() && !refused {
                    let command = self.commands.get(header.command_id).cloned();
                    content.data = command
                        .and_then(|command| self.returned(&command, seen, keys, &mut violations))
                        .map(Box::new);
                }
                if header.is_success()
                    && let Some(command) = self.commands.end(header.command_id)
                {
                    latency = Some(time.since(command.since));
                    content.title = content::ended_by_data(self.queue, &command.sqe);
                }
                content
            }
            _ => Content::default(),
        };
        Meaning { content, latency, violations }
    }

    /// A transfer of a command.
    fn transfer(&self, command: u16, fields: Fields) -> Content {
        let command = self.commands.get(command);
        Content::new(
            command.map_or_else(String::new, |command| content::title(self.queue, &command.sqe)),
            fields,
        )
    }

    /// What a Fabrics command changes.
    fn fabrics(
        &mut self,
        sqe: &Sqe,
        seen: &Seen<'_>,
        keys: &Keys,
        content: &mut Content,
        violations: &mut Vec<Violation>,
    ) {
        let wrong = |rule: &str, words| Violation::other(seen.from, seen.position, rule, words);
        match FabricsCommand::from_sqe(sqe) {
            FabricsCommand::Connect(connect) => {
                let (queue, entries) = content::queue_of(&connect);
                self.queue = queue;
                self.commands.sized(entries);
                if seen.completeness == Completeness::Holes {
                    return;
                }
                match ConnectData::new_checked(seen.data).map(|data| data.names()) {
                    Ok(Ok((subsystem, host))) => self.transaction.between(host, subsystem),
                    Ok(Err(error)) => {
                        let cause = &error.source;
                        violations.push(wrong("ConnectData", format!("{error}: {cause}")));
                    }
                    Err(error) => violations.push(wrong("ConnectData", error.to_string())),
                }
            }
            FabricsCommand::AuthenticationSend(send)
                if send.is_dh_hmac_chap() && seen.completeness == Completeness::Whole =>
            {
                content.data = self.message(seen.data, seen, keys, violations).map(Box::new);
            }
            _ => {}
        }
    }

    /// The data that a command brought back, when all of them are there.
    fn returned(
        &mut self,
        command: &Command,
        seen: &Seen<'_>,
        keys: &Keys,
        violations: &mut Vec<Violation>,
    ) -> Option<Content> {
        let bytes = command.data.as_deref()?;
        if let FabricsCommand::AuthenticationReceive(receive) = FabricsCommand::from_sqe(&command.sqe)
            && command.sqe.is_fabrics()
        {
            return receive.is_dh_hmac_chap().then(|| self.message(bytes, seen, keys, violations)).flatten();
        }
        structures::decode(&command.sqe, bytes).unwrap_or_else(|error| {
            violations.push(Violation::other(seen.from, seen.position, "Structure", error.to_string()));
            None
        })
    }

    fn message(
        &mut self,
        bytes: &[u8],
        seen: &Seen<'_>,
        keys: &Keys,
        violations: &mut Vec<Violation>,
    ) -> Option<Content> {
        let wrong = |rule: &str, words| Violation::other(seen.from, seen.position, rule, words);
        let message = match AuthMessage::decode(bytes) {
            Ok(message) => message,
            Err(error) => {
                violations.push(wrong("AuthMessage", error.to_string()));
                return None;
            }
        };
        let mut content = structures::message(&message);
        if let Some(proof) = self.transaction.follow(&message, keys)
            && !keys.is_empty()
        {
            if proof == Proof::Foreign {
                violations.push(wrong(
                    "AuthResponse",
                    format!("{}: the response is {}", message.name(), proof.words()),
                ));
            }
            content.fields = content.fields.with("proof", proof.words());
        }
        Some(content)
    }
}

/// A PDU that is being looked at.
#[derive(Clone, Copy)]
struct Seen<'a> {
    from: Role,
    time: Time,
    position: u64,
    header: Header,
    data: &'a [u8],
    completeness: Completeness,
}

/// The data of a PDU, and their digest judged if all of them are there.
fn data<'a>(shape: &Shape, bytes: &'a [u8], completeness: Completeness) -> (&'a [u8], Option<DataDigest>) {
    let from = usize::from(shape.data_offset);
    let len = usize::try_from(shape.data_len).unwrap_or(usize::MAX);
    let data = bytes.get(from..from.saturating_add(len)).unwrap_or_default();
    let digest = match completeness {
        Completeness::Holes => return (data, None),
        Completeness::Whole if !shape.data_digest => DataDigest::Absent,
        Completeness::Whole => {
            let (received, computed) = (le32(bytes, from.saturating_add(len)), crc32c(data));
            if received == computed { DataDigest::Good } else { DataDigest::Bad { received, computed } }
        }
    };
    (data, Some(digest))
}

fn le32(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(|bytes| bytes.first_chunk()).map_or(0, |bytes| u32::from_le_bytes(*bytes))
}
