//! An NVMe/TCP connection: both directions, what they agreed on, and what goes on between them.

mod meaning;

use std::io;

use nvme_proto::digest::crc32c;
use nvme_proto::frame::DataDigest;
use nvme_proto::pdu::{IcReq, PduType, Role, Shape};

use super::authentication::{Keys, Transaction};
use super::capture::Time;
use super::commands::Commands;
use super::content::Queue;
use super::direction::{Direction, End, Lost, Step};
use super::event::{Completeness, Event, Passed, SeenPdu, Sink, Start, Violation, What, Why};
use meaning::{Meaning, Seen};

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
