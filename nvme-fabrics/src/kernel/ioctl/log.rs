//! Whole log pages.

use nvme_proto::discovery::{GetLogPage, LogId, RetainAsyncEvent};
use nvme_proto::identify::IdentifyController;
use nvme_proto::log::AnaLog;

use super::{AdminError, AdminFailure, AdminOp, ControllerNode};

/// Longer pages are refused before memory is taken.
const MAX_LOG: u64 = 64 << 20;
/// What every controller moves with one command.
const SMALL_PIECE: u64 = 4096;
/// More is not asked for with one command, whatever the controller allows.
const LARGE_PIECE: u64 = 128 << 10;
/// How often a page that changes while it is read is begun again.
const MAX_ROUNDS: u32 = 10;
/// The least page of memory that a controller may have, as a power of two.
const LEAST_PAGE_LOG2: u8 = 12;
/// All namespaces, or the controller.
const NSID_ALL: u32 = 0xffff_ffff;

impl ControllerNode {
    /// `len` bytes of a log page from its beginning, in pieces that the controller can move. What `page` says of namespace, LSP, LSI, command set, UUID index
    /// and event is said with each piece; the event is retained until the last one. Its offset and length do not matter.
    ///
    /// A page that may change meanwhile must have a counter that the caller compares.
    ///
    /// # Errors
    /// [`AdminError`]; [`AdminFailure::TooLong`] for more than 64 MiB, [`AdminFailure::LogLength`] for a length that is not a multiple of 4 above 0.
    pub fn read_log(&self, page: &GetLogPage, len: u64) -> Result<Vec<u8>, AdminError> {
        if len > MAX_LOG {
            return Err(self.node.error(AdminOp::GetLogPage, AdminFailure::TooLong { len, max: MAX_LOG }));
        }
        let piece = if len > SMALL_PIECE { piece_len(&self.identify_controller()?) } else { SMALL_PIECE };
        let pieces =
            pieces(page, len, piece).map_err(|failure| self.node.error(AdminOp::GetLogPage, failure))?;
        let mut bytes = Vec::new();
        for command in pieces {
            bytes.append(&mut self.get_log_page(&command)?);
        }
        Ok(bytes)
    }

    /// The controller's health: 512 bytes, see [`HealthLog`](nvme_proto::log::HealthLog).
    ///
    /// # Errors
    /// [`AdminError`].
    pub fn health_log(&self) -> Result<Vec<u8>, AdminError> {
        self.fixed_log(LogId::HEALTH, 512)
    }

    /// The newest errors: as many entries of 64 bytes as the controller keeps.
    ///
    /// # Errors
    /// [`AdminError`].
    pub fn error_log(&self) -> Result<Vec<u8>, AdminError> {
        let entries = u64::from(self.identify_controller()?.error_log_entries()).saturating_add(1);
        self.fixed_log(LogId::ERROR, entries.saturating_mul(64))
    }

    /// Which commands there are and what they do: 4096 bytes, see [`EffectsLog`](nvme_proto::log::EffectsLog).
    ///
    /// # Errors
    /// [`AdminError`].
    pub fn effects_log(&self) -> Result<Vec<u8>, AdminError> {
        self.fixed_log(LogId::EFFECTS, 4096)
    }

    /// Access to the namespaces by this controller. Read again when it changed meanwhile.
    ///
    /// # Errors
    /// [`AdminError`]; [`AdminFailure::Unstable`] when it changed ten times.
    pub fn ana_log(&self) -> Result<AnaLog<Vec<u8>>, AdminError> {
        let len = ana_log_len(&self.identify_controller()?);
        let page = self.page(LogId::ANA, NSID_ALL)?;
        let error = |failure| self.node.error(AdminOp::GetLogPage, failure);
        for _ in 0..MAX_ROUNDS {
            let bytes = self.read_log(&page, len)?;
            let header = AnaLog::<Vec<u8>>::HEADER_LEN;
            // One command gives one state; several may give two.
            if len > SMALL_PIECE {
                let again = self.read_log(&page, u64::try_from(header).unwrap_or(16))?;
                if again.get(..8) != bytes.get(..8) {
                    continue;
                }
            }
            return AnaLog::new_checked(bytes).map_err(|e| error(e.into()));
        }
        Err(error(AdminFailure::Unstable { rounds: MAX_ROUNDS }))
    }

    fn fixed_log(&self, lid: LogId, len: u64) -> Result<Vec<u8>, AdminError> {
        self.read_log(&self.page(lid, NSID_ALL)?, len)
    }

    fn page(&self, lid: LogId, nsid: u32) -> Result<GetLogPage, AdminError> {
        let mut page = piece(lid, 0, 4).map_err(|failure| self.node.error(AdminOp::GetLogPage, failure))?;
        page.nsid = nsid;
        Ok(page)
    }
}

/// The most that one command should move.
fn piece_len<B: AsRef<[u8]>>(controller: &IdentifyController<B>) -> u64 {
    let most = controller.max_data_bytes(LEAST_PAGE_LOG2).unwrap_or(LARGE_PIECE);
    most.clamp(SMALL_PIECE, LARGE_PIECE)
}

/// Bytes of the ANA log when every group and every namespace is in it: a header of 16 bytes, 32 bytes a group, 4 bytes a namespace.
fn ana_log_len<B: AsRef<[u8]>>(controller: &IdentifyController<B>) -> u64 {
    let namespaces = match controller.max_allowed_namespaces() {
        0 => controller.namespaces(),
        most => most,
    };
    let groups = u64::from(controller.ana_groups()).saturating_mul(32);
    u64::from(namespaces).saturating_mul(4).saturating_add(groups).saturating_add(16)
}

fn piece(lid: LogId, offset: u64, len: u64) -> Result<GetLogPage, AdminFailure> {
    let bytes = u32::try_from(len).map_err(|_| AdminFailure::LogLength { len })?;
    GetLogPage::new(lid, offset, bytes).map_err(|_| AdminFailure::LogLength { len })
}

/// The commands that read a page of `len` bytes.
fn pieces(page: &GetLogPage, len: u64, most: u64) -> Result<Vec<GetLogPage>, AdminFailure> {
    let mut commands = Vec::new();
    let mut offset = 0;
    loop {
        let left = len.saturating_sub(offset);
        let mut command = piece(page.lid, offset, left.min(most))?;
        command.nsid = page.nsid;
        command.lsp = page.lsp;
        command.lsi = page.lsi;
        command.command_set = page.command_set;
        command.uuid_index = page.uuid_index;
        let is_last = left <= most;
        command.retain = if is_last { page.retain } else { RetainAsyncEvent::Retain };
        commands.push(command);
        if is_last {
            return Ok(commands);
        }
        offset = offset.saturating_add(most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_page_is_read_in_pieces_and_its_event_cleared_at_the_end() {
        let mut page = GetLogPage::new(LogId::ANA, 0, 4).unwrap();
        page.nsid = NSID_ALL;
        page.lsp = 1;
        let commands = pieces(&page, 9000, 4096).unwrap();
        let shown: Vec<_> = commands.iter().map(|c| (c.offset(), c.len(), c.retain)).collect();
        assert_eq!(
            shown,
            [
                (0, 4096, RetainAsyncEvent::Retain),
                (4096, 4096, RetainAsyncEvent::Retain),
                (8192, 808, RetainAsyncEvent::Clear),
            ]
        );
        assert!(commands.iter().all(|c| (c.nsid, c.lsp, c.lid) == (NSID_ALL, 1, LogId::ANA)));
        assert_eq!(pieces(&page, 8192, 4096).unwrap().len(), 2);
        for len in [0, 6, 4098] {
            assert!(matches!(pieces(&page, len, 4096), Err(AdminFailure::LogLength { .. })), "{len}");
        }
    }

    #[test]
    fn lengths_follow_what_the_controller_says() {
        let mut controller = IdentifyController::zeroed();
        assert_eq!(piece_len(&controller), LARGE_PIECE);
        controller.set_max_data_transfer(2);
        assert_eq!(piece_len(&controller), 16384);
        controller.set_ana_groups(3);
        controller.set_namespaces(1024);
        assert_eq!(ana_log_len(&controller), 16 + 96 + 4096);
        controller.set_max_allowed_namespaces(2);
        assert_eq!(ana_log_len(&controller), 16 + 96 + 8);
    }
}
