//! Features: what can be set at a controller, and read.
//!
//! A feature whose value is a dword is a type here that takes it apart; the dword is that of Set Features, and of the completion of Get Features.
//! [`SetFeatures::of`](crate::command::admin::SetFeatures::of) makes the command, [`Feature`] finds the type by the identifier. Features whose value
//! is in the data are structures: [`Timestamp`], [`HostBehavior`], [`HostIdentifier`], [`LbaRange`], [`PowerTransitions`].
//!
//! ```
//! use nvme_proto::command::admin::SetFeatures;
//! use nvme_proto::feature::{Feature, FeatureId, NumberOfQueues};
//!
//! let command = SetFeatures::of(NumberOfQueues::pairs(3));
//! assert_eq!((command.feature, command.value), (FeatureId::NUMBER_OF_QUEUES, 0x0003_0003));
//! // The completion says how many there are.
//! assert_eq!(Feature::new(command.feature, 0x007f_007e), Feature::NumberOfQueues(NumberOfQueues(0x007f_007e)));
//! assert_eq!(NumberOfQueues(0x007f_007e).usable_pairs(), 127);
//! ```

mod data;
mod device;
mod id;
mod namespace;
mod queues;

pub use data::{
    CopyFormatsEnabled, HostBehavior, HostIdentifier, LbaRange, PowerTransition, PowerTransitions, Timestamp,
    TimestampAttributes,
};
pub use device::{
    Arbitration, ErrorRecovery, NonOperationalPowerState, PowerManagement, SoftwareProgressMarker,
    TemperatureThreshold, ThermalManagement, VolatileWriteCache, WriteAtomicity,
};
pub use id::FeatureId;
pub use namespace::{
    ReservationNotificationMask, ReservationPersistence, WriteProtection, WriteProtectionState,
};
pub use queues::{
    AsyncEventConfiguration, HostIdentifierFormat, IoCommandSetProfile, KeepAliveTimer, NumberOfQueues,
};

/// The value of a feature that is no more than a dword.
pub trait FeatureValue: Copy {
    /// Which feature.
    const ID: FeatureId;

    /// The value in this dword.
    fn from_dword(dword: u32) -> Self;

    /// The value as a dword.
    fn to_dword(self) -> u32;
}

macro_rules! features {
    ($( $(#[$meta:meta])* $name:ident = $id:ident; )+) => {
        /// A feature whose value is no more than a dword, by its identifier.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        #[non_exhaustive]
        pub enum Feature {
            $( $(#[$meta])* $name($name), )+
            /// One without a type here.
            Other {
                /// Which feature.
                id: FeatureId,
                /// Its dword.
                value: u32,
            },
        }

        impl Feature {
            /// The feature of this identifier with this value.
            #[must_use]
            pub const fn new(id: FeatureId, value: u32) -> Self {
                match id {
                    $( FeatureId::$id => Self::$name($name(value)), )+
                    _ => Self::Other { id, value },
                }
            }

            /// Which feature.
            #[must_use]
            pub const fn id(&self) -> FeatureId {
                match self {
                    $( Self::$name(_) => FeatureId::$id, )+
                    Self::Other { id, .. } => *id,
                }
            }

            /// Its value as a dword.
            #[must_use]
            pub const fn value(&self) -> u32 {
                match self {
                    $( Self::$name(value) => value.0, )+
                    Self::Other { value, .. } => *value,
                }
            }
        }

        $(
            impl FeatureValue for $name {
                const ID: FeatureId = FeatureId::$id;

                fn from_dword(dword: u32) -> Self {
                    Self(dword)
                }

                fn to_dword(self) -> u32 {
                    self.0
                }
            }

            impl From<$name> for Feature {
                fn from(value: $name) -> Self {
                    Self::$name(value)
                }
            }
        )+
    };
}

features! {
    /// How queues are chosen.
    Arbitration = ARBITRATION;
    /// Power state.
    PowerManagement = POWER_MANAGEMENT;
    /// Temperatures at which an event comes.
    TemperatureThreshold = TEMPERATURE_THRESHOLD;
    /// How hard errors are fought.
    ErrorRecovery = ERROR_RECOVERY;
    /// Whether writes are cached.
    VolatileWriteCache = VOLATILE_WRITE_CACHE;
    /// How many I/O queues.
    NumberOfQueues = NUMBER_OF_QUEUES;
    /// What of a write is atomic.
    WriteAtomicity = WRITE_ATOMICITY;
    /// Which events come.
    AsyncEventConfiguration = ASYNC_EVENT_CONFIGURATION;
    /// How long the controller waits for a sign of life.
    KeepAliveTimer = KEEP_ALIVE_TIMER;
    /// Temperatures the controller keeps below.
    ThermalManagement = HOST_CONTROLLED_THERMAL_MANAGEMENT;
    /// Whether it works in power states that are not operational.
    NonOperationalPowerState = NON_OPERATIONAL_POWER_STATE;
    /// Which I/O command sets.
    IoCommandSetProfile = IO_COMMAND_SET_PROFILE;
    /// How far software before the operating system came.
    SoftwareProgressMarker = SOFTWARE_PROGRESS_MARKER;
    /// In which form the host identifier is.
    HostIdentifierFormat = HOST_IDENTIFIER;
    /// Which reservation events come.
    ReservationNotificationMask = RESERVATION_NOTIFICATION_MASK;
    /// Whether reservations outlive a loss of power.
    ReservationPersistence = RESERVATION_PERSISTENCE;
    /// Whether a namespace can be written.
    WriteProtection = NAMESPACE_WRITE_PROTECTION;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_identifier_keeps_its_value() {
        for id in 0..=u8::MAX {
            let feature = Feature::new(FeatureId(id), 0xdead_beef);
            assert_eq!((feature.id(), feature.value()), (FeatureId(id), 0xdead_beef));
        }
        assert_eq!(Feature::from(KeepAliveTimer(5)), Feature::new(FeatureId(0x0f), 5));
        assert_eq!(KeepAliveTimer::from_dword(5).to_dword(), 5);
        assert!(matches!(Feature::new(FeatureId::TIMESTAMP, 0), Feature::Other { .. }));
    }
}
