//! Citizen identity numbers, as GB 11643-1999 has them.

use std::fmt;

use jiff::civil::Date;

use crate::Reason;

/// The provinces of GB/T 2260 by their first two digits, with the regions whose residents have such numbers, too.
const PROVINCES: [u8; 34] = [
    11, 12, 13, 14, 15, 21, 22, 23, 31, 32, 33, 34, 35, 36, 37, 41, 42, 43, 44, 45, 46, 50, 51, 52, 53, 54, 61, 62, 63,
    64, 65, 81, 82, 83,
];

/// What a digit counts in the sum that the check character makes whole: ISO 7064, MOD 11-2.
const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
const CHECKS: [u8; 11] = *b"10X98765432";
/// Nobody who has such a number was born before.
const FIRST_YEAR: i16 = 1880;

/// A citizen identity number: six digits of a place, eight of a date of birth, three that count up, and a check character, which is a
/// digit or an upper-case X.
///
/// `Debug` and `Display` show the province alone.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct CitizenNumber(Box<str>);

impl CitizenNumber {
    pub const CHARACTERS: usize = 18;

    /// Reads the one spelling of a number. `today` is the day that it is: nobody is born later. `Err(CitizenNumberMalformed)`.
    pub fn parse(text: &str, today: Date) -> Result<Self, Reason> {
        let malformed = Reason::CitizenNumberMalformed;
        let bytes = <&[u8; Self::CHARACTERS]>::try_from(text.as_bytes()).map_err(|_| malformed)?;
        let [place @ .., _, _, _, _, _, _, _, _, _, _, _, check] = bytes;
        let [province_tens, province_ones, ..] = place;
        let digits = bytes.split_last().map_or(&[][..], |(_, digits)| digits);
        if !digits.iter().all(u8::is_ascii_digit) || check_character(digits) != Some(*check) {
            return Err(malformed);
        }
        let province = (province_tens - b'0') * 10 + (province_ones - b'0');
        if !PROVINCES.contains(&province) {
            return Err(malformed);
        }
        let born = text.get(6..14).and_then(date).ok_or(malformed)?;
        if born.year() < FIRST_YEAR || born > today {
            return Err(malformed);
        }
        Ok(Self(text.into()))
    }

    /// Reads what was stored: it was looked at when it came.
    pub fn stored(text: &str) -> Result<Self, Reason> {
        Self::parse(text, Date::MAX)
    }

    /// The whole number, to seal, to hash or to send; never for a log.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What a log may show: the province, `11****************`.
    pub fn masked(&self) -> String {
        self.0.chars().enumerate().map(|(at, c)| if at < 2 { c } else { '*' }).collect()
    }
}

/// The check character of these digits; none when there are not as many as weights.
fn check_character(digits: &[u8]) -> Option<u8> {
    if digits.len() != WEIGHTS.len() {
        return None;
    }
    let sum: u32 = digits.iter().zip(WEIGHTS).map(|(digit, weight)| u32::from(digit - b'0') * weight).sum();
    CHECKS.get(usize::try_from(sum % 11).ok()?).copied()
}

/// Eight digits as a date that there was.
fn date(digits: &str) -> Option<Date> {
    let number = |from: usize, to: usize| digits.get(from..to)?.parse::<i16>().ok();
    let (year, month, day) = (number(0, 4)?, number(4, 6)?, number(6, 8)?);
    Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

impl fmt::Display for CitizenNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

impl fmt::Debug for CitizenNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    const TODAY: Date = date(2026, 11, 22);

    fn parse(text: &str) -> Result<CitizenNumber, Reason> {
        CitizenNumber::parse(text, TODAY)
    }

    /// A number with the check character that belongs to it.
    fn whole(digits: &str) -> String {
        format!("{digits}{}", check_character(digits.as_bytes()).unwrap() as char)
    }

    #[test]
    fn m2_a_citizen_number_is_read_as_the_standard_has_it() {
        // The example of the standard, and one whose check character is X.
        for good in ["11010519491231002X", "440524188001010014"] {
            assert_eq!(parse(good).unwrap().reveal(), good);
        }
    }

    #[test]
    fn m2_a_citizen_number_with_any_fault_is_refused() {
        for bad in [
            "",
            "110105194912310021",
            "11010519491231002x",
            "1101051949123100",
            "11010519491231002X ",
            " 11010519491231002X",
            "110105194912310O2X",
            "１1010519491231002X",
            "11010519491231002\u{425}",
            &whole("00010519491231002"),
            &whole("99010519491231002"),
            &whole("71010519491231002"),
            &whole("11010519490230002"),
            &whole("11010519491301002"),
            &whole("11010519490031002"),
            &whole("11010519000229002"),
            &whole("11010518791231002"),
            &whole("11010520261123002"),
        ] {
            assert_eq!(parse(bad), Err(Reason::CitizenNumberMalformed), "{bad:?}");
        }
        assert!(parse(&whole("11010520000229002")).is_ok(), "a leap day that there was");
        assert!(parse(&whole("11010520261122002")).is_ok(), "born today");
    }

    #[test]
    fn m8_a_citizen_number_shows_its_province_alone() {
        let number = parse("11010519491231002X").unwrap();
        assert_eq!(format!("{number} {number:?}"), "11**************** 11****************");
    }

    proptest! {
        #[test]
        fn m2_one_wrong_or_two_swapped_characters_are_found_out(serial in 0_u32..1000, at in 0_usize..17, add in 1_u8..10) {
            let number = whole(&format!("11010519491231{serial:03}"));
            prop_assert!(parse(&number).is_ok());
            let mut wrong = number.clone().into_bytes();
            wrong[at] = b'0' + (wrong[at] - b'0' + add) % 10;
            prop_assert!(parse(std::str::from_utf8(&wrong).unwrap()).is_err());
            let mut swapped = number.into_bytes();
            if at < 16 && swapped[at] != swapped[at + 1] {
                swapped.swap(at, at + 1);
                prop_assert!(parse(std::str::from_utf8(&swapped).unwrap()).is_err());
            }
        }

        #[test]
        fn m2_nothing_that_is_sent_makes_the_reader_fail(text in ".{0,24}") {
            let _ = parse(&text);
        }
    }
}
