//! The test cases that run on real kernels, one file a topic.

use crate::guest::Case;

pub mod access;
pub mod apply;
pub mod guide;
pub mod mistakes;
pub mod network;
pub mod programs;
mod scene;
pub mod smoke;

/// All cases, in the order they run: first what everything else stands on.
pub fn all() -> Vec<Case> {
    [smoke::CASES, guide::CASES, access::CASES, network::CASES, apply::CASES, mistakes::CASES].concat()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_and_begin_with_their_file() {
        let mut seen = BTreeSet::new();
        for case in super::all() {
            assert!(seen.insert(case.name), "{} is there twice", case.name);
            assert_eq!(case.name.matches("::").count(), 1, "{}", case.name);
        }
    }
}
