//! Commands: what a submission queue entry means.
//!
//! ```text
//!   64 bytes  <->  Sqe  <->  AdminCommand | IoCommand  <->  Read, Identify, Connect, ...
//!                  all bits      by opcode                   fields with names
//! ```
//!
//! [`Sqe`](crate::sqe::Sqe) keeps every bit and does not know which queue it is on. A command takes what it has fields for: its opcode, the namespace and
//! the dwords from 10 on. What every command has besides - command identifier, flags, where the data is - stays in the entry.
//!
//! ```
//! use nvme_proto::command::{AdminCommand, IoCommand, io::Read};
//! use nvme_proto::sgl::Sgl;
//! use nvme_proto::sqe::Sqe;
//!
//! // The first 8 blocks of namespace 1, 4096 bytes.
//! let bytes = Read::new(1, 0, 7).to_sqe().with_cid(81).with_sgl(Sgl::transport(4096)).encode();
//!
//! let sqe = Sqe::from_bytes(&bytes);
//! assert_eq!(sqe.cid, 81);
//! assert_eq!(IoCommand::from_sqe(&sqe), IoCommand::Read(Read::new(1, 0, 7)));
//! // On the admin queue the same opcode is another command.
//! assert_eq!(AdminCommand::from_sqe(&sqe).name(), Some("Get Log Page"));
//! ```
//!
//! Reserved bits are ignored when a command is taken out of an entry and zero when it is put into one; commands without a type here keep their
//! entry ([`AdminCommand::Other`], [`IoCommand::Other`]).

pub mod admin;
pub mod check;
mod data_len;
mod dispatch;
pub mod io;
mod opcode;

pub use admin::AdminCommand;
pub(crate) use dispatch::dispatch;
pub use io::IoCommand;
pub use opcode::{AdminOpcode, IoOpcode};
