//! What a controller can refuse by looking at a command alone.
//!
//! A controller that has a state - namespaces, limits, who is connected - checks more; these are the rules every controller over TCP has in
//! common, with the status each is answered with. The order is that in which a controller meets them:
//!
//! 1. [`entry`]: fused commands, the kind of data pointer
//! 2. [`connect`] for the first command of a connection, [`admin`] and [`io`] for the others
//! 3. [`data`], for I/O commands [`io_data`]: where the data are, and whether there are as many bytes as the command moves
//!
//! ```
//! use nvme_proto::command::{IoCommand, check};
//! use nvme_proto::command::io::Read;
//! use nvme_proto::sgl::Sgl;
//! use nvme_proto::Status;
//!
//! let sqe = Read::new(1, 0, 7).to_sqe().with_cid(9).with_sgl(Sgl::transport(512));
//! let command = IoCommand::from_sqe(&sqe);
//! check::entry(&sqe, check::Strictness::Specification)?;
//! check::io(&command)?;
//! // 8 blocks of 512 bytes do not fit into 512 bytes.
//! let refusal = check::io_data(&sqe.sgl, &command, 512).unwrap_err();
//! assert_eq!(refusal.status, Status::DATA_SGL_LENGTH_INVALID.with_dnr());
//! assert_eq!(refusal.completion(sqe.cid).cid, 9);
//! # Ok::<(), check::Refusal>(())
//! ```

mod connect;
mod queue;

pub use connect::{ConnectRequest, ConnectRules, ControllerModel, connect};
pub use queue::{admin, configuration, io};

use core::fmt;

use super::IoCommand;
use crate::connect::ConnectParameter;
use crate::cqe::Cqe;
use crate::sgl::{Sgl, SglPlace};
use crate::sqe::{Fuse, Psdt, Sqe};
use crate::status::{CommandContext, Status};

/// A command that is refused: what its completion says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub struct Refusal {
    /// The status.
    pub status: Status,
    /// The parameter of Connect that is at fault.
    pub parameter: Option<ConnectParameter>,
    /// Why, in words.
    pub reason: &'static str,
}

impl Refusal {
    /// The same command would be refused again.
    const fn new(status: Status, reason: &'static str) -> Self {
        Self { status: status.with_dnr(), parameter: None, reason }
    }

    /// The completion of the command with this identifier.
    #[must_use]
    pub const fn completion(&self, cid: u16) -> Cqe {
        let cqe = Cqe::failed(cid, self.status);
        match self.parameter {
            Some(parameter) => cqe.with_dw0(parameter.to_dw0()),
            None => cqe,
        }
    }
}

impl fmt::Display for Refusal {
    /// The reason, the status, and the parameter.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Those that have a meaning for one kind of command only are of Fabrics commands.
        write!(f, "{}: {}", self.reason, self.status.in_words(CommandContext::Fabrics))?;
        match self.parameter {
            Some(parameter) => write!(f, ", {parameter}"),
            None => Ok(()),
        }
    }
}

/// Which data pointers are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Strictness {
    /// An SGL (01b), and anything in Fabrics commands, for which NVMe Base 2.x names other values.
    Specification,
    /// An SGL (01b) in every command, as the Linux target has it.
    Linux,
}

/// Checks what every entry has.
///
/// # Errors
/// [`Status::INVALID_FIELD`] for a fused command and for another data pointer than an SGL.
pub fn entry(sqe: &Sqe, strictness: Strictness) -> Result<(), Refusal> {
    if sqe.flags.fuse() != Fuse::NORMAL {
        return Err(Refusal::new(Status::INVALID_FIELD, "fused commands are not supported"));
    }
    let any = strictness == Strictness::Specification && sqe.is_fabrics();
    if sqe.flags.psdt() != Psdt::SGL && !any {
        return Err(Refusal::new(Status::INVALID_FIELD, "over fabrics the data pointer is an SGL"));
    }
    Ok(())
}

/// Where the data of a command are, if that is so many bytes; `None` takes any length.
///
/// # Errors
/// [`Status::SGL_DESCRIPTOR_TYPE_INVALID`] for a descriptor that NVMe/TCP does not have, [`Status::SGL_OFFSET_INVALID`] for data in the capsule that do
/// not begin at its first byte, [`Status::DATA_SGL_LENGTH_INVALID`] for another length.
pub fn data(sgl: &Sgl, len: Option<u64>) -> Result<SglPlace, Refusal> {
    let place = sgl.place().map_err(|status| Refusal::new(status, "NVMe/TCP has no such SGL descriptor"))?;
    let length = match place {
        SglPlace::InCapsule { offset: 0, length } | SglPlace::Transport { length } => length,
        SglPlace::InCapsule { .. } => {
            return Err(Refusal::new(Status::SGL_OFFSET_INVALID, "data in a capsule begin at offset 0"));
        }
    };
    match len {
        Some(len) if len != u64::from(length) => Err(Refusal::new(
            Status::DATA_SGL_LENGTH_INVALID,
            "the SGL has another length than the command moves",
        )),
        _ => Ok(place),
    }
}

/// The same for the data of an I/O command, on a namespace whose blocks have so many bytes.
///
/// The SGL of a list of ranges ([`IoCommand::DatasetManagement`], [`IoCommand::Copy`]) may be longer than the ranges that the command counts, and
/// what is behind them means nothing: Linux sends 4096 bytes for a Deallocate of any number of ranges.
///
/// # Errors
/// Those of [`data`].
pub fn io_data(sgl: &Sgl, command: &IoCommand, block_bytes: u32) -> Result<SglPlace, Refusal> {
    let len = command.data_len(block_bytes);
    let at_least = match (command, len) {
        (IoCommand::DatasetManagement(_) | IoCommand::Copy(_), Some(len)) => len,
        _ => return data(sgl, len),
    };
    if u64::from(sgl.length) < at_least {
        return data(sgl, len);
    }
    data(sgl, None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::AdminCommand;
    use crate::fabrics::{Connect, Fctype};
    use crate::identify::IdentifyCommand;
    use crate::sqe::SqeFlags;
    use alloc::string::ToString;

    fn status(refusal: Result<impl Sized, Refusal>) -> Option<(u8, u8)> {
        refusal.err().map(|refusal| {
            assert!(refusal.status.dnr());
            (refusal.status.sct(), refusal.status.sc())
        })
    }

    #[test]
    fn fused_commands_and_data_pointers() {
        let connect = Connect::admin(31, 0).to_sqe();
        let property = Sqe::fabrics(Fctype::PROPERTY_GET);
        let identify = IdentifyCommand::controller().to_sqe();
        let write = Sqe::new(0x01);
        for (sqe, specification, linux) in [
            (connect, [None; 4], [Some((0, 2)), None, Some((0, 2)), Some((0, 2))]),
            (property, [None; 4], [Some((0, 2)), None, Some((0, 2)), Some((0, 2))]),
            (
                identify,
                [Some((0, 2)), None, Some((0, 2)), Some((0, 2))],
                [Some((0, 2)), None, Some((0, 2)), Some((0, 2))],
            ),
        ] {
            for psdt in 0..4_u8 {
                let sqe = Sqe { flags: SqeFlags(psdt << 6), ..sqe };
                assert_eq!(status(entry(&sqe, Strictness::Specification)), specification[usize::from(psdt)]);
                assert_eq!(status(entry(&sqe, Strictness::Linux)), linux[usize::from(psdt)]);
            }
        }
        for sqe in [connect, property, identify, write] {
            for fuse in 1..4 {
                let sqe = Sqe { flags: SqeFlags(0x40 | fuse), ..sqe };
                assert_eq!(status(entry(&sqe, Strictness::Specification)), Some((0, 2)));
            }
        }
    }

    #[test]
    fn data_are_where_tcp_has_them_and_as_many_as_the_command_moves() {
        let connect =
            AdminCommand::from(crate::fabrics::FabricsCommand::from(Connect::admin(31, 0))).data_len();
        let identify = AdminCommand::from(IdentifyCommand::controller()).data_len();
        let read = IoCommand::from(crate::command::io::Read::new(1, 0, 7)).data_len(512);
        let deallocate =
            IoCommand::from(crate::command::io::DatasetManagement::deallocate(1, 255)).data_len(512);
        let offset = |sgl: Sgl, address| Sgl { address, ..sgl };
        for (sgl, len, expected) in [
            (Sgl::in_capsule(1024), connect, None),
            (Sgl::transport(1024), connect, None),
            (Sgl::in_capsule(1023), connect, Some((0, 0x0f))),
            (Sgl::in_capsule(1020), connect, Some((0, 0x0f))),
            (Sgl::in_capsule(1028), connect, Some((0, 0x0f))),
            (offset(Sgl::in_capsule(1024), 4), connect, Some((0, 0x16))),
            (Sgl::data_block(0, 1024), connect, Some((0, 0x11))),
            (Sgl::keyed(0, 1024, 1), connect, Some((0, 0x11))),
            (Sgl::segment(0, 1024), connect, Some((0, 0x11))),
            (Sgl::last_segment(0, 1024), connect, Some((0, 0x11))),
            (Sgl { identifier: crate::sgl::SglIdentifier(0x5b), ..Sgl::NONE }, connect, Some((0, 0x11))),
            (Sgl::transport(4096), identify, None),
            (Sgl::transport(512), identify, Some((0, 0x0f))),
            (Sgl::transport(8192), identify, Some((0, 0x0f))),
            (Sgl::transport(4096), read, None),
            (Sgl::transport(4092), read, Some((0, 0x0f))),
            (Sgl::transport(8192), read, Some((0, 0x0f))),
            (Sgl::transport(0), read, Some((0, 0x0f))),
            (Sgl::NONE, read, Some((0, 0x0f))),
            (Sgl::transport(0x8000_0000), read, Some((0, 0x0f))),
            (Sgl::in_capsule(16), deallocate, Some((0, 0x0f))),
            (Sgl::in_capsule(77), None, None),
            (Sgl::no_data(), Some(0), None),
            (Sgl::NONE, Some(0), None),
            (Sgl::transport(4), Some(0), Some((0, 0x0f))),
        ] {
            assert_eq!(status(data(&sgl, len)), expected, "{sgl:?} {len:?}");
        }
    }

    /// Linux's host sends room for 256 ranges with every Deallocate.
    #[test]
    fn lists_of_ranges_may_be_longer_than_what_they_count() {
        use crate::command::io::{Copy, DatasetManagement, Read};
        let one = IoCommand::from(DatasetManagement::deallocate(1, 0));
        let copy = IoCommand::from(Copy::new(1, 0, 1));
        let read = IoCommand::from(Read::new(1, 0, 0));
        for (command, len, expected) in [
            (one, 15, Some((0, 0x0f))),
            (one, 16, None),
            (one, 4096, None),
            (copy, 63, Some((0, 0x0f))),
            (copy, 64, None),
            (copy, 65, None),
            (read, 512, None),
            (read, 513, Some((0, 0x0f))),
        ] {
            assert_eq!(status(io_data(&Sgl::transport(len), &command, 512)), expected, "{command:?} {len}");
            assert_eq!(status(io_data(&Sgl::in_capsule(len), &command, 512)), expected);
        }
        let offset = Sgl { address: 8, ..Sgl::in_capsule(4096) };
        assert_eq!(status(io_data(&offset, &one, 512)), Some((0, 0x16)));
        assert_eq!(status(io_data(&Sgl::segment(0, 4096), &one, 512)), Some((0, 0x11)));
    }

    #[test]
    fn refusals_say_why() {
        let refusal = data(&Sgl::segment(0, 16), None).unwrap_err();
        let words =
            "NVMe/TCP has no such SGL descriptor: SGL Descriptor Type Invalid (SCT 0 SC 0x11, do not retry)";
        assert_eq!(refusal.to_string(), words);
        assert_eq!(refusal.completion(7).encode()[12..], [7, 0, 0x22, 0x80]);
    }
}
