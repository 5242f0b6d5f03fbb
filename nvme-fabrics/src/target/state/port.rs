//! A port.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use crate::target::config::{AnaGroup, AnaState, PortId};

/// A port, as connections see it: how groups of namespaces are reached over it.
#[derive(Debug)]
pub(crate) struct PortState {
    pub(crate) id: PortId,
    /// The state of each group, as the log page has it; group n at n - 1.
    ana: [AtomicU8; AnaGroup::MAX as usize],
    /// Changes of a state, counted.
    changes: AtomicU64,
}

impl PortState {
    pub(crate) fn new(id: PortId, ana: &BTreeMap<AnaGroup, AnaState>) -> Self {
        let state = Self {
            id,
            ana: std::array::from_fn(|_| AtomicU8::new(AnaState::Optimized.wire().0)),
            changes: AtomicU64::new(0),
        };
        for (group, access) in ana {
            state.set_ana(*group, *access);
        }
        state
    }

    /// How this group is reached.
    pub(crate) fn ana(&self, group: AnaGroup) -> AnaState {
        let value = self.ana.get(usize::from(group.get()).wrapping_sub(1));
        let value = value.map_or(0, |value| value.load(Ordering::Relaxed));
        AnaState::from_wire(nvme_proto::log::AnaState(value)).unwrap_or_default()
    }

    /// Sets it, and says whether that is a change.
    pub(crate) fn set_ana(&self, group: AnaGroup, state: AnaState) -> bool {
        let Some(value) = self.ana.get(usize::from(group.get()).wrapping_sub(1)) else { return false };
        let changed = value.swap(state.wire().0, Ordering::Relaxed) != state.wire().0;
        if changed {
            self.changes.fetch_add(1, Ordering::Relaxed);
        }
        changed
    }

    /// Changes so far.
    pub(crate) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Relaxed)
    }

    /// Groups that are not as well reached as can be, and how.
    pub(crate) fn ana_set(&self) -> BTreeMap<AnaGroup, AnaState> {
        let all = AnaGroup::all().map(|group| (group, self.ana(group)));
        all.filter(|(_, state)| *state != AnaState::Optimized).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_group_has_its_state() {
        let last = AnaGroup::new(128).unwrap();
        let port = PortState::new(PortId(1), &BTreeMap::from([(last, AnaState::Inaccessible)]));
        assert_eq!((port.ana(AnaGroup::ONE), port.ana(last)), (AnaState::Optimized, AnaState::Inaccessible));
        let before = port.changes();
        assert!(
            port.set_ana(AnaGroup::ONE, AnaState::Change) && !port.set_ana(AnaGroup::ONE, AnaState::Change)
        );
        assert_eq!((port.changes(), port.ana_set().len()), (before + 1, 2));
    }
}
