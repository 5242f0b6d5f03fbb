//! Set Features and Get Features.

use crate::bits::{command, newtype_bits};
use crate::feature::{FeatureId, FeatureValue};
use crate::registry::wire_values;

wire_values! {
    /// Which value of a feature Get Features asks for: 3 bits.
    #[doc(alias = "SEL")]
    pub struct FeatureSelect(u8) {
        /// The one in force.
        CURRENT = 0 => "current",
        /// The one of the factory.
        DEFAULT = 1 => "default",
        /// The one that survives a reset.
        SAVED = 2 => "saved",
        /// None, but what can be done with it: [`FeatureCapabilities`].
        CAPABILITIES = 3 => "supported capabilities",
    }
}

newtype_bits!(FeatureSelect);

crate::bits::bit_group! {
    /// What can be done with a feature: dword 0 of the completion of Get Features that selects
    /// [`CAPABILITIES`](FeatureSelect::CAPABILITIES).
    pub struct FeatureCapabilities(u32) {
        /// It survives a reset when it is saved.
        [0] saveable with_saveable: bool, "SAVEABLE";
        /// Every namespace has its own.
        [1] namespace_specific with_namespace_specific: bool, "NSSPEC";
        /// It can be changed.
        [2] changeable with_changeable: bool, "CHANGEABLE";
    }
}

command! {
    /// Set Features: changes a feature.
    ///
    /// Dword 0 of the completion belongs to the feature. Answers: [`INVALID_FIELD`](crate::Status::INVALID_FIELD) for a feature it does not have,
    /// Feature Identifier Not Saveable, Feature Not Changeable, Feature Not Namespace Specific.
    ///
    /// Source: NVMe Base 2.0 section 5.27, kernel `include/linux/nvme.h: struct nvme_features`.
    pub struct SetFeatures("Set Features", opcode = 0x09) {
        /// Namespace of a feature that each has its own of; else 0 or 0xffff_ffff.
        NSID [31:0] nsid: u32, "NSID";
        /// Which feature.
        CDW10 [7:0] feature: FeatureId, "FID";
        /// Keep the value over a reset.
        CDW10 [31] save: bool, "SV";
        /// The value, where it is no more than a dword.
        CDW11 [31:0] value: u32, "CDW11";
        /// More of it.
        CDW12 [31:0] value_2: u32, "CDW12";
        /// More of it.
        CDW13 [31:0] value_3: u32, "CDW13";
        /// Index into the UUID list.
        CDW14 [6:0] uuid_index: u8, "UIDX";
        /// More of the value.
        CDW15 [31:0] value_4: u32, "CDW15";
    }
}

command! {
    /// Get Features: reads a feature. The value is dword 0 of the completion, or the data where the feature has such.
    ///
    /// Source: NVMe Base 2.0 section 5.15, kernel `include/linux/nvme.h: struct nvme_features`.
    pub struct GetFeatures("Get Features", opcode = 0x0a) {
        /// Namespace of a feature that each has its own of; else 0 or 0xffff_ffff.
        NSID [31:0] nsid: u32, "NSID";
        /// Which feature.
        CDW10 [7:0] feature: FeatureId, "FID";
        /// Which value of it.
        CDW10 [10:8] select: FeatureSelect, "SEL";
        /// Which part of it, where it has parts.
        CDW11 [31:0] part: u32, "CDW11";
        /// Index into the UUID list.
        CDW14 [6:0] uuid_index: u8, "UIDX";
    }
}

impl SetFeatures {
    /// Sets a feature whose value is a dword, until the next reset.
    #[must_use]
    pub fn new(feature: FeatureId, value: u32) -> Self {
        Self { feature, value, ..Self::default() }
    }

    /// Sets a typed feature, until the next reset.
    #[must_use]
    pub fn of<F: FeatureValue>(value: F) -> Self {
        Self::new(F::ID, value.to_dword())
    }
}

impl GetFeatures {
    /// Asks for the value in force.
    #[must_use]
    pub fn new(feature: FeatureId) -> Self {
        Self { feature, ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_field_has_its_bits() {
        let command = SetFeatures {
            nsid: 7,
            feature: FeatureId(0xab),
            save: true,
            value: 0x1122_3344,
            value_2: 2,
            value_3: 3,
            uuid_index: 0x7f,
            value_4: 4,
        };
        let sqe = command.to_sqe();
        assert_eq!((sqe.opcode, sqe.nsid, sqe.cdw10, sqe.cdw11), (9, 7, 0x8000_00ab, 0x1122_3344));
        assert_eq!((sqe.cdw12, sqe.cdw13, sqe.cdw14, sqe.cdw15), (2, 3, 0x7f, 4));
        assert_eq!(SetFeatures::from_sqe(&sqe), command);
        let sqe =
            GetFeatures { select: FeatureSelect::CAPABILITIES, ..GetFeatures::new(FeatureId(7)) }.to_sqe();
        assert_eq!((sqe.opcode, sqe.cdw10), (0x0a, 0x0307));
        assert!(FeatureCapabilities(5).saveable() && !FeatureCapabilities(5).namespace_specific());
        assert!(FeatureCapabilities(4).changeable());
    }
}
