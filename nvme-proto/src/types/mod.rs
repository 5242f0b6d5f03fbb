//! Names, identifiers and addresses.
//!
//! A value of one of these types is safe wherever NVMe over Fabrics on Linux puts it: as a name below the target's configfs
//! tree, in the option string written to the fabrics device, and in a field on the wire. The checks are made once, in the
//! constructor; nothing later needs to quote, escape or truncate.

mod addr;
mod host_id;
mod ids;
mod ip;
mod nqn;
mod roles;
mod text;

pub use addr::{AddressFamily, TransportType, UnknownName};
pub use host_id::{HostId, HostIdError};
pub use ids::{Cntlid, Nsid, NsidError};
pub use ip::{IpTraddr, IpTraddrError};
pub use nqn::{DISCOVERY_NQN, Nqn, NqnError, NqnForm};
pub use roles::{HostNqn, SubsysNqn};
pub use text::{AddrTextError, Traddr, Trsvcid};

/// Serialises a type through its text form (`Display` and `FromStr`).
macro_rules! serde_as_text {
    ($($name:ident),+) => {$(
        #[cfg(feature = "serde")]
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        #[cfg(feature = "serde")]
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <alloc::borrow::Cow<'de, str> as serde::Deserialize<'de>>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )+};
}
pub(crate) use serde_as_text;
