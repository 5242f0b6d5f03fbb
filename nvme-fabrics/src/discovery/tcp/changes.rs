//! What is different between two logs of one discovery service.

use std::collections::HashMap;
use std::collections::VecDeque;

use nvme_proto::discovery::{DiscoveryEntry, DiscoveryLog};

use super::place::EntryKey;

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// An entry that was not there before.
    Added(DiscoveryEntry),
    /// An entry that is there no longer.
    Removed(DiscoveryEntry),
    /// The same way to the same subsystem, and something else about it: port or controller number, requirements, flags, security, spelling.
    Changed {
        /// As it was.
        before: DiscoveryEntry,
        /// As it is.
        after: DiscoveryEntry,
    },
}

/// The differences: first what is gone, in the order of the old log, then what is new or changed, in the order of the new one.
///
/// Equal entries are paired first, then those that lead to the same place, in their order; what was only moved is no difference. Takes time in
/// proportion to the entries, whatever they are.
pub(super) fn changes(before: &DiscoveryLog, after: &DiscoveryLog) -> Vec<Change> {
    let mut equal: HashMap<&DiscoveryEntry, usize> = HashMap::new();
    for entry in &after.entries {
        *equal.entry(entry).or_default() += 1;
    }
    // What remains of the old log, by place; of those, what is gone keeps its order through the index.
    let mut old: HashMap<EntryKey, VecDeque<(usize, &DiscoveryEntry)>> = HashMap::new();
    let mut stays: HashMap<&DiscoveryEntry, usize> = HashMap::new();
    for (index, entry) in before.entries.iter().enumerate() {
        match equal.get_mut(entry) {
            Some(count) if *count > 0 => {
                *count -= 1;
                *stays.entry(entry).or_default() += 1;
            }
            _ => old.entry(EntryKey::of(entry)).or_default().push_back((index, entry)),
        }
    }
    let mut new = Vec::new();
    for entry in &after.entries {
        if let Some(count) = stays.get_mut(entry).filter(|count| **count > 0) {
            *count -= 1;
            continue;
        }
        new.push(match old.get_mut(&EntryKey::of(entry)).and_then(VecDeque::pop_front) {
            None => Change::Added(entry.clone()),
            Some((_, before)) => Change::Changed { before: before.clone(), after: entry.clone() },
        });
    }
    let mut gone: Vec<_> = old.into_values().flatten().collect();
    gone.sort_unstable_by_key(|(index, _)| *index);
    gone.into_iter().map(|(_, entry)| Change::Removed(entry.clone())).chain(new).collect()
}

#[cfg(test)]
mod tests {
    use nvme_proto::discovery::{SubsystemType, TransportRequirements};

    use super::*;

    fn entry(name: &str, port: u16) -> DiscoveryEntry {
        let nqn = name.parse().unwrap();
        DiscoveryEntry::tcp(SubsystemType::NVM, &nqn, &"192.0.2.1".parse().unwrap(), port)
    }

    fn between(before: &[DiscoveryEntry], after: &[DiscoveryEntry]) -> Vec<Change> {
        changes(&DiscoveryLog::new(1, before.to_vec()), &DiscoveryLog::new(2, after.to_vec()))
    }

    #[test]
    fn gone_new_and_changed() {
        let (a, b, c) = (entry("a", 1), entry("b", 1), entry("c", 1));
        let mut changed = b.clone();
        changed.set_requirements(TransportRequirements(1));
        assert_eq!(
            between(&[a.clone(), b.clone()], &[c.clone(), changed.clone()]),
            [Change::Removed(a), Change::Added(c), Change::Changed { before: b, after: changed }]
        );
    }

    #[test]
    fn moving_is_no_change() {
        let all = [entry("a", 1), entry("b", 1), entry("a", 2)];
        let mut reversed = all.clone();
        reversed.reverse();
        assert_eq!(between(&all, &reversed), []);
        assert_eq!(between(&all, &all), []);
    }

    #[test]
    fn several_entries_to_one_place_are_told_apart() {
        let one = entry("a", 1);
        let mut two = one.clone();
        two.set_port_id(2);
        let mut three = one.clone();
        three.set_port_id(3);
        assert_eq!(between(&[one.clone(), two.clone()], &[two.clone()]), [Change::Removed(one.clone())]);
        assert_eq!(between(&[two.clone()], &[one.clone(), two.clone()]), [Change::Added(one.clone())]);
        assert_eq!(
            between(&[one.clone(), two.clone()], &[two.clone(), three.clone()]),
            [Change::Changed { before: one.clone(), after: three.clone() }]
        );
        assert_eq!(
            between(&[one.clone(), two.clone()], &[three.clone(), one]),
            [Change::Changed { before: two, after: three }]
        );
    }
}
