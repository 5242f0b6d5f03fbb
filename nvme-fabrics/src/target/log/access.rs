//! Asymmetric Namespace Access.

use std::collections::BTreeMap;

use nvme_proto::log::AnaLog;

use crate::target::config::{AnaGroup, Subsystem};
use crate::target::state::Controller;

/// Bytes of the page with all groups and namespaces there can be, as hosts work it out from Identify (NANAGRPID, MNAN): nvme-cli reads so far,
/// in pieces, however little is there now.
const LARGEST: usize = 16 + AnaGroup::MAX as usize * 32 + Subsystem::MAX_NAMESPACES * 4;

/// The page: every group that has namespaces of the subsystem, and how the port of the controller reaches it. With `groups_only` (RGO) the
/// namespaces are left out.
pub(super) fn ana(controller: &Controller, groups_only: bool) -> Vec<u8> {
    let changes = controller.port.changes();
    let namespaces = controller.subsystem.namespaces();
    let mut groups: BTreeMap<AnaGroup, Vec<u32>> = BTreeMap::new();
    for namespace in namespaces.values() {
        groups.entry(namespace.group()).or_default().push(namespace.nsid.get());
    }
    let mut log = AnaLog::empty(changes);
    for (group, nsids) in &groups {
        let nsids: &[u32] = if groups_only { &[] } else { nsids };
        log.push(group.get().into(), changes, controller.port.ana(*group).wire(), nsids);
    }
    let mut page = log.into_inner();
    page.resize(page.len().max(LARGEST), 0);
    page
}
