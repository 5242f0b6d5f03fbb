//! One enum for the commands of a queue.

/// Defines an enum with a variant for each command and [`from_sqe`] by its number; what has no type keeps its entry.
macro_rules! dispatch {
    (
        $(#[$meta:meta])*
        pub enum $name:ident by $key:ident {
            $( $(#[$vmeta:meta])* $variant:ident($command:ty) = $number:expr ),+ $(,)?
        }
        fabrics { $( $(#[$fmeta:meta])* $fabrics:ident($inner:ty), opcodes $opcode:ident )? }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        #[non_exhaustive]
        pub enum $name {
            $( $(#[$vmeta])* $variant($command), )+
            $( $(#[$fmeta])* $fabrics($inner), )?
            /// A command without a type here, as it came.
            Other($crate::sqe::Sqe),
        }

        impl $name {
            /// The command in an entry. Reserved bits, the data pointer and the command identifier stay in the entry.
            #[must_use]
            pub fn from_sqe(sqe: &$crate::sqe::Sqe) -> Self {
                $( if sqe.is_fabrics() {
                    return Self::$fabrics(<$inner>::from_sqe(sqe));
                } )?
                match sqe.$key().0 {
                    $( $number => Self::$variant(<$command>::from_sqe(sqe)), )+
                    _ => Self::Other(*sqe),
                }
            }

            /// The command as an entry, with command identifier 0 and without data; one without a type as it came.
            #[must_use]
            pub fn to_sqe(&self) -> $crate::sqe::Sqe {
                match self {
                    $( Self::$variant(command) => command.to_sqe(), )+
                    $( Self::$fabrics(command) => command.to_sqe(), )?
                    Self::Other(sqe) => *sqe,
                }
            }

            /// The bits of each dword of its entry that the command gives a meaning, beside opcode, flags, command identifier and data pointer. The
            /// others are reserved. `None` for a command without a type.
            #[must_use]
            pub fn defined(&self) -> Option<[u32; 16]> {
                match self {
                    $( Self::$variant(_) => Some(<$command>::DEFINED), )+
                    $( Self::$fabrics(command) => command.defined(), )?
                    Self::Other(_) => None,
                }
            }

            /// Every typed command with all fields zero, with the name it gives itself.
            #[cfg(test)]
            pub(crate) fn all() -> alloc::vec::Vec<(&'static str, Self)> {
                alloc::vec![$( (
                    <$command>::NAME,
                    Self::$variant(<$command>::from_sqe(&$crate::sqe::Sqe::new(0))),
                ) ),+]
            }
        }

        $(
            impl From<$command> for $name {
                fn from(command: $command) -> Self {
                    Self::$variant(command)
                }
            }
        )+
        $(
            impl $name {
                /// Which command.
                #[must_use]
                pub fn opcode(&self) -> $opcode {
                    $opcode(self.to_sqe().opcode)
                }

                /// What the specification calls it, a Fabrics command by its type; `None` for a number without a name.
                #[must_use]
                pub fn name(&self) -> Option<&'static str> {
                    match self {
                        Self::$fabrics(command) => command.name(),
                        _ => self.opcode().name(),
                    }
                }
            }

            impl From<$inner> for $name {
                fn from(command: $inner) -> Self {
                    Self::$fabrics(command)
                }
            }
        )?
    };
}
pub(crate) use dispatch;
