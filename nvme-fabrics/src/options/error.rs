//! Why an option cannot be asked for.

/// An option's value is not one that the kernel takes, or it does not go with the rest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OptionError {
    /// A number outside its range.
    #[error("{option}={value} is out of range ({min} to {max})")]
    OutOfRange {
        /// The option, in the kernel's spelling.
        option: &'static str,
        /// The value.
        value: u64,
        /// Smallest allowed value.
        min: u64,
        /// Largest allowed value.
        max: u64,
    },
    /// A time that is no whole number of seconds.
    #[error("{option} takes whole seconds only")]
    NotWholeSeconds {
        /// The option.
        option: &'static str,
    },
    /// A text that is too long.
    #[error("{option} of {len} bytes is too long: the Linux host takes at most {max}")]
    TooLong {
        /// The option.
        option: &'static str,
        /// Its length in bytes.
        len: usize,
        /// Largest allowed length in bytes.
        max: usize,
    },
    /// An interface name with characters that no interface name has, or none at all.
    #[error("{option}=`{}` is not the name of a network interface", .value.escape_debug())]
    BadName {
        /// The option.
        option: &'static str,
        /// The value.
        value: String,
    },
    /// The transport does not take this option.
    #[error("{option} cannot be used with the {transport} transport")]
    NotForTransport {
        /// The option.
        option: &'static str,
        /// The transport.
        transport: &'static str,
    },
    /// Discovery controllers have no I/O queues.
    #[error("{option} cannot be used with a discovery controller, which has no I/O queues")]
    NotForDiscovery {
        /// The option.
        option: &'static str,
    },
}

impl OptionError {
    /// The option, in the kernel's spelling.
    #[must_use]
    pub fn option(&self) -> &'static str {
        match self {
            Self::OutOfRange { option, .. }
            | Self::NotWholeSeconds { option }
            | Self::TooLong { option, .. }
            | Self::BadName { option, .. }
            | Self::NotForTransport { option, .. }
            | Self::NotForDiscovery { option } => option,
        }
    }
}
