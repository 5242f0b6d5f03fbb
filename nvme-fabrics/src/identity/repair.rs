//! Identity files that do not fit together: what could be done, done only when somebody says so.
//!
//! | the files | proposals |
//! |---|---|
//! | hold a pair whose halves agree, or a host NQN without a UUID and an identifier | none |
//! | the UUID in the host NQN is not the identifier | the identifier from the NQN; the NQN from the identifier |
//! | only one is there | the other one, made to fit |
//! | none is there | both, from the firmware or the system |
//!
//! Nothing here is done by the way: connecting uses the pair as it is, since targets may know this host by it.

use std::fmt;
use std::path::PathBuf;

use super::files::{IdentityError, IdentityFiles};
use super::{HostIdentity, IdentitySource};

/// Why the files want repair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Inconsistency {
    /// The UUID in the host NQN is another one than the host identifier.
    HalvesDiffer,
    /// There is a host NQN and no host identifier.
    NoHostId,
    /// There is a host identifier and no host NQN.
    NoHostNqn,
    /// There is neither; until one is saved, this host may be another one each time it connects.
    Nothing,
}

impl fmt::Display for Inconsistency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::HalvesDiffer => "the UUID in the host NQN is not the host identifier",
            Self::NoHostId => "there is a host NQN, and no host identifier",
            Self::NoHostNqn => "there is a host identifier, and no host NQN",
            Self::Nothing => "neither host NQN nor host identifier is saved",
        })
    }
}

/// One file that a repair writes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileChange {
    /// The file.
    pub path: PathBuf,
    /// What it holds; `None`: it is not there, or empty.
    pub from: Option<String>,
    /// What it is to hold.
    pub to: String,
}

impl fmt::Display for FileChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let from = self.from.as_deref().unwrap_or("nothing");
        write!(f, "{}: {from} becomes {}", self.path.display(), self.to)
    }
}

/// One way to make the files fit together.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Proposal {
    /// The pair that they hold afterwards.
    pub identity: HostIdentity,
    /// Where it comes from.
    pub source: IdentitySource,
    /// The files that are written.
    pub changes: Vec<FileChange>,
}

/// What is wrong with the files, and what could be done.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Repair {
    /// What is wrong.
    pub reason: Inconsistency,
    /// The ways out, the one that changes least for targets first: they know a host by its NQN.
    pub proposals: Vec<Proposal>,
}

impl IdentityFiles {
    /// Whether the files fit together, and what could be done if not. Writes nothing.
    ///
    /// # Errors
    /// As [`load`](Self::load): a file that cannot be read or understood is not replaced.
    pub fn check(&self) -> Result<Option<Repair>, IdentityError> {
        let (nqn, id) = self.halves()?;
        let (reason, ways) = match (nqn, id) {
            (Some(nqn), Some(id)) => {
                let pair = HostIdentity::new(nqn.clone(), id);
                if pair.halves_agree() {
                    return Ok(None);
                }
                let by_nqn = (HostIdentity::for_nqn(nqn), IdentitySource::HostNqnFile);
                let by_id = (HostIdentity::from_uuid(id), IdentitySource::HostIdFile);
                (Inconsistency::HalvesDiffer, vec![by_nqn, by_id])
            }
            (Some(nqn), None) => {
                (Inconsistency::NoHostId, vec![(HostIdentity::for_nqn(nqn), IdentitySource::HostNqnFile)])
            }
            (None, Some(id)) => {
                (Inconsistency::NoHostNqn, vec![(HostIdentity::from_uuid(id), IdentitySource::HostIdFile)])
            }
            (None, None) => {
                let made = self.generate();
                (Inconsistency::Nothing, vec![(made.identity, made.source)])
            }
        };
        let proposals = ways.into_iter().map(|(identity, source)| self.propose(identity, source));
        Ok(Some(Repair { reason, proposals: proposals.collect::<Result<_, _>>()? }))
    }

    /// What has to be written so that the files hold this pair.
    fn propose(&self, identity: HostIdentity, source: IdentitySource) -> Result<Proposal, IdentityError> {
        let mut changes = Vec::new();
        for (path, from, to) in self.differing(&identity)? {
            changes.push(FileChange { path, from, to });
        }
        Ok(Proposal { identity, source, changes })
    }

    /// Does what a proposal says. Each file is replaced in one step; the old text is in the proposal and nowhere else.
    ///
    /// # Errors
    /// [`IdentityError::Exists`] when a file no longer holds what the proposal was made for, with nothing written; [`IdentityError::Write`], then
    /// [`check`](Self::check) tells what is left to do.
    pub fn repair(&self, proposal: &Proposal) -> Result<(), IdentityError> {
        let now = self.differing(&proposal.identity)?;
        for change in &proposal.changes {
            let found = now.iter().find(|(path, ..)| *path == change.path).map(|(_, from, _)| from.clone());
            if found.as_ref() != Some(&change.from) {
                let existing = found.flatten().unwrap_or_else(|| change.to.clone());
                return Err(IdentityError::Exists { path: change.path.clone(), existing });
            }
        }
        proposal.changes.iter().try_for_each(|change| super::files::replace(&change.path, &change.to))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const UUID: &str = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6";
    const OTHER: &str = "11111111-2222-4333-8444-555555555555";

    fn root(nqn: Option<&str>, id: Option<&str>) -> (tempfile::TempDir, IdentityFiles) {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("etc/nvme")).unwrap();
        for (name, text) in [("hostnqn", nqn), ("hostid", id)] {
            if let Some(text) = text {
                fs::write(dir.path().join("etc/nvme").join(name), format!("{text}\n")).unwrap();
            }
        }
        let files = IdentityFiles::at(dir.path());
        (dir, files)
    }

    fn nqn(uuid: &str) -> String {
        format!("nqn.2014-08.org.nvmexpress:uuid:{uuid}")
    }

    #[test]
    fn what_fits_is_left_alone() {
        for (name, id) in [(nqn(UUID), UUID), (nqn(UUID), &*UUID.to_uppercase()), ("mine".to_owned(), OTHER)]
        {
            let (_dir, files) = root(Some(&name), Some(id));
            assert_eq!(files.check().unwrap(), None, "{name}");
        }
    }

    #[test]
    fn two_halves_that_differ_can_follow_either() {
        for keep in [0, 1] {
            let (dir, files) = root(Some(&nqn(UUID)), Some(OTHER));
            let repair = files.check().unwrap().unwrap();
            assert_eq!((repair.reason, repair.proposals.len()), (Inconsistency::HalvesDiffer, 2));
            assert_eq!(
                fs::read_to_string(dir.path().join("etc/nvme/hostid")).unwrap().trim(),
                OTHER,
                "nothing is written"
            );
            let proposal = &repair.proposals[keep];
            assert_eq!(proposal.changes.len(), 1);
            let words = proposal.changes[0].to_string();
            assert!(words.contains(" becomes ") && words.contains(OTHER), "{words}");
            files.repair(proposal).unwrap();
            assert_eq!(files.load().unwrap().unwrap().identity, proposal.identity);
            assert_eq!(files.check().unwrap(), None);
            let left: Vec<_> = fs::read_dir(dir.path().join("etc/nvme")).unwrap().collect();
            assert_eq!(left.len(), 2, "no temporary file stays");
        }
    }

    #[test]
    fn a_missing_half_is_proposed_and_so_are_both() {
        for (name, id, reason, changes) in [
            (Some("mine"), None, Inconsistency::NoHostId, 1),
            (None, Some(UUID), Inconsistency::NoHostNqn, 1),
            (None, None, Inconsistency::Nothing, 2),
        ] {
            let (_dir, files) = root(name, id);
            let repair = files.check().unwrap().unwrap();
            assert_eq!((repair.reason, repair.proposals.len()), (reason, 1));
            assert_eq!(repair.proposals[0].changes.len(), changes);
            assert!(repair.proposals[0].changes.iter().all(|c| c.from.is_none()));
            files.repair(&repair.proposals[0]).unwrap();
            assert_eq!(files.check().unwrap(), None, "{reason}");
        }
    }

    #[test]
    fn what_has_changed_since_is_not_overwritten() {
        let (dir, files) = root(Some(&nqn(UUID)), Some(OTHER));
        let repair = files.check().unwrap().unwrap();
        let third = "22222222-2222-4333-8444-555555555555";
        fs::write(dir.path().join("etc/nvme/hostid"), third).unwrap();
        let error = files.repair(&repair.proposals[0]).unwrap_err();
        assert!(matches!(&error, IdentityError::Exists { existing, .. } if existing == third), "{error}");
        fs::write(dir.path().join("etc/nvme/hostid"), "no identifier").unwrap();
        assert!(files.check().is_err(), "nonsense is for people");
    }
}
