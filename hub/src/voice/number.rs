//! Who calls, as far as it is believed.

use domain::PhoneNumber;

/// The digits of a country in ITU-T E.164.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CountryCode(u16);

impl CountryCode {
    pub const CHINA: Self = Self(86);

    /// One to three digits that do not begin with zero.
    pub fn parse(digits: &str) -> Option<Self> {
        let fine =
            (1..=3).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
        fine.then(|| digits.parse().ok().map(Self)).flatten()
    }
}

/// The number that the exchange says is calling: with `+` or `00` international, otherwise one of the hub's own country, whose
/// trunk prefix `0` is taken off. None for a number that is withheld or is none.
pub(super) fn caller(said: &str, country: CountryCode) -> Option<PhoneNumber> {
    let international = match (said.strip_prefix('+'), said.strip_prefix("00")) {
        (Some(digits), _) | (None, Some(digits)) => format!("+{digits}"),
        (None, None) => format!("+{}{}", country.0, said.strip_prefix('0').unwrap_or(said)),
    };
    PhoneNumber::parse(&international).ok()
}

/// Whether the network lets the number be shown and does not doubt it: octet 3a of the calling party number in ITU-T Q.931,
/// section 4.5.10, as Asterisk gives it in `agi_callingpres`. Bits 7 and 6 are the presentation, of which 0 is "allowed"; bits 2 and
/// 1 are the screening, of which 2 is "verified and failed".
pub(super) fn may_be_believed(presentation: &str) -> bool {
    presentation.parse::<u8>().is_ok_and(|octet| octet & 0x60 == 0 && octet & 0x03 != 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f2_a_caller_is_the_number_that_the_exchange_says_or_nobody() {
        let table = [
            ("+8613800138000", Some("+8613800138000")),
            ("008613800138000", Some("+8613800138000")),
            ("13800138000", Some("+8613800138000")),
            ("02112345678", Some("+862112345678")),
            ("+12125550100", Some("+12125550100")),
            ("", None),
            ("unknown", None),
            ("anonymous", None),
            ("Restricted", None),
            ("+", None),
            ("13800138000 ", None),
            ("138-0013-8000", None),
            ("１３８００１３８０００", None),
            ("13800138000\u{0}", None),
            ("\"Ann\" <13800138000>", None),
            ("99999999999999999999", None),
            ("110", None),
        ];
        for (said, wanted) in table {
            let found = caller(said, CountryCode::CHINA);
            assert_eq!(found.as_ref().map(PhoneNumber::as_e164), wanted, "{said:?}");
        }
        for (presentation, wanted) in [
            ("0", true),
            ("1", true),
            ("3", true),
            ("2", false),
            ("32", false),
            ("35", false),
            ("67", false),
            ("", false),
            ("x", false),
            ("256", false),
        ] {
            assert_eq!(may_be_believed(presentation), wanted, "{presentation}");
        }
        for bad in ["", "0", "086", "1234", "+8", "8６"] {
            assert_eq!(CountryCode::parse(bad), None, "{bad}");
        }
    }
}
