//! Namespace and controller identifiers.

use core::fmt;
use core::num::NonZeroU32;
use core::str::FromStr;

use super::serde_as_text;

/// Namespace identifier of one namespace: 1 to 0xffff_fffe.
///
/// 0 means "no namespace" and 0xffff_ffff "every namespace" ([`Nsid::BROADCAST`]); neither names one, so neither is a value of this
/// type. Linux's target takes 1 to 0xffff_fffe as a directory name (kernel `drivers/nvme/target/configfs.c: nvmet_ns_make`).
///
/// Text form: decimal digits without sign or leading zero, so that one namespace has one name. (The kernel's tree takes
/// `0x1` for namespace 1 as well.)
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[doc(alias = "NSID")]
pub struct Nsid(NonZeroU32);

/// A number or text that names no namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum NsidError {
    /// 0: no namespace.
    #[error("namespace id 0 means \"no namespace\"; ids begin at 1")]
    Zero,
    /// 0xffff_ffff: all namespaces.
    #[error("namespace id 4294967295 means \"every namespace\"; the largest id is 4294967294")]
    Broadcast,
    /// Not a plain decimal number of 32 bits.
    #[error("a namespace id is a decimal number from 1 to 4294967294 without sign, blanks or leading zeros")]
    NotANumber,
}

impl Nsid {
    /// Namespace 1, the one most subsystems have.
    pub const ONE: Self = Self(NonZeroU32::MIN);
    /// The number that stands for every namespace in a command. It is not an [`Nsid`].
    pub const BROADCAST: u32 = u32::MAX;
    /// The largest identifier, 0xffff_fffe.
    pub const MAX: u32 = u32::MAX - 1;

    /// The identifier of this number.
    ///
    /// # Errors
    /// [`NsidError::Zero`] for 0, [`NsidError::Broadcast`] for 0xffff_ffff.
    pub const fn new(nsid: u32) -> Result<Self, NsidError> {
        match NonZeroU32::new(nsid) {
            None => Err(NsidError::Zero),
            Some(_) if nsid == Self::BROADCAST => Err(NsidError::Broadcast),
            Some(nsid) => Ok(Self(nsid)),
        }
    }

    /// The number, 1 to 0xffff_fffe.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0.get()
    }
}

impl TryFrom<u32> for Nsid {
    type Error = NsidError;

    fn try_from(nsid: u32) -> Result<Self, NsidError> {
        Self::new(nsid)
    }
}

impl From<Nsid> for u32 {
    fn from(nsid: Nsid) -> Self {
        nsid.get()
    }
}

impl FromStr for Nsid {
    type Err = NsidError;

    fn from_str(text: &str) -> Result<Self, NsidError> {
        let plain = text.bytes().all(|b| b.is_ascii_digit()) && (text.len() == 1 || !text.starts_with('0'));
        if !plain {
            return Err(NsidError::NotANumber);
        }
        Self::new(text.parse().map_err(|_| NsidError::NotANumber)?)
    }
}

impl fmt::Display for Nsid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

serde_as_text!(Nsid);

/// Controller identifier: which controller of a subsystem. 2 bytes, every value kept.
///
/// | value            | meaning                                                        |
/// |------------------|----------------------------------------------------------------|
/// | 0x0000 to 0xffef | one controller                                                 |
/// | 0xfff0 to 0xfffd | reserved                                                       |
/// | 0xfffe           | static model: any controller ([`Cntlid::STATIC_ANY`])          |
/// | 0xffff           | dynamic model: the target chooses ([`Cntlid::DYNAMIC`])        |
///
/// The last two are asked for in the Connect data and announced in the discovery log. Source: NVMe over Fabrics 1.1 section
/// 3.3, kernel `include/linux/nvme.h: NVME_CNTLID_MAX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
#[doc(alias = "CNTLID")]
pub struct Cntlid(pub u16);

impl Cntlid {
    /// The largest number a controller can have.
    pub const MAX: Self = Self(0xffef);
    /// Static controller model: any controller will do.
    pub const STATIC_ANY: Self = Self(0xfffe);
    /// Dynamic controller model: the target allocates a controller at each Connect.
    pub const DYNAMIC: Self = Self(0xffff);

    /// Whether this is the number of one controller.
    #[must_use]
    pub const fn is_assigned(self) -> bool {
        self.0 <= Self::MAX.0
    }
}

impl fmt::Display for Cntlid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn zero_and_broadcast_name_no_namespace() {
        assert_eq!(Nsid::new(0), Err(NsidError::Zero));
        assert_eq!(Nsid::new(u32::MAX), Err(NsidError::Broadcast));
        assert_eq!(Nsid::new(1), Ok(Nsid::ONE));
        assert_eq!(Nsid::new(Nsid::MAX).map(Nsid::get), Ok(0xffff_fffe));
    }

    #[test]
    fn text_is_one_spelling_a_number() {
        assert_eq!("1".parse(), Ok(Nsid::ONE));
        assert_eq!("4294967294".parse::<Nsid>().map(|n| n.to_string()), Ok("4294967294".to_string()));
        for (text, error) in [
            ("0", NsidError::Zero),
            ("4294967295", NsidError::Broadcast),
            ("", NsidError::NotANumber),
            ("01", NsidError::NotANumber),
            ("+1", NsidError::NotANumber),
            ("-1", NsidError::NotANumber),
            (" 1", NsidError::NotANumber),
            ("1\n", NsidError::NotANumber),
            ("0x1", NsidError::NotANumber),
            ("4294967296", NsidError::NotANumber),
            ("99999999999999999999", NsidError::NotANumber),
        ] {
            assert_eq!(text.parse::<Nsid>(), Err(error), "{text:?}");
        }
    }

    #[test]
    fn controller_numbers_end_before_the_reserved_ones() {
        assert!(Cntlid(0).is_assigned() && Cntlid(0xffef).is_assigned());
        assert!(
            !Cntlid(0xfff0).is_assigned()
                && !Cntlid::STATIC_ANY.is_assigned()
                && !Cntlid::DYNAMIC.is_assigned()
        );
    }
}
