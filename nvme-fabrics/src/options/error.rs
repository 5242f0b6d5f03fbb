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
        min: i64,
        /// Largest allowed value.
        max: i64,
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
    /// Text that is empty, or has a comma or a control character in it, which would end the value early.
    #[error("the {option} `{}` is empty, or has characters that it cannot have", .value.escape_debug())]
    BadText {
        /// The option, or which part of it.
        option: &'static str,
        /// The value.
        value: String,
    },
    /// The option was given by name, and has a setter that checks it.
    #[error("{option} is no newer option: ask for it by ConnectOptions::{setter}")]
    HasSetter {
        /// The option.
        option: &'static str,
        /// Its setter.
        setter: &'static str,
    },
    /// The option works only together with another one, which comes first.
    #[error("{option} needs {needs}")]
    Needs {
        /// The option.
        option: &'static str,
        /// What it needs.
        needs: &'static str,
    },
    /// Two options contradict each other.
    #[error("{option} and {other} exclude each other")]
    Excludes {
        /// The option.
        option: &'static str,
        /// The one that was set before.
        other: &'static str,
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
            | Self::BadText { option, .. }
            | Self::HasSetter { option, .. }
            | Self::Needs { option, .. }
            | Self::Excludes { option, .. }
            | Self::NotForTransport { option, .. }
            | Self::NotForDiscovery { option } => option,
        }
    }
}
