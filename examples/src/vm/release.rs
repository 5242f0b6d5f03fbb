//! The kernel series the project is proven on.
//!
//! | release | what Debian calls it | why it is here |
//! |---|---|---|
//! | `6.1` | bookworm | oldest supported long-term series; no authentication, no loop target |
//! | `6.12` | trixie | long-term series with authentication and TLS |
//! | `7.x` | trixie-backports | newest series; kernel and modules are separate packages |

use std::fmt;
use std::str::FromStr;

/// A kernel series. The exact version is whatever Debian ships in it today.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Release {
    /// Linux 6.1 of Debian 12.
    V6_1,
    /// Linux 6.12 of Debian 13.
    #[default]
    V6_12,
    /// Linux 7.x of Debian 13's backports.
    V7,
}

impl Release {
    /// All series, oldest first.
    pub const ALL: [Self; 3] = [Self::V6_1, Self::V6_12, Self::V7];

    /// The Debian release the series comes from: `bookworm`, `trixie`.
    pub fn codename(self) -> &'static str {
        match self {
            Self::V6_1 => "bookworm",
            Self::V6_12 | Self::V7 => "trixie",
        }
    }

    /// The suite that the kernel must come from, when it is not the release itself with its updates.
    pub fn backports(self) -> Option<&'static str> {
        match self {
            Self::V6_1 | Self::V6_12 => None,
            Self::V7 => Some("trixie-backports"),
        }
    }

    /// The folder name in the cache.
    pub fn folder(self) -> &'static str {
        self.backports().unwrap_or(self.codename())
    }

    /// What `uname -r` begins with on this series.
    pub fn uname_prefix(self) -> &'static str {
        match self {
            Self::V6_1 => "6.1.",
            Self::V6_12 => "6.12.",
            Self::V7 => "7.",
        }
    }

    /// Whether `uname -r` belongs to this series.
    pub fn matches(self, uname: &str) -> bool {
        uname.starts_with(self.uname_prefix())
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V6_1 => "6.1",
            Self::V6_12 => "6.12",
            Self::V7 => "7.x",
        })
    }
}

/// A name that is no kernel series of [`Release::ALL`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no kernel series {given:?}: there are 6.1, 6.12 and 7.x (7 is short for 7.x)")]
pub struct UnknownRelease {
    /// The text that was given.
    pub given: String,
}

impl FromStr for Release {
    type Err = UnknownRelease;

    fn from_str(s: &str) -> Result<Self, UnknownRelease> {
        match s {
            "6.1" | "bookworm" => Ok(Self::V6_1),
            "6.12" | "trixie" => Ok(Self::V6_12),
            "7" | "7.x" | "trixie-backports" => Ok(Self::V7),
            _ => Err(UnknownRelease { given: s.to_owned() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips() {
        for release in Release::ALL {
            assert_eq!(release.to_string().parse(), Ok(release));
            assert_eq!(release.folder().parse(), Ok(release));
        }
        let error = "5.10".parse::<Release>().unwrap_err();
        assert!(error.to_string().contains("\"5.10\""), "{error}");
    }

    #[test]
    fn series_do_not_overlap() {
        assert!(Release::V6_1.matches("6.1.0-37-cloud-amd64"));
        assert!(!Release::V6_1.matches("6.12.1"));
        assert!(!Release::V6_12.matches("6.1.2"));
        assert!(Release::V7.matches("7.0.1+deb13-cloud-amd64"));
    }
}
