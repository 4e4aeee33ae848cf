//! Enums of the contract as the app sees them, with a place for what a newer hub may say.

/// Declares an enum that mirrors one of the contract. `Unknown` is whatever this version does not know; a request that has it is refused
/// by the hub as `FIELD_UNKNOWN`.
macro_rules! mirror {
    ($(#[$doc:meta])* $name:ident = $wire:ty { $($(#[$about:meta])* $variant:ident,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, uniffi::Enum)]
        pub enum $name {
            $($(#[$about])* $variant,)*
            /// Something that this version does not know.
            Unknown,
        }

        impl $name {
            #[allow(dead_code, reason = "some are only read, some are only written")]
            pub(crate) fn read(number: i32) -> Self {
                match <$wire>::try_from(number) {
                    $(Ok(<$wire>::$variant) => Self::$variant,)*
                    _ => Self::Unknown,
                }
            }

            #[allow(dead_code, reason = "some are only read, some are only written")]
            pub(crate) fn number(self) -> i32 {
                match self {
                    $(Self::$variant => <$wire>::$variant.into(),)*
                    Self::Unknown => 0,
                }
            }
        }
    };
}

pub(crate) use mirror;
