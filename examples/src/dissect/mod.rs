//! NVMe/TCP out of a capture file, PDU by PDU.
//!
//! | module | from | to |
//! |---|---|---|
//! | [`input`] | a file or standard input | bytes |
//! | [`capture`] | bytes | packets, and what was passed over |
//! | [`link`] | packets | TCP segments |
//! | [`reassembly`] | segments | the bytes of a direction, and gaps |
//! | [`flow`] | both directions | bytes in the order in which they caused each other |
//! | [`direction`] | bytes | PDUs, violations of what each must obey |
//! | [`connection`], [`commands`], [`authentication`] | PDUs | commands, transfers, completions; violations of what they must obey together |
//! | [`content`], [`structures`], [`fields`] | entries and data | titles and named values |
//! | [`record`] | bytes of two ends | a capture file, for tests |
//! | [`output`] | events | lines of text, or JSON |
//!
//! Memory is bounded whatever the file holds: by the windows of [`reassembly`], by [`MAX_FLOWS`], and by the longest PDU that is taken.

pub mod authentication;
pub mod capture;
pub mod commands;
pub mod connection;
pub mod content;
pub mod direction;
pub mod event;
pub mod fields;
pub mod flow;
pub mod input;
pub mod link;
pub mod output;
pub mod reassembly;
pub mod record;
pub mod structures;

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::path::Path;

use authentication::Keys;
use capture::{CaptureError, Segment, Tally};
use event::Sink;
use flow::{Flow, Surroundings};

/// TCP connections that are followed at the same time; beyond, the one that was silent for the longest time is ended.
pub const MAX_FLOWS: usize = 1024;

/// Ports on which controllers are looked for when none are given: those registered for NVMe/TCP and for discovery.
pub const PORTS: &[u16] = &[4420, 8009];

/// What to look for, and what to check with.
#[derive(Clone, Debug)]
pub struct Options {
    /// Ports on which controllers listen. A connection on another port is found by the ICReq at its beginning.
    pub ports: Vec<u16>,
    /// Secrets to check authentication with.
    pub keys: Keys,
}

impl Default for Options {
    fn default() -> Self {
        Self { ports: PORTS.to_vec(), keys: Keys::default() }
    }
}

/// Follows the connections of a capture.
#[derive(Debug, Default)]
pub struct Dissector {
    options: Options,
    flows: HashMap<[SocketAddr; 2], Flow>,
    connections: u32,
}

impl Dissector {
    /// Nothing seen yet.
    pub fn new(options: Options) -> Self {
        Self { options, ..Self::default() }
    }

    /// Takes a segment.
    ///
    /// # Errors
    /// Those of `sink`.
    pub fn segment(&mut self, segment: &Segment<'_>, sink: &mut Sink<'_>) -> io::Result<()> {
        let mut ends = [segment.from, segment.to];
        ends.sort_unstable();
        if self.flows.get(&ends).is_some_and(|flow| flow.is_over(segment)) {
            self.finish(ends, sink)?;
        }
        if !self.flows.contains_key(&ends) && self.flows.len() >= MAX_FLOWS {
            let oldest = self.flows.iter().min_by_key(|(_, flow)| flow.last).map(|(ends, _)| *ends);
            if let Some(oldest) = oldest {
                self.finish(oldest, sink)?;
            }
        }
        let flow = self.flows.entry(ends).or_insert_with(|| Flow::new(segment));
        let mut around = Surroundings {
            ports: &self.options.ports,
            keys: &self.options.keys,
            connections: &mut self.connections,
            sink,
        };
        flow.push(segment, &mut around)
    }

    /// Ends all connections.
    ///
    /// # Errors
    /// Those of `sink`.
    pub fn end(&mut self, sink: &mut Sink<'_>) -> io::Result<()> {
        let mut all: Vec<_> = self.flows.iter().map(|(ends, flow)| (flow.last, *ends)).collect();
        all.sort_unstable();
        for (_, ends) in all {
            self.finish(ends, sink)?;
        }
        Ok(())
    }

    fn finish(&mut self, ends: [SocketAddr; 2], sink: &mut Sink<'_>) -> io::Result<()> {
        let Some(flow) = self.flows.remove(&ends) else { return Ok(()) };
        flow.end(&mut Surroundings {
            ports: &self.options.ports,
            keys: &self.options.keys,
            connections: &mut self.connections,
            sink,
        })
    }
}

/// What a file held.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Packets.
    pub tally: Tally,
    /// NVMe/TCP connections.
    pub connections: u32,
}

/// Dissects a capture file; `-` is standard input.
///
/// # Errors
/// [`CaptureError`]; what comes before the broken place has been given to `sink`.
pub fn file(path: &Path, options: Options, sink: &mut Sink<'_>) -> Result<Summary, CaptureError> {
    let mut dissector = Dissector::new(options);
    let read = capture::read(path, |segment| dissector.segment(&segment, sink));
    dissector.end(sink)?;
    Ok(Summary { tally: read?, connections: dissector.connections })
}
