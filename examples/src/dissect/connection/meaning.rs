//! What a PDU means, by what went before it on its connection.

use nvme_proto::auth::AuthMessage;
use nvme_proto::cqe::Cqe;
use nvme_proto::fabrics::{ConnectData, FabricsCommand};
use nvme_proto::pdu::{Header, Negotiated, Role};
use nvme_proto::sqe::Sqe;

use super::super::authentication::{Keys, Proof};
use super::super::capture::Time;
use super::super::commands::{Command, Keep};
use super::super::content::{self, Content};
use super::super::event::{Completeness, Violation};
use super::super::fields::Fields;
use super::super::structures;
use super::Connection;

/// What one PDU means.
pub(super) struct Meaning {
    pub(super) content: Content,
    pub(super) latency: Option<u64>,
    pub(super) violations: Vec<Violation>,
}

impl Connection {
    pub(super) fn meaning(&mut self, seen: &Seen<'_>, keys: &Keys) -> Meaning {
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
pub(super) struct Seen<'a> {
    pub(super) from: Role,
    pub(super) time: Time,
    pub(super) position: u64,
    pub(super) header: Header,
    pub(super) data: &'a [u8],
    pub(super) completeness: Completeness,
}
