//! Digits that only the payer may know. They are never printed; whoever compares them does it in constant time.

use std::fmt;

use crate::Reason;

macro_rules! six_digits {
    ($(#[$doc:meta])* $name:ident, $malformed:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq)]
        pub struct $name(Box<str>);

        impl $name {
            pub const DIGITS: usize = 6;

            /// Exactly six ASCII digits.
            pub fn parse(text: &str) -> Result<Self, Reason> {
                let fine = text.len() == Self::DIGITS && text.bytes().all(|b| b.is_ascii_digit());
                if fine { Ok(Self(text.into())) } else { Err($malformed) }
            }

            /// The digits, to hash, to compare or to send to the phone; never for a log.
            pub fn reveal(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(******)"))
            }
        }
    };
}

six_digits! {
    /// A code that was sent to a phone for one payment (M5).
    OneTimeCode, Reason::CodeMalformed
}
six_digits! {
    /// What a person types at every terminal beside the code (M3).
    TransactionPassword, Reason::PasswordMalformed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_ascii_digits_and_nothing_else() {
        assert_eq!(OneTimeCode::parse("012345").unwrap().reveal(), "012345");
        for bad in ["", "12345", "1234567", "12345a", "１２３４５６", " 12345", "-12345", "12345\n"] {
            assert_eq!(OneTimeCode::parse(bad), Err(Reason::CodeMalformed), "{bad:?}");
            assert_eq!(TransactionPassword::parse(bad), Err(Reason::PasswordMalformed), "{bad:?}");
        }
    }

    #[test]
    fn secrets_do_not_show_in_debug_output() {
        assert_eq!(format!("{:?}", OneTimeCode::parse("123456").unwrap()), "OneTimeCode(******)");
        assert_eq!(format!("{:?}", TransactionPassword::parse("123456").unwrap()), "TransactionPassword(******)");
    }
}
