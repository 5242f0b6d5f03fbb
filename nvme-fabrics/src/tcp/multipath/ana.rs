//! How a controller reaches each namespace, by its log.

use std::collections::HashMap;

use nvme_proto::discovery::{GetLogPage, LogId, RetainAsyncEvent};
use nvme_proto::identify::IdentifyController;
use nvme_proto::log::{AnaLog, AnaState};
use nvme_proto::{DecodeError, Nsid};

/// Bytes of a log that are read with the namespaces of each group; of a larger one the groups only.
const MAX_WITH_NAMESPACES: u64 = 1 << 20;
/// Bytes of a group without its namespaces, and of the header.
const GROUP: u64 = 32;
const HEADER: u64 = 16;
/// Groups that can be counted.
const MAX_GROUPS: u64 = 65_535;

/// The states of one controller's namespaces.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct AnaTable {
    by_namespace: HashMap<u32, AnaState>,
    by_group: HashMap<u32, AnaState>,
}

/// What to ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AnaRequest {
    bytes: u32,
    groups_only: bool,
}

impl AnaRequest {
    /// By what the controller says of itself: as many groups and namespaces as it may have. `None` when it does not report asymmetric access.
    ///
    /// The namespaces of each group are asked for, since the target may move a namespace to another group with no more notice than that the log has changed;
    /// when that would be beyond a MiB, the groups only.
    pub(super) fn of<B: AsRef<[u8]>>(identify: &IdentifyController<B>) -> Option<Self> {
        if !identify.multipath().contains(nvme_proto::identify::Multipath::ANA) {
            return None;
        }
        let groups = u64::from(identify.ana_groups()).clamp(1, MAX_GROUPS);
        let namespaces = match identify.max_allowed_namespaces() {
            0 => identify.namespaces(),
            most => most,
        };
        let base = HEADER.saturating_add(groups.saturating_mul(GROUP));
        let whole = base.saturating_add(u64::from(namespaces).saturating_mul(4));
        let groups_only = whole > MAX_WITH_NAMESPACES;
        let bytes = u32::try_from(if groups_only { base } else { whole }).unwrap_or(u32::MAX);
        Some(Self { bytes, groups_only })
    }

    /// The command. The last piece of it that is sent clears the event.
    pub(super) fn command(self) -> Option<GetLogPage> {
        let mut command = GetLogPage::new(LogId::ANA, 0, self.bytes).ok()?;
        command.nsid = Nsid::BROADCAST;
        command.lsp = if self.groups_only { AnaLog::<&[u8]>::GROUPS_ONLY } else { 0 };
        command.retain = RetainAsyncEvent::Clear;
        Some(command)
    }

    /// Whether namespaces have to be asked for their group.
    pub(super) const fn groups_only(self) -> bool {
        self.groups_only
    }
}

impl AnaTable {
    /// Takes the log. What is behind the groups that it counts is ignored.
    ///
    /// # Errors
    /// Where the bytes end before the groups do.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let log = AnaLog::new_checked(bytes)?;
        let mut table = Self::default();
        for group in log.groups() {
            let group = group?;
            table.by_group.insert(group.id, group.state);
            table.by_namespace.extend(group.nsids().map(|nsid| (nsid, group.state)));
        }
        Ok(table)
    }

    /// The state of a namespace that says it is in this group; `None` when the log has neither.
    pub(super) fn state(&self, nsid: Nsid, group: u32) -> Option<AnaState> {
        self.by_namespace.get(&nsid.get()).or_else(|| self.by_group.get(&group)).copied()
    }

    /// Whether anything is changing, which may take ANATT at most.
    pub(super) fn is_changing(&self) -> bool {
        self.by_group.values().any(|state| *state == AnaState::CHANGE)
    }

    /// The state of a group.
    pub(super) fn group(&self, group: u32) -> Option<AnaState> {
        self.by_group.get(&group).copied()
    }

    /// The groups with their states.
    pub(super) fn groups(&self) -> impl Iterator<Item = (u32, AnaState)> {
        self.by_group.iter().map(|(group, state)| (*group, *state))
    }
}

#[cfg(test)]
mod tests {
    use nvme_proto::identify::Multipath;

    use super::*;

    fn controller(groups: u32, namespaces: u32) -> IdentifyController<Box<[u8]>> {
        let mut identify = IdentifyController::zeroed();
        identify.set_multipath(Multipath::ANA);
        identify.set_ana_groups(groups);
        identify.set_namespaces(namespaces);
        identify
    }

    #[test]
    fn as_much_is_read_as_there_may_be_and_no_more_than_a_bound() {
        let request = AnaRequest::of(&controller(128, 1024)).unwrap();
        assert_eq!(
            (request.bytes, request.groups_only),
            (8208, false),
            "as Linux reads it from its own target"
        );
        let command = request.command().unwrap();
        assert_eq!((command.nsid, command.lsp, command.len()), (u32::MAX, 0, 8208));
        let request = AnaRequest::of(&controller(u32::MAX, u32::MAX)).unwrap();
        assert_eq!((request.bytes, request.groups_only), (16 + 65_535 * 32, true));
        assert_eq!(request.command().unwrap().lsp, 1);
        assert_eq!(AnaRequest::of(&controller(0, 0)).unwrap().bytes, 48);
        assert_eq!(AnaRequest::of(&IdentifyController::zeroed()), None);
    }

    #[test]
    fn a_namespace_has_the_state_of_the_group_it_is_listed_in() {
        let mut log = AnaLog::empty(3);
        log.push(1, 1, AnaState::OPTIMIZED, &[1, 2]);
        log.push(2, 1, AnaState::CHANGE, &[]);
        let table = AnaTable::decode(log.as_bytes()).unwrap();
        let state = |nsid, group| table.state(Nsid::new(nsid).unwrap(), group);
        assert_eq!(state(1, 1), Some(AnaState::OPTIMIZED));
        // The log is newer than what the namespace said of itself.
        assert_eq!(state(2, 2), Some(AnaState::OPTIMIZED));
        assert_eq!(state(3, 2), Some(AnaState::CHANGE));
        assert_eq!(state(3, 3), None);
        assert!(table.is_changing());
        let cut = &log.as_bytes()[..50];
        assert!(AnaTable::decode(cut).is_err());
    }
}
