//! Random conversations that obey the rules, made by our encoder.

use std::net::SocketAddrV4;

use nvme_examples::dissect::record::Conversation;
use nvme_proto::command::admin::{AsyncEventRequest, GetFeatures, KeepAlive, SetFeatures};
use nvme_proto::command::io::{Flush, Read, Write};
use nvme_proto::cqe::Cqe;
use nvme_proto::digest::Digests;
use nvme_proto::fabrics::{Connect, ConnectData, Disconnect, Property, PropertyGet, PropertySet};
use nvme_proto::feature::FeatureId;
use nvme_proto::frame::Transmit;
use nvme_proto::identify::{Cns, IdentifyCommand};
use nvme_proto::log::{GetLogPage, LogId};
use nvme_proto::pdu::{
    C2hData, CapsuleCmd, CapsuleResp, EncodeError, FatalErrorStatus, Format, H2cData, IcReq, IcResp,
    PduHeader, R2t, Role, TermReq,
};
use nvme_proto::sgl::Sgl;
use nvme_proto::sqe::Sqe;
use nvme_proto::{Cntlid, DataAlignment, HostId, HostNqn, Status, SubsysNqn};

use super::super::steps::StepError;

/// A conversation on port 4420.
pub(crate) struct Random {
    random: fastrand::Rng,
    conversation: Conversation,
    format: Format,
    next: u16,
}

impl Random {
    /// One queue, from its beginning to its end; an odd seed makes an I/O queue.
    pub(crate) fn conversation(seed: u64) -> Result<Conversation, StepError> {
        let port = 40_000 + u16::try_from(seed % 10_000).unwrap_or(0);
        let conversation = Conversation::open(
            SocketAddrV4::new([192, 0, 2, 1].into(), port),
            SocketAddrV4::new([192, 0, 2, 2].into(), 4420),
        );
        let mut this =
            Self { random: fastrand::Rng::with_seed(seed), conversation, format: Format::PLAIN, next: 0 };
        let is_io = seed % 2 == 1;
        this.handshake()?;
        this.connect(is_io)?;
        for _ in 0..120 {
            if is_io { this.io()? } else { this.admin()? }
        }
        if this.random.bool() {
            let sender = if this.random.bool() { Role::Host } else { Role::Controller };
            let fes = FatalErrorStatus(this.random.u16(1..=6));
            let cause = CapsuleResp::new([1; 16]).encode();
            this.send(sender, TermReq::new(sender, fes, this.random.clone().u32(..)), &cause)?;
        }
        this.conversation.close();
        Ok(this.conversation)
    }

    fn send<H: PduHeader>(&mut self, from: Role, header: H, data: &[u8]) -> Result<(), EncodeError> {
        let bytes = Transmit::new(header, self.format, data)?.chunks().concat();
        self.conversation.send(from, &bytes);
        Ok(())
    }

    fn handshake(&mut self) -> Result<(), EncodeError> {
        let digests = Digests { header: self.random.bool(), data: self.random.bool() };
        let max_r2t = self.random.u32(..);
        let max_data = self.random.u32(4096..1 << 20);
        self.send(Role::Host, IcReq::new(DataAlignment::DWORD, digests, max_r2t), &[])?;
        self.send(Role::Controller, IcResp::new(DataAlignment::DWORD, digests, max_data), &[])?;
        self.format = Format { digests, ..Format::PLAIN };
        Ok(())
    }

    fn id(&mut self) -> u16 {
        self.next = self.next.wrapping_add(self.random.u16(1..500));
        self.next
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        std::iter::repeat_with(|| self.random.u8(..)).take(len).collect()
    }

    fn command(&mut self, sqe: Sqe, data: &[u8]) -> Result<(), EncodeError> {
        self.send(Role::Host, CapsuleCmd::new(sqe.encode()), data)
    }

    fn complete(&mut self, cid: u16, dw0: u32, dw1: u32) -> Result<(), EncodeError> {
        let cqe = Cqe { dw0, dw1, sqhd: self.random.u16(..), ..Cqe::success(cid) };
        self.send(Role::Controller, CapsuleResp::new(cqe.encode()), &[])
    }

    fn fail(&mut self, cid: u16) -> Result<(), EncodeError> {
        let status = Status(self.random.u16(1..1 << 15));
        let cqe = Cqe { dw0: self.random.u32(..), sqhd: self.random.u16(..), ..Cqe::failed(cid, status) };
        self.send(Role::Controller, CapsuleResp::new(cqe.encode()), &[])
    }

    fn connect(&mut self, is_io: bool) -> Result<(), StepError> {
        let queue_size = self.random.u16(200..);
        let mut connect = if is_io {
            Connect::io(self.random.u16(1..), queue_size)
        } else {
            Connect::admin(queue_size, self.random.u32(..))
        };
        connect.attributes.0 = self.random.u8(..16);
        let host_id = HostId::from_bytes(std::array::from_fn(|_| self.random.u8(..)));
        let subsystem = SubsysNqn::new(format!("nqn.2024-01.org.example:{:x}", self.random.u64(..)))?;
        let cntlid = Cntlid(self.random.u16(..));
        let data = ConnectData::new(host_id, cntlid, &subsystem, &HostNqn::from_uuid(host_id));
        let cid = self.id();
        self.command(connect.to_sqe().with_cid(cid).with_sgl(Sgl::in_capsule(1024)), data.as_bytes())?;
        let answer = self.random.u16(..).into();
        Ok(self.complete(cid, answer, 0)?)
    }

    /// Data to the host in one or more PDUs, then the completion.
    fn answer(&mut self, cid: u16, data: &[u8]) -> Result<(), EncodeError> {
        let size =
            if data.len().is_multiple_of(8) && self.random.bool() { data.len() / 2 } else { data.len() };
        for (index, part) in data.chunks(size.max(4)).enumerate() {
            let offset = u32::try_from(index * size).unwrap_or(0);
            let len = u32::try_from(part.len()).unwrap_or(0);
            let header = C2hData::new(cid, offset, len);
            let is_last = index * size + part.len() == data.len();
            self.send(Role::Controller, if is_last { header.last() } else { header }, part)?;
        }
        self.complete(cid, 0, 0)
    }

    fn admin(&mut self) -> Result<(), StepError> {
        let cid = self.id();
        match self.random.u8(..9) {
            0 => {
                let properties = [Property::CAP, Property::VS, Property::CC, Property::CSTS];
                let property = properties[self.random.usize(..properties.len())];
                self.command(
                    PropertyGet::new(property).to_sqe().with_cid(cid).with_sgl(Sgl::no_data()),
                    &[],
                )?;
                let high = if property == Property::CAP { self.random.u32(..) } else { 0 };
                let low = self.random.u32(..);
                self.complete(cid, low, high)?;
            }
            1 => {
                let value = self.random.u32(..).into();
                let sqe = PropertySet::new(Property::CC, value).to_sqe();
                self.command(sqe.with_cid(cid).with_sgl(Sgl::no_data()), &[])?;
                self.complete(cid, 0, 0)?;
            }
            2 | 3 => {
                let all = [Cns::CONTROLLER, Cns::NAMESPACE];
                let mut command = IdentifyCommand::new(all[self.random.usize(..2)], self.random.u32(..));
                command.controller_id = self.random.u16(..);
                command.uuid_index = self.random.u8(..128);
                self.command(command.to_sqe().with_cid(cid).with_sgl(Sgl::transport(4096)), &[])?;
                let mut data = self.bytes(4096);
                if command.cns == Cns::CONTROLLER {
                    // Texts are texts.
                    data.splice(4..72, self.text(68));
                    data.splice(768..1024, self.text(20).into_iter().chain([0; 236]));
                }
                self.send(Role::Controller, C2hData::new(cid, 0, 4096).last(), &data)?;
                self.complete(cid, 0, 0)?;
            }
            4 => {
                let mut command = GetLogPage::new(LogId::HEALTH, 0, 512)?;
                command.nsid = self.random.u32(..);
                command.lsp = self.random.u8(..128);
                command.lsi = self.random.u16(..);
                self.command(command.to_sqe().with_cid(cid).with_sgl(Sgl::transport(512)), &[])?;
                let data = self.bytes(512);
                self.send(Role::Controller, C2hData::new(cid, 0, 512).last(), &data)?;
                self.complete(cid, 0, 0)?;
            }
            5 => {
                let features = [
                    FeatureId::NUMBER_OF_QUEUES,
                    FeatureId::ASYNC_EVENT_CONFIGURATION,
                    FeatureId::KEEP_ALIVE_TIMER,
                ];
                let mut command = SetFeatures::default();
                command.feature = features[self.random.usize(..features.len())];
                command.value = self.random.u32(..);
                command.save = self.random.bool();
                self.command(command.to_sqe().with_cid(cid).with_sgl(Sgl::no_data()), &[])?;
                let answer = self.random.u32(1..);
                self.complete(cid, answer, 0)?;
            }
            6 => {
                let mut command = GetFeatures::default();
                command.feature = FeatureId::NUMBER_OF_QUEUES;
                command.uuid_index = self.random.u8(..128);
                self.command(command.to_sqe().with_cid(cid).with_sgl(Sgl::no_data()), &[])?;
                let answer = self.random.u32(1..);
                self.complete(cid, answer, 0)?;
            }
            7 => {
                let sqe = if self.random.bool() {
                    KeepAlive::default().to_sqe()
                } else {
                    AsyncEventRequest::default().to_sqe()
                };
                self.command(sqe.with_cid(cid).with_sgl(Sgl::no_data()), &[])?;
                self.complete(cid, 0, 0)?;
            }
            _ => {
                let mut sqe = Flush::default().to_sqe().with_cid(cid).with_sgl(Sgl::no_data());
                sqe.opcode = 0x24;
                sqe.nsid = self.random.u32(..);
                [sqe.cdw10, sqe.cdw11, sqe.cdw12] = std::array::from_fn(|_| self.random.u32(..));
                [sqe.cdw13, sqe.cdw14, sqe.cdw15] = std::array::from_fn(|_| self.random.u32(..));
                self.command(sqe, &[])?;
                self.fail(cid)?;
            }
        }
        Ok(())
    }

    fn text(&mut self, len: usize) -> Vec<u8> {
        std::iter::repeat_with(|| self.random.alphanumeric())
            .take(len)
            .map(|c| u8::try_from(c).unwrap_or(b'x'))
            .collect()
    }

    fn io(&mut self) -> Result<(), StepError> {
        let cid = self.id();
        let (nsid, lba) = (self.random.u32(1..), self.random.u64(..));
        let blocks = self.random.u16(..);
        let len = 4 * self.random.u32(1..2048);
        let data = self.bytes(usize::try_from(len).unwrap_or(4));
        match self.random.u8(..6) {
            0 | 1 => {
                let mut read = Read::new(nsid, lba, blocks);
                read.protection.0 = self.random.u8(..16);
                read.hints.0 = self.random.u16(..256);
                read.force_unit_access = self.random.bool();
                read.limited_retry = self.random.bool();
                read.reference_tag = self.random.u32(..);
                read.application_tag = self.random.u16(..);
                read.application_tag_mask = self.random.u16(..);
                self.command(read.to_sqe().with_cid(cid).with_sgl(Sgl::transport(len)), &[])?;
                self.answer(cid, &data)?;
            }
            2 => {
                let write = self.write(nsid, lba, blocks);
                self.command(write.to_sqe().with_cid(cid).with_sgl(Sgl::in_capsule(len)), &data)?;
                self.complete(cid, 0, 0)?;
            }
            3 => {
                let write = self.write(nsid, lba, blocks);
                self.command(write.to_sqe().with_cid(cid).with_sgl(Sgl::transport(len)), &[])?;
                let tag = self.random.u16(..);
                self.send(Role::Controller, R2t::new(cid, tag, 0, len), &[])?;
                let mut offset = 0;
                for part in data.chunks(4096) {
                    let header = H2cData::new(cid, tag, offset, u32::try_from(part.len()).unwrap_or(0));
                    offset += header.len;
                    self.send(Role::Host, if offset == len { header.last() } else { header }, part)?;
                }
                self.complete(cid, 0, 0)?;
            }
            4 => {
                let mut flush = Flush::default();
                flush.nsid = nsid;
                self.command(flush.to_sqe().with_cid(cid).with_sgl(Sgl::no_data()), &[])?;
                self.fail(cid)?;
            }
            _ => {
                let sqe = Disconnect::default().to_sqe().with_cid(cid).with_sgl(Sgl::no_data());
                self.command(sqe, &[])?;
                self.complete(cid, 0, 0)?;
            }
        }
        Ok(())
    }

    fn write(&mut self, nsid: u32, lba: u64, blocks: u16) -> Write {
        let mut write = Write::new(nsid, lba, blocks);
        write.protection.0 = self.random.u8(..16);
        write.force_unit_access = self.random.bool();
        write.reference_tag = self.random.u32(..);
        write.application_tag = self.random.u16(..);
        write
    }
}
