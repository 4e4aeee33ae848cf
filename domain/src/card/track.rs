//! Track 2 (ISO/IEC 7813): what a card's stripe says, and what its chip repeats as the track 2 equivalent.

use std::fmt;

use zeroize::Zeroize;

use super::{Cvv, Expiry, Pan};
use crate::Reason;

/// Three digits by which the issuer says where and how the card may be used (ISO/IEC 7813). `000` stands for CVV2 and `999` for
/// iCVV when their values are made; neither is on a track.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceCode([u8; 3]);

impl ServiceCode {
    /// International, with chip; normal authorisation; no restriction.
    pub const CHIP: Self = Self(*b"201");
    /// International, with chip; normal authorisation; PIN where it can be asked for.
    pub const CHIP_AND_PIN: Self = Self(*b"206");

    pub fn parse(text: &str) -> Result<Self, Reason> {
        let digits = <[u8; 3]>::try_from(text.as_bytes()).map_err(|_| Reason::TrackMalformed)?;
        if digits.iter().all(u8::is_ascii_digit) { Ok(Self(digits)) } else { Err(Reason::TrackMalformed) }
    }

    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("000")
    }

    /// The same as ASCII.
    pub const fn digits(self) -> [u8; 3] {
        self.0
    }
}

/// The data of track 2, without sentinels and check character: number, separator, expiry, service code, and digits of the
/// issuer. At most 37 characters (ISO 8583, field 35).
///
/// The issuer's digits are laid out as key index (1), PIN verification value (4), CVV (3), then anything. Never stored (PCI DSS
/// 4.0, requirement 3.3.1.1), never shown, and wiped when dropped.
#[derive(Clone)]
pub struct Track2 {
    pub pan: Pan,
    pub expiry: Expiry,
    pub service_code: ServiceCode,
    discretionary: Box<str>,
}

impl Track2 {
    pub const MOST_CHARS: usize = 37;
    /// Where the CVV stands among the issuer's digits: after the key index and the PIN verification value.
    const CVV_AT: std::ops::Range<usize> = 5..8;

    /// A track whose issuer's digits carry the CVV. `pin_data` is the index of the PIN key and the PIN verification value, five
    /// digits, or zeros where the bank keeps the value in its own files. `Err` with `TrackMalformed`.
    pub fn make(
        pan: Pan,
        expiry: Expiry,
        service_code: ServiceCode,
        pin_data: &str,
        cvv: &Cvv,
    ) -> Result<Self, Reason> {
        if pin_data.len() != Self::CVV_AT.start || !pin_data.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Reason::TrackMalformed);
        }
        let discretionary = format!("{pin_data}{}", cvv.reveal()).into_boxed_str();
        Ok(Self { pan, expiry, service_code, discretionary })
    }

    /// Reads what a reader sends: `PAN=YYMMSSS…` or `PANDYYMMSSS…`. `Err` with `TrackMalformed`, or the reason of the number
    /// or the expiry on it.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        if text.len() > Self::MOST_CHARS {
            return Err(Reason::TrackMalformed);
        }
        let (number, rest) = text.split_once(['=', 'D']).ok_or(Reason::TrackMalformed)?;
        if !rest.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Reason::TrackMalformed);
        }
        let (expiry, rest) = rest.split_at_checked(4).ok_or(Reason::TrackMalformed)?;
        let (service_code, discretionary) = rest.split_at_checked(3).ok_or(Reason::TrackMalformed)?;
        Ok(Self {
            pan: Pan::parse(number)?,
            expiry: Expiry::parse_yymm(expiry)?,
            service_code: ServiceCode::parse(service_code)?,
            discretionary: discretionary.into(),
        })
    }

    /// The CVV among the issuer's digits. `Err` with `TrackMalformed` when there are too few of them.
    pub fn cvv(&self) -> Result<Cvv, Reason> {
        Cvv::parse(self.discretionary.get(Self::CVV_AT).ok_or(Reason::TrackMalformed)?)
    }

    /// Whether it is the track of this card, where a request names the card twice. `Err` with `TrackMismatch`.
    pub fn must_be_of(&self, pan: &Pan, expiry: Option<Expiry>) -> Result<(), Reason> {
        let same = self.pan == *pan && expiry.is_none_or(|expiry| expiry == self.expiry);
        if same { Ok(()) } else { Err(Reason::TrackMismatch) }
    }

    /// The whole track with `=` as its separator, for the HSM and the card's maker; never for a log.
    pub fn reveal(&self) -> String {
        let (number, expiry, service) = (self.pan.reveal(), self.expiry.yymm(), self.service_code.as_str());
        format!("{number}={expiry}{service}{}", self.discretionary)
    }
}

impl Drop for Track2 {
    fn drop(&mut self) {
        self.discretionary.zeroize();
    }
}

impl fmt::Debug for Track2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Track2({})", self.pan)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAN: &str = "6228480000000015";

    #[test]
    fn a_track_is_read_with_either_separator() {
        for text in ["6228480000000015=2703201100000179", "6228480000000015D2703201100000179"] {
            let track = Track2::parse(text).unwrap();
            assert_eq!(track.pan.reveal(), PAN);
            assert_eq!((track.expiry.yymm().as_str(), track.service_code.as_str()), ("2703", "201"));
            assert_eq!(track.cvv().unwrap().reveal(), "017");
            assert_eq!(track.reveal(), "6228480000000015=2703201100000179");
        }
    }

    #[test]
    fn c3_a_track_that_is_made_is_read_back() {
        let (pan, expiry) = (Pan::parse(PAN).unwrap(), Expiry::parse_yymm("3112").unwrap());
        let cvv = Cvv::parse("503").unwrap();
        let track = Track2::make(pan, expiry, ServiceCode::CHIP_AND_PIN, "00000", &cvv).unwrap();
        assert_eq!(track.reveal(), "6228480000000015=311220600000503");
        let read = Track2::parse(&track.reveal()).unwrap();
        assert_eq!(read.cvv().unwrap(), cvv);
        assert_eq!(read.reveal(), track.reveal());
        let longest = Pan::parse("6226000000000000005").unwrap();
        let track = Track2::make(longest, expiry, ServiceCode::CHIP, "00000", &cvv).unwrap();
        assert!(track.reveal().len() <= Track2::MOST_CHARS);
        for bad in ["", "0000", "000000", "0000x"] {
            let pan = Pan::parse(PAN).unwrap();
            assert_eq!(
                Track2::make(pan, expiry, ServiceCode::CHIP, bad, &cvv).err(),
                Some(Reason::TrackMalformed),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn what_is_no_track_is_refused_by_reason() {
        let table = [
            ("nothing", String::new(), Reason::TrackMalformed),
            ("no separator", PAN.to_owned(), Reason::TrackMalformed),
            ("no expiry", format!("{PAN}="), Reason::TrackMalformed),
            ("two separators", format!("{PAN}==2703201"), Reason::TrackMalformed),
            ("an expiry left out", format!("{PAN}==201"), Reason::TrackMalformed),
            ("no service code", format!("{PAN}=270320"), Reason::TrackMalformed),
            ("a month of 13", format!("{PAN}=2713201"), Reason::ExpiryMalformed),
            ("a number that fails its check", "6228480000000016=2703201".to_owned(), Reason::CardNumberInvalid),
            ("sentinels", format!(";{PAN}=2703201?"), Reason::TrackMalformed),
            ("a small separator", format!("{PAN}d2703201"), Reason::TrackMalformed),
            ("38 characters", format!("{PAN}=2703201{}", "0".repeat(14)), Reason::TrackMalformed),
            ("full-width digits", format!("{PAN}=２７０３"), Reason::TrackMalformed),
        ];
        for (name, text, reason) in table {
            assert_eq!(Track2::parse(&text).err(), Some(reason), "{name}");
        }
        assert!(Track2::parse(&format!("{PAN}=2703201{}", "0".repeat(13))).is_ok(), "37 characters");
        let short = Track2::parse(&format!("{PAN}=27032010000")).unwrap();
        assert_eq!(short.cvv().err(), Some(Reason::TrackMalformed), "there is no CVV on it");
    }

    #[test]
    fn a_service_code_is_three_ascii_digits() {
        assert_eq!(ServiceCode::parse("206"), Ok(ServiceCode::CHIP_AND_PIN));
        for bad in ["", "12", "1234", "12a", "１２３", "-12"] {
            assert_eq!(ServiceCode::parse(bad), Err(Reason::TrackMalformed), "{bad}");
        }
    }

    #[test]
    fn c5_a_track_of_another_card_or_another_expiry_is_a_mismatch() {
        let track = Track2::parse("6228480000000015=2703201000000179").unwrap();
        let (same, other) = (Pan::parse(PAN).unwrap(), Pan::parse("4111111111111111").unwrap());
        let (at, later) = (Expiry::parse_yymm("2703").unwrap(), Expiry::parse_yymm("2704").unwrap());
        let table = [
            ("the same", &same, Some(at), Ok(())),
            ("no expiry named", &same, None, Ok(())),
            ("another number", &other, Some(at), Err(Reason::TrackMismatch)),
            ("another expiry", &same, Some(later), Err(Reason::TrackMismatch)),
        ];
        for (name, pan, expiry, wanted) in table {
            assert_eq!(track.must_be_of(pan, expiry), wanted, "{name}");
        }
        assert_eq!(format!("{track:?}"), "Track2(622848******0015)");
    }
}
