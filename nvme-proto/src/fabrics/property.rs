//! Property Get and Property Set.

use crate::bits::{command, newtype_bits};
use crate::registry::wire_values;

wire_values! {
    /// How many bytes a property has: bits 2:0 of ATTRIB.
    #[doc(alias = "ATTRIB")]
    pub struct PropertySize(u8) {
        /// 4 bytes.
        FOUR = 0 => "4 bytes",
        /// 8 bytes.
        EIGHT = 1 => "8 bytes",
    }

    /// A property of a controller, by its offset. 4 bytes.
    ///
    /// | offset | property | bytes | access | value |
    /// |---|---|---|---|---|
    /// | 0x00 | `CAP`  | 8 | read | [`Capabilities`](super::Capabilities) |
    /// | 0x08 | `VS`   | 4 | read | [`Version`](crate::identify::Version) |
    /// | 0x14 | `CC`   | 4 | read, write | [`ControllerConfiguration`](super::ControllerConfiguration) |
    /// | 0x1c | `CSTS` | 4 | read; bit 4 is cleared by writing 1 | [`ControllerStatus`](super::ControllerStatus) |
    /// | 0x20 | `NSSR` | 4 | write | [`SubsystemReset`](super::SubsystemReset) |
    /// | 0x64 | `NSSD` | 4 | write | [`SubsystemShutdown`](super::SubsystemShutdown) |
    /// | 0x68 | `CRTO` | 4 | read | [`ReadyTimeouts`](super::ReadyTimeouts) |
    ///
    /// Everything else is reserved on fabrics. Source: NVMe Base 2.0 section 3.1.3; kernel `drivers/nvme/target/fabrics-cmd.c:
    /// nvmet_execute_prop_get` (Linux 6.12 refuses CRTO, 7.3 answers 0).
    #[doc(alias = "OFST")]
    pub struct Property(u32) {
        /// What the controller can do.
        CAP = 0x00 => "CAP",
        /// The version it follows.
        VS = 0x08 => "VS",
        /// How it is set up.
        CC = 0x14 => "CC",
        /// How it is.
        CSTS = 0x1c => "CSTS",
        /// Resets the subsystem.
        NSSR = 0x20 => "NSSR",
        /// Shuts the subsystem down.
        NSSD = 0x64 => "NSSD",
        /// How long it takes to become ready.
        CRTO = 0x68 => "CRTO",
    }
}

newtype_bits!(PropertySize, Property);

impl PropertySize {
    /// Bytes; `None` for a size that is not defined.
    #[must_use]
    pub const fn bytes(self) -> Option<u8> {
        match self {
            Self::FOUR => Some(4),
            Self::EIGHT => Some(8),
            _ => None,
        }
    }
}

impl Property {
    /// How many bytes it has; `None` for an offset at which there is no property.
    #[must_use]
    pub const fn size(self) -> Option<PropertySize> {
        match self {
            Self::CAP => Some(PropertySize::EIGHT),
            Self::VS | Self::CC | Self::CSTS | Self::NSSR | Self::NSSD | Self::CRTO => {
                Some(PropertySize::FOUR)
            }
            _ => None,
        }
    }

    /// Whether a host may read it.
    #[must_use]
    pub const fn is_readable(self) -> bool {
        matches!(self, Self::CAP | Self::VS | Self::CC | Self::CSTS | Self::CRTO)
    }

    /// Whether a host may write it. CSTS counts for its bit 4 alone, which writing 1 clears: [`PropertySet::is_valid`] looks at the value too.
    #[must_use]
    pub const fn is_writable(self) -> bool {
        matches!(self, Self::CC | Self::CSTS | Self::NSSR | Self::NSSD)
    }
}

command! {
    /// Property Get: reads a property of the controller, on the admin queue only.
    ///
    /// The value is the [`result`](crate::cqe::Cqe::result) of the completion; dword 1 is 0 for a property of 4 bytes. An offset at which there is
    /// no property, or another size than it has, is answered with [`INVALID_FIELD`](crate::Status::INVALID_FIELD).
    ///
    /// Source: NVMe Base 2.0 section 6.5, kernel `include/linux/nvme.h: struct nvmf_property_get_command`.
    pub struct PropertyGet("Property Get", fctype = 0x04) {
        /// How many bytes.
        CDW10 [2:0] size: PropertySize, "ATTRIB";
        /// Which property.
        CDW11 [31:0] property: Property, "OFST";
    }
}

command! {
    /// Property Set: writes a property of the controller, on the admin queue only.
    ///
    /// Source: NVMe Base 2.0 section 6.6, kernel `include/linux/nvme.h: struct nvmf_property_set_command`.
    pub struct PropertySet("Property Set", fctype = 0x00) {
        /// How many bytes.
        CDW10 [2:0] size: PropertySize, "ATTRIB";
        /// Which property.
        CDW11 [31:0] property: Property, "OFST";
        /// What to write; of a property of 4 bytes the lower half.
        CDW12 [63:0] value: u64, "VALUE";
    }
}

impl PropertyGet {
    /// Reads a property in its size; one this library does not know as 4 bytes.
    #[must_use]
    pub fn new(property: Property) -> Self {
        Self { size: property.size().unwrap_or(PropertySize::FOUR), property }
    }

    /// Whether there is such a property, it has this size, and may be read. If not, the answer is
    /// [`INVALID_FIELD`](crate::Status::INVALID_FIELD).
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.property.size() == Some(self.size) && self.property.is_readable()
    }
}

impl PropertySet {
    /// Writes a property in its size; one this library does not know as 4 bytes.
    #[must_use]
    pub fn new(property: Property, value: u64) -> Self {
        Self { size: property.size().unwrap_or(PropertySize::FOUR), property, value }
    }

    /// Whether there is such a property, it has this size, and may be written: of CSTS nothing but bit 4 (NSSRO). If not, the answer is
    /// [`INVALID_FIELD`](crate::Status::INVALID_FIELD).
    #[must_use]
    pub fn is_valid(&self) -> bool {
        let may = match self.property {
            Property::CSTS => self.value == Self::CLEAR_RESET_OCCURRED,
            property => property.is_writable(),
        };
        self.property.size() == Some(self.size) && may
    }

    /// CSTS.NSSRO alone.
    const CLEAR_RESET_OCCURRED: u64 = 1 << 4;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the Linux target has it.
    #[test]
    fn what_may_be_read_and_written() {
        let get = |property, size| PropertyGet { size: PropertySize(size), property: Property(property) };
        for property in [Property::CAP, Property::VS, Property::CC, Property::CSTS, Property::CRTO] {
            assert!(PropertyGet::new(property).is_valid(), "{property}");
        }
        for (property, size) in
            [(0x0c, 0), (0x24, 0), (1, 0), (0, 0), (8, 1), (0x14, 7), (0xffff_fffc, 0), (0x20, 0), (0x64, 0)]
        {
            assert!(!get(property, size).is_valid(), "{property:#x} {size}");
        }
        let set = |property, size| PropertySet { size: PropertySize(size), property, value: 0 };
        assert!(PropertySet::new(Property::CC, 0x0046_0001).is_valid());
        for (property, size) in [
            (Property::CAP, 1),
            (Property::VS, 0),
            (Property::CC, 1),
            (Property::CRTO, 0),
            (Property(0x0c), 0),
        ] {
            assert!(!set(property, size).is_valid(), "{property} {size}");
        }
        // C99: of CSTS only what clears the note of a reset.
        assert!(PropertySet::new(Property::CSTS, 0x10).is_valid());
        for value in [0, 1, 0x11, 0x1_0000_0010, u64::MAX] {
            assert!(!PropertySet::new(Property::CSTS, value).is_valid(), "{value:#x}");
        }
        assert!(
            !PropertySet { size: PropertySize::EIGHT, ..PropertySet::new(Property::CSTS, 0x10) }.is_valid()
        );
    }

    #[test]
    fn sizes_are_those_of_the_table() {
        for property in Property::NAMED {
            let bytes = property.size().and_then(PropertySize::bytes);
            assert_eq!(bytes, Some(if *property == Property::CAP { 8 } else { 4 }), "{property}");
            assert!(property.is_readable() || property.is_writable());
        }
        assert_eq!((Property(4).size(), PropertySize(2).bytes()), (None, None));
    }

    #[test]
    fn entries_of_a_linux_host() {
        let sqe = PropertyGet::new(Property::CAP).to_sqe();
        assert_eq!((sqe.nsid, sqe.cdw10, sqe.cdw11), (4, 1, 0));
        let sqe = PropertySet::new(Property::CC, 0x0046_0001).to_sqe();
        assert_eq!((sqe.nsid, sqe.cdw10, sqe.cdw11, sqe.cdw12, sqe.cdw13), (0, 0, 0x14, 0x0046_0001, 0));
    }
}
