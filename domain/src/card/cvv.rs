//! The card verification value: three digits that only the issuer's HSM can make.

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroize;

use crate::Reason;

/// Three digits: CVV on the track, CVV2 on the back of the card, iCVV in its chip. Used once, never stored (PCI DSS 4.0,
/// requirement 3.3.1.2), and wiped when it is dropped.
#[derive(Clone)]
pub struct Cvv([u8; 3]);

impl Cvv {
    /// Exactly three ASCII digits.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        Self::from_digits(text.as_bytes().try_into().map_err(|_| Reason::CvvMalformed)?)
    }

    /// The same from the digits as ASCII.
    pub fn from_digits(digits: [u8; 3]) -> Result<Self, Reason> {
        if digits.iter().all(u8::is_ascii_digit) { Ok(Self(digits)) } else { Err(Reason::CvvMalformed) }
    }

    /// The digits, for the HSM; never for a log.
    pub fn reveal(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The same as ASCII.
    pub const fn digits(&self) -> &[u8; 3] {
        &self.0
    }
}

/// In the same time whatever they are.
impl PartialEq for Cvv {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Cvv {}

impl Drop for Cvv {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Cvv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cvv(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c5_three_ascii_digits_and_nothing_else_which_do_not_show() {
        let cvv = Cvv::parse("017").unwrap();
        assert_eq!(cvv.reveal(), "017");
        assert_eq!(format!("{cvv:?}"), "Cvv(***)");
        assert!(cvv == Cvv::parse("017").unwrap() && cvv != Cvv::parse("018").unwrap());
        for bad in ["", "17", "0170", "01a", "０１７", " 17"] {
            assert_eq!(Cvv::parse(bad).err(), Some(Reason::CvvMalformed), "{bad:?}");
        }
    }
}
