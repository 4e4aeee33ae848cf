//! What is embossed, encoded and printed on a card, as far as the key store works on it.

use std::fmt;

use domain::card::{Expiry, Pan, ServiceCode};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::HsmError;

/// The digits of a card number as the algorithms take them, 12 to 19 (format 4 of ISO 9564-1 takes as few as twelve), whatever
/// their check digit: few of the numbers in published vectors are card numbers. Shown as BIN and last four at most.
#[derive(Clone, PartialEq, Eq)]
pub struct PanDigits(Zeroizing<String>);

impl PanDigits {
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

impl From<&Pan> for PanDigits {
    fn from(pan: &Pan) -> Self {
        Self(Zeroizing::new(pan.reveal().to_owned()))
    }
}

impl fmt::Debug for PanDigits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last = self.0.get(self.0.len().saturating_sub(4)..).unwrap_or_default();
        write!(f, "PanDigits({}…{last})", self.0.get(..6).unwrap_or_default())
    }
}

/// The four digits of a card's expiry as the algorithms take them, in the order in which the card carries them, YYMM on track 2;
/// in published vectors they need not be a month.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpiryDigits([u8; 4]);

impl ExpiryDigits {
    /// Four ASCII digits.
    pub fn parse(text: &str) -> Result<Self, HsmError> {
        digits(text).map(Self).ok_or(HsmError::Malformed { what: "an expiry" })
    }
}

impl From<Expiry> for ExpiryDigits {
    fn from(expiry: Expiry) -> Self {
        Self(expiry.yymm_digits())
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
            Self::Track(code) => code.digits(),
            Self::Printed => *b"000",
            Self::Chip => *b"999",
        }
    }
}

/// What a CVV is made of, beside the key.
#[derive(Debug, Clone, Copy)]
pub struct CardFace<'a> {
    pub pan: &'a PanDigits,
    pub expiry: ExpiryDigits,
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

/// A PIN verification value by the Visa method. Its four digits cover four digits of the PIN, so it serves only where a network
/// asks for it; see [`super::PinVerificationValue`].
#[derive(Clone)]
pub struct Pvv(Zeroizing<[u8; 4]>);

impl Pvv {
    /// Exactly four ASCII digits.
    pub fn parse(text: &str) -> Result<Self, HsmError> {
        digits(text).map(Self::of).ok_or(HsmError::Malformed { what: "a PVV" })
    }

    /// The digits, for the network; never for a log.
    pub fn reveal(&self) -> &str {
        std::str::from_utf8(&*self.0).unwrap_or_default()
    }

    pub(super) fn digits(&self) -> &[u8; 4] {
        &self.0
    }

    pub(super) fn into_digits(self) -> Zeroizing<[u8; 4]> {
        self.0
    }

    /// `digits` are ASCII digits.
    pub(super) fn of(digits: [u8; 4]) -> Self {
        Self(Zeroizing::new(digits))
    }
}

/// In constant time.
impl PartialEq for Pvv {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&*other.0).into()
    }
}

impl Eq for Pvv {}

impl fmt::Debug for Pvv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pvv(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_on_a_card_is_ascii_digits_in_their_number() {
        assert!(PanDigits::parse("123456789012").is_ok() && PanDigits::parse("1234567890123456789").is_ok());
        for bad in ["", "12345678901", "12345678901234567890", "123456789012345a", "１２３４", "1234 5678 9012"] {
            assert!(PanDigits::parse(bad).is_err(), "{bad}");
        }
        for bad in ["", "123", "12345", "12a4"] {
            assert!(ExpiryDigits::parse(bad).is_err() && Pvv::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_card_of_the_bank_gives_the_digits_that_it_carries() {
        let pan = Pan::parse("6228480000000015").unwrap();
        assert_eq!(PanDigits::from(&pan).reveal(), pan.reveal());
        let expiry = Expiry::parse_mmyy("1230").unwrap();
        assert_eq!(ExpiryDigits::from(expiry), ExpiryDigits::parse("3012").unwrap());
    }

    #[test]
    fn a_card_number_is_shown_by_its_bin_and_last_four_and_a_pvv_not_at_all() {
        assert_eq!(format!("{:?}", PanDigits::parse("6222021234560008").unwrap()), "PanDigits(622202…0008)");
        assert_eq!(format!("{:?}", Pvv::parse("5612").unwrap()), "Pvv(…)");
    }
}
