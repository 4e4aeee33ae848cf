//! What is embossed, encoded and printed on a card, as far as the key store works on it.

use std::fmt;

use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::HsmError;

/// A card number: 12 to 19 digits (ISO/IEC 7812-1; format 4 of ISO 9564-1 takes as few as twelve). Whether its check
/// digit is right and whose card it is, the caller knows. Shown as BIN and last four at most.
#[derive(Clone, PartialEq, Eq)]
pub struct Pan(Zeroizing<String>);

impl Pan {
    /// 12 to 19 ASCII digits.
    pub fn parse(text: &str) -> Result<Self, HsmError> {
        let fine = (12..=19).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        if fine {
            Ok(Self(Zeroizing::new(text.to_owned())))
        } else {
            Err(HsmError::Malformed { what: "a card number" })
        }
    }

    /// The digits, to work with; never for a log.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The `count` digits before the check digit, or as many as there are.
    pub(super) fn before_check_digit(&self, count: usize) -> &str {
        let body = self.0.get(..self.0.len().saturating_sub(1)).unwrap_or_default();
        body.get(body.len().saturating_sub(count)..).unwrap_or_default()
    }
}

impl fmt::Debug for Pan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last = self.0.get(self.0.len().saturating_sub(4)..).unwrap_or_default();
        write!(f, "Pan({}…{last})", self.0.get(..6).unwrap_or_default())
    }
}

/// The four digits of a card's expiry in the order in which the card carries them, YYMM on track 2. They go into the
/// CVV as they are; whether they are a month, and still to come, the caller knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expiry([u8; 4]);

impl Expiry {
    /// Four ASCII digits.
    pub fn parse(text: &str) -> Result<Self, HsmError> {
        digits(text).map(Self).ok_or(HsmError::Malformed { what: "an expiry" })
    }
}

/// The three digits of a card's service code (ISO/IEC 7813).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServiceCode([u8; 3]);

impl ServiceCode {
    /// Three ASCII digits.
    pub fn parse(text: &str) -> Result<Self, HsmError> {
        digits(text).map(Self).ok_or(HsmError::Malformed { what: "a service code" })
    }
}

/// Where a CVV stands, which decides what takes the place of the service code in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CvvKind {
    /// CVV1, on the track, with the card's own service code.
    Track(ServiceCode),
    /// CVV2, printed: 000.
    Printed,
    /// iCVV, in the track image on the chip: 999.
    Chip,
}

impl CvvKind {
    pub(super) const fn service_code(self) -> [u8; 3] {
        match self {
            Self::Track(ServiceCode(digits)) => digits,
            Self::Printed => *b"000",
            Self::Chip => *b"999",
        }
    }
}

/// What a CVV is made of, beside the key.
#[derive(Debug, Clone, Copy)]
pub struct CardFace<'a> {
    pub pan: &'a Pan,
    pub expiry: Expiry,
    pub kind: CvvKind,
}

impl CardFace<'_> {
    /// Card number, expiry and service code as ASCII digits: 26 at most.
    pub(super) fn digits(&self) -> Zeroizing<Vec<u8>> {
        let parts = [self.pan.reveal().as_bytes(), &self.expiry.0, &self.kind.service_code()];
        Zeroizing::new(parts.concat())
    }
}

fn digits<const N: usize>(text: &str) -> Option<[u8; N]> {
    let bytes: [u8; N] = text.as_bytes().try_into().ok()?;
    bytes.iter().all(u8::is_ascii_digit).then_some(bytes)
}

macro_rules! secret_digits {
    ($(#[$doc:meta])* $name:ident, $count:literal, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name(Zeroizing<[u8; $count]>);

        impl $name {
            /// Exactly as many ASCII digits as it has.
            pub fn parse(text: &str) -> Result<Self, HsmError> {
                digits(text).map(Self::of).ok_or(HsmError::Malformed { what: $what })
            }

            /// The digits, to print on the card or to put on its track; never for a log.
            pub fn reveal(&self) -> &str {
                std::str::from_utf8(&*self.0).unwrap_or_default()
            }

            pub(super) fn digits(&self) -> &[u8; $count] {
                &self.0
            }

            pub(super) fn into_digits(self) -> Zeroizing<[u8; $count]> {
                self.0
            }

            /// `digits` are ASCII digits.
            pub(super) fn of(digits: [u8; $count]) -> Self {
                Self(Zeroizing::new(digits))
            }
        }

        /// In constant time.
        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.0.ct_eq(&*other.0).into()
            }
        }

        impl Eq for $name {}

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }
    };
}

secret_digits! {
    /// A card verification value.
    Cvv, 3, "a CVV"
}
secret_digits! {
    /// A PIN verification value by the Visa method. Its four digits cover four digits of the PIN, so it serves only
    /// where a network asks for it; see [`super::PinVerificationValue`].
    Pvv, 4, "a PVV"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_on_a_card_is_ascii_digits_in_their_number() {
        assert!(Pan::parse("123456789012").is_ok() && Pan::parse("1234567890123456789").is_ok());
        for bad in ["", "12345678901", "12345678901234567890", "123456789012345a", "１２３４", "1234 5678 9012"] {
            assert!(Pan::parse(bad).is_err(), "{bad}");
        }
        for bad in ["", "12", "1234", "12a", "１２３", "-12"] {
            assert!(Cvv::parse(bad).is_err() && ServiceCode::parse(bad).is_err(), "{bad}");
        }
        for bad in ["", "123", "12345", "12a4"] {
            assert!(Expiry::parse(bad).is_err() && Pvv::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_card_number_is_shown_by_its_bin_and_last_four_and_a_cvv_not_at_all() {
        assert_eq!(format!("{:?}", Pan::parse("6222021234560008").unwrap()), "Pan(622202…0008)");
        assert_eq!(format!("{:?}", Cvv::parse("561").unwrap()), "Cvv(…)");
    }
}
