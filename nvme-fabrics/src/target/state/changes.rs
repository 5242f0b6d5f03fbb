//! Which namespaces changed since a host last asked.

use std::collections::BTreeSet;

use nvme_proto::Nsid;
use nvme_proto::identify::NamespaceList;
use nvme_proto::log;

/// The namespaces of the Changed Namespace List of one controller: as many as the log page holds, or the word that there are more.
#[derive(Debug, Default)]
pub(crate) struct ChangedNamespaces {
    nsids: BTreeSet<Nsid>,
    overflowed: bool,
}

impl ChangedNamespaces {
    /// Adds one.
    pub(crate) fn add(&mut self, nsid: Nsid) {
        if self.overflowed || self.nsids.contains(&nsid) {
            return;
        }
        if self.nsids.len() >= NamespaceList::<&[u8]>::ROOM {
            self.nsids.clear();
            self.overflowed = true;
        } else {
            self.nsids.insert(nsid);
        }
    }

    /// The log page.
    pub(crate) fn page(&self) -> Vec<u8> {
        let page = if self.overflowed {
            log::ChangedNamespaces::TooMany
        } else {
            log::ChangedNamespaces::of(self.nsids.iter().map(|nsid| nsid.get()))
        };
        page.into_bytes().into()
    }

    /// The host has read it.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_the_page_holds_become_one_word() {
        let mut changed = ChangedNamespaces::default();
        changed.add(Nsid::new(7).unwrap());
        changed.add(Nsid::new(3).unwrap());
        changed.add(Nsid::new(7).unwrap());
        let page = changed.page();
        assert_eq!((page.len(), &page[..12]), (4096, &[3, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0][..]));
        for nsid in 1..=1024 {
            changed.add(Nsid::new(nsid).unwrap());
        }
        assert_eq!(changed.page()[4092..], [0, 4, 0, 0], "1024 fit");
        changed.add(Nsid::new(2000).unwrap());
        let page = changed.page();
        assert_eq!(&page[..8], &[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
        assert!(changed.nsids.is_empty());
        changed.clear();
        assert_eq!(changed.page(), [0; 4096]);
    }
}
