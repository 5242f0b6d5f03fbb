//! A namespace: blocks to read and write.

mod maintain;
mod pieces;
mod read;
mod reservation;
mod ring;
mod write;

use std::sync::Arc;

use bytes::Bytes;
use nvme_proto::Nsid;
use nvme_proto::host::Watch as Watched;
use nvme_proto::identify::{Cns, IdentifyCommand, IdentifyNamespace};

pub use maintain::{BlockRange, Deallocate};
pub use reservation::Reservations;
pub use ring::{Completed, Ring};
pub use write::Durability;

use super::controller::Controller;
use super::core::{Execute, Failure, On};
use super::error::CommandError;
use super::queue::{Effect, Payload, Request, ToSqe};

/// A namespace of a controller: a disk of blocks. Copies are handles to the same one.
///
/// | | of one command | larger requests |
/// |---|---|---|
/// | [`read`](Self::read) | no copy, new memory | pieces of one memory, no copy |
/// | [`read_into`](Self::read_into) | no copy, the caller's buffer | no copy |
/// | [`read_to`](Self::read_to) | one copy, a borrowed slice | one copy |
/// | [`write`](Self::write) | no copy, anything that becomes [`Bytes`] | no copy |
/// | [`write_from`](Self::write_from) | one copy, a borrowed slice | one copy |
///
/// Requests that are larger than a command may be (MDTS, 65,536 blocks, or the boundary that the namespace wants kept, NOIOB) are split, and the
/// pieces are on their way at the same time, in no order. Only one command is atomic, and of that only what the namespace promises
/// ([`atomic_write`](Self::atomic_write)).
///
/// Any of the futures may be dropped before it is ready. The command then runs on unseen and keeps its buffer until it is over: whether a write
/// that was dropped is executed is not known.
#[derive(Debug, Clone)]
pub struct Namespace {
    controller: Controller,
    shape: Arc<Shape>,
}

/// What is known of a namespace.
#[derive(Debug)]
struct Shape {
    nsid: Nsid,
    identify: IdentifyNamespace<Bytes>,
    descriptors: Bytes,
    block_log2: u8,
    blocks: u64,
}

impl Namespace {
    pub(super) async fn open(controller: Controller, nsid: Nsid) -> Result<Self, CommandError> {
        let shape = Shape::read(&controller, nsid).await?;
        Ok(Self { controller, shape: Arc::new(shape) })
    }

    /// Asks again for what may have changed, such as the size: after the event
    /// [`NAMESPACE_CHANGED`](nvme_proto::event::EventCode::NAMESPACE_CHANGED). Copies keep what they have.
    ///
    /// # Errors
    /// [`CommandError`], as [`Controller::namespace`].
    pub async fn refresh(&mut self) -> Result<(), CommandError> {
        self.shape = Arc::new(Shape::read(&self.controller, self.shape.nsid).await?);
        Ok(())
    }

    /// Its controller.
    #[must_use]
    pub const fn controller(&self) -> &Controller {
        &self.controller
    }

    /// Its identifier.
    #[must_use]
    #[doc(alias = "NSID")]
    pub fn nsid(&self) -> Nsid {
        self.shape.nsid
    }

    /// Identify Namespace.
    #[must_use]
    pub fn identify(&self) -> &IdentifyNamespace<Bytes> {
        &self.shape.identify
    }

    /// The identification descriptors (UUID, NGUID, EUI-64, command set), for
    /// [`NamespaceDescriptors`](nvme_proto::identify::NamespaceDescriptors); empty when the controller has none.
    #[must_use]
    pub fn descriptors(&self) -> &Bytes {
        &self.shape.descriptors
    }

    /// Bytes of a block: a power of two, 512 and up.
    #[must_use]
    pub fn block_size(&self) -> u32 {
        1 << self.shape.block_log2
    }

    /// Number of blocks.
    #[must_use]
    #[doc(alias = "NSZE")]
    pub fn blocks(&self) -> u64 {
        self.shape.blocks
    }

    /// Its size in bytes.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "one without blocks is not active")]
    pub fn len(&self) -> u64 {
        self.shape.blocks << self.shape.block_log2
    }

    /// Blocks of a write that are seen by others either all or not at all, in `normal` operation; and of those what survives a power failure.
    #[must_use]
    #[doc(alias = "AWUN")]
    pub fn atomic_write(&self) -> AtomicWrite {
        let (namespace, controller) = (&self.shape.identify, self.controller.identify());
        // Zeros of the namespace mean: as the controller.
        let own = |own: u16, common: u16| u32::from(if own == 0 { common } else { own }).saturating_add(1);
        AtomicWrite {
            normal: own(namespace.atomic_write(), controller.atomic_write()),
            power_fail: own(namespace.atomic_write_power_fail(), controller.atomic_write_power_fail()),
        }
    }

    /// An I/O command of this namespace.
    #[inline]
    fn command<C: ToSqe>(&self, command: C, data: Payload, effect: Effect) -> Execute<'_, C> {
        let request = Request { command, data, watch: Watched::TimeOut, effect };
        self.controller.core().execute(On::Io, request)
    }

    /// Bytes as blocks.
    fn whole_blocks(&self, what: &'static str, bytes: u64) -> Result<u64, CommandError> {
        let block_size = self.block_size();
        // A power of two.
        let behind = bytes & u64::from(block_size.saturating_sub(1));
        if behind == 0 && bytes > 0 {
            return Ok(bytes >> self.shape.block_log2);
        }
        Err(CommandError::Unaligned { what, bytes, block_size })
    }

    /// A place in bytes as one in blocks.
    fn block_at(&self, offset: u64) -> Result<u64, CommandError> {
        match offset {
            0 => Ok(0),
            _ => self.whole_blocks("an offset", offset),
        }
    }

    /// Whether the blocks are there.
    fn check(&self, lba: u64, blocks: u64) -> Result<(), CommandError> {
        let size = self.shape.blocks;
        match lba.checked_add(blocks) {
            Some(end) if end <= size => Ok(()),
            _ => Err(CommandError::OutOfRange { lba, blocks, size }),
        }
    }
}

/// How many blocks of a write are atomic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct AtomicWrite {
    /// Blocks that other commands see written all or not at all.
    pub normal: u32,
    /// Blocks that a power failure leaves written all or not at all.
    #[doc(alias = "AWUPF")]
    pub power_fail: u32,
}

impl Shape {
    async fn read(controller: &Controller, nsid: Nsid) -> Result<Self, CommandError> {
        let unusable = |why| CommandError::Unusable { nsid: nsid.get(), why };
        let identify = controller.identify_with(IdentifyCommand::namespace(nsid)).await?;
        let identify = IdentifyNamespace::new_checked(identify)?;
        if identify.is_inactive() {
            return Err(unusable("it is not active"));
        }
        let format = identify.lba_format().filter(|format| (9..=31).contains(&format.data_log2));
        let Some(format) = format else {
            return Err(unusable("its block size makes no sense"));
        };
        if format.metadata_bytes != 0 {
            return Err(unusable("its blocks have metadata"));
        }
        let blocks = identify.size();
        if blocks.checked_mul(1 << format.data_log2).is_none() {
            return Err(unusable("its size makes no sense"));
        }
        let command = IdentifyCommand::new(Cns::NAMESPACE_DESCRIPTORS, nsid.get());
        let descriptors = match controller.identify_with(command).await {
            Ok(descriptors) => descriptors,
            // Controllers before NVMe 1.3 have none.
            Err(CommandError::Status { .. }) => Bytes::new(),
            Err(error) => return Err(error),
        };
        Ok(Self { nsid, identify, descriptors, block_log2: format.data_log2, blocks })
    }
}
