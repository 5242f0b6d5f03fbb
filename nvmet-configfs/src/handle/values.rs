//! Values of attributes as types, and their texts.

use std::fmt;
use std::str::FromStr;

use nvme_proto::SubsysNqn;
use nvme_proto::identify::Version;

use crate::attr::{ValueFault, ValueKind};
use crate::spec::{AnaState, Buffering, DevicePath, Firmware, Model, Nguid, NsUuid, Serial};
use crate::text;
use crate::value::Value;

/// A type that stands for the text of an attribute.
pub(super) trait AttributeText: Sized {
    /// What it is, for messages.
    const WHAT: &'static str;
    /// From what the kernel prints, without its newline.
    fn from_text(text: &[u8]) -> Option<Self>;
    /// The text to write; it is checked by the list of attributes.
    fn to_text(&self) -> Value;
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Switch {
    /// 0.
    Off,
    /// 1.
    On,
}

impl Switch {
    /// Whether it is on.
    pub fn is_on(self) -> bool {
        self == Self::On
    }
}

impl fmt::Display for Switch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_on() { "1" } else { "0" })
    }
}

/// Enumerations whose values are words of the kernel.
macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$vdoc])* $variant,)*
        }

        impl $name {
            const WORDS: &'static [&'static str] = &[$($word),*];

            /// The kernel's word.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.word())
            }
        }

        impl FromStr for $name {
            type Err = ValueFault;
            fn from_str(s: &str) -> Result<Self, ValueFault> {
                match s { $($word => Ok(Self::$variant),)* _ => Err(ValueFault::Choice(Self::WORDS)) }
            }
        }
    )*};
}

words! {
    /// Whether a port asks for a secure channel (TREQ): what the discovery log says of it.
    #[doc(alias = "TREQ")]
    SecureChannel {
        /// It says nothing.
        NotSpecified = "not specified",
        /// Hosts have to use one.
        Required = "required",
        /// Hosts need not.
        NotRequired = "not required",
    }

    /// The security of a TCP port (TSAS, SECTYPE).
    #[doc(alias = "TSAS")]
    #[doc(alias = "SECTYPE")]
    PortSecurity {
        /// None.
        None = "none",
        /// TLS 1.3.
        Tls13 = "tls1.3",
    }

    /// The hash of DH-HMAC-CHAP.
    DhchapHash {
        /// SHA-256.
        Sha256 = "hmac(sha256)",
        /// SHA-384.
        Sha384 = "hmac(sha384)",
        /// SHA-512.
        Sha512 = "hmac(sha512)",
    }

    /// The Diffie-Hellman group of DH-HMAC-CHAP.
    DhchapGroup {
        /// No exchange of keys.
        Null = "null",
        /// 2048 bits.
        Ffdhe2048 = "ffdhe2048",
        /// 3072 bits.
        Ffdhe3072 = "ffdhe3072",
        /// 4096 bits.
        Ffdhe4096 = "ffdhe4096",
        /// 6144 bits.
        Ffdhe6144 = "ffdhe6144",
        /// 8192 bits.
        Ffdhe8192 = "ffdhe8192",
    }
}

/// Whether a namespace uses memory of a PCI device for its data.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PeerMemory {
    /// No (`0`).
    Off,
    /// That of any device that fits (`1`).
    Any,
    /// That of this device, by its PCI address (`0000:01:00.1`).
    Device(String),
}

impl fmt::Display for PeerMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Off => "0",
            Self::Any => "1",
            Self::Device(address) => address,
        })
    }
}

impl AttributeText for PeerMemory {
    const WHAT: &'static str = "setting of peer-to-peer memory";
    fn from_text(text: &[u8]) -> Option<Self> {
        let text = str::from_utf8(ValueKind::Peer.canonical(text).ok().as_deref()?).ok()?.to_owned();
        Some(match text.as_str() {
            "0" => Self::Off,
            "1" => Self::Any,
            _ => Self::Device(text),
        })
    }
    fn to_text(&self) -> Value {
        self.to_string().into()
    }
}

impl AttributeText for Switch {
    const WHAT: &'static str = "flag";
    fn from_text(text: &[u8]) -> Option<Self> {
        text::boolean(text).map(|on| if on { Self::On } else { Self::Off })
    }
    fn to_text(&self) -> Value {
        self.to_string().into()
    }
}

impl AttributeText for Buffering {
    const WHAT: &'static str = "flag";
    fn from_text(text: &[u8]) -> Option<Self> {
        text::boolean(text).map(|on| if on { Self::PageCache } else { Self::Direct })
    }
    fn to_text(&self) -> Value {
        if *self == Self::PageCache { "1" } else { "0" }.into()
    }
}

impl AttributeText for Version {
    const WHAT: &'static str = "version";
    fn from_text(text: &[u8]) -> Option<Self> {
        let text = ValueKind::Version.canonical(text).ok()?;
        let mut parts = text.to_str()?.split('.').map(|part| part.parse::<u32>().ok());
        let (major, minor, tertiary) = (parts.next()??, parts.next()??, parts.next().unwrap_or(Some(0))?);
        Some(Self((major << 16) | (minor << 8) | tertiary)) // at most 16, 8 and 8 bits: checked above
    }
    fn to_text(&self) -> Value {
        format!("{}.{}.{}", self.major(), self.minor(), self.tertiary()).into()
    }
}

/// `None` is "the transport decides": a negative number.
impl AttributeText for Option<u32> {
    const WHAT: &'static str = "number";
    fn from_text(text: &[u8]) -> Option<Self> {
        let negative = ValueKind::Auto { min: 0, max: 0 };
        if negative.canonical(text).is_ok_and(|v| *v == *b"-1") {
            return Some(None);
        }
        u32::from_text(text).map(Some)
    }
    fn to_text(&self) -> Value {
        self.map_or_else(|| "-1".into(), |n| n.to_string().into())
    }
}

macro_rules! numbers {
    ($($type:ty),*) => {$(
        impl AttributeText for $type {
            const WHAT: &'static str = "number";
            fn from_text(text: &[u8]) -> Option<Self> {
                Self::try_from(text::unsigned(text, u64::from(Self::MAX)).ok()?).ok()
            }
            fn to_text(&self) -> Value {
                self.to_string().into()
            }
        }
    )*};
}

numbers!(u16, u32);

macro_rules! texts {
    ($($type:ty: $what:literal,)*) => {$(
        impl AttributeText for $type {
            const WHAT: &'static str = $what;
            fn from_text(text: &[u8]) -> Option<Self> {
                // Only text that the kernel pads is followed by blanks.
                str::from_utf8(text).ok()?.trim_end_matches(' ').parse().ok()
            }
            fn to_text(&self) -> Value {
                self.to_string().into()
            }
        }
    )*};
}

texts! {
    SubsysNqn: "NQN",
    Serial: "serial number",
    Model: "model",
    Firmware: "firmware revision",
    DevicePath: "absolute path",
    NsUuid: "UUID",
    Nguid: "NGUID",
    AnaState: "state of an ANA group",
    SecureChannel: "word for a secure channel",
    PortSecurity: "word for the security of a TCP port",
    DhchapHash: "hash",
    DhchapGroup: "Diffie-Hellman group",
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round<T: AttributeText + PartialEq + fmt::Debug>(printed: &str, value: T, written: &str) {
        assert_eq!(T::from_text(printed.as_bytes()).as_ref(), Some(&value), "{printed}");
        assert_eq!(value.to_text().to_str(), Some(written));
    }

    #[test]
    fn values_are_read_as_the_kernel_prints_them() {
        round("0x1af4", 0x1af4u16, "6900");
        round("-1", None::<u32>, "-1");
        round("16384", Some(16384u32), "16384");
        round("2.1", Version(0x0002_0100), "2.1.0");
        round("1.2.1", Version(0x0001_0201), "1.2.1");
        round("S1                  ", Serial::new("S1").unwrap(), "S1");
        round("0000:01:00.1", PeerMemory::Device("0000:01:00.1".into()), "0000:01:00.1");
        round("hmac(sha384)", DhchapHash::Sha384, "hmac(sha384)");
        round("not required", SecureChannel::NotRequired, "not required");
        round("1", Buffering::PageCache, "1");
        assert_eq!(u16::from_text(b"65536"), None);
        assert_eq!(Version::from_text(b"1.4x"), None);
        assert_eq!(PeerMemory::from_text(b"yes"), None);
        assert_eq!("TLS".parse::<PortSecurity>(), Err(ValueFault::Choice(&["none", "tls1.3"])));
    }
}
