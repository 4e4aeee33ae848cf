//! Until when a card is valid.

use std::fmt;

use jiff::civil::Date;

use crate::Reason;

/// A month of the years 2000 to 2099. A card is valid through its last day, in the bank's time zone.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Expiry {
    /// 0 to 99, after 2000.
    year: u8,
    /// 1 to 12.
    month: u8,
}

impl Expiry {
    /// Reads `YYMM`, as on track 2 (ISO/IEC 7813) and in field 14 of ISO 8583.
    pub fn parse_yymm(text: &str) -> Result<Self, Reason> {
        let [year, month] = pairs(text)?;
        Self::new(year, month)
    }

    /// Reads `MMYY`, as it is embossed, without its stroke.
    pub fn parse_mmyy(text: &str) -> Result<Self, Reason> {
        let [month, year] = pairs(text)?;
        Self::new(year, month)
    }

    fn new(year: u8, month: u8) -> Result<Self, Reason> {
        if (1..=12).contains(&month) { Ok(Self { year, month }) } else { Err(Reason::ExpiryMalformed) }
    }

    /// The month of the issue, some years later: a card of 15 March 2026 with 5 years ends with March 2031. `Err` with
    /// `ExpiryMalformed` beyond 2099.
    pub fn after_issue(issued_on: Date, years: u8) -> Result<Self, Reason> {
        let year = issued_on.year().saturating_sub(2000).saturating_add(i16::from(years));
        let year = u8::try_from(year).ok().filter(|year| *year < 100).ok_or(Reason::ExpiryMalformed)?;
        Self::new(year, issued_on.month().unsigned_abs())
    }

    /// Whether the card has ended by this day.
    pub fn is_past(self, on: Date) -> bool {
        let month_of = |year: i16, month: i8| (year, month);
        let end = month_of(i16::from(self.year).saturating_add(2000), i8::try_from(self.month).unwrap_or(i8::MAX));
        month_of(on.year(), on.month()) > end
    }

    /// `YYMM`.
    pub fn yymm(self) -> String {
        self.yymm_digits().map(char::from).iter().collect()
    }

    /// `YYMM` as ASCII.
    pub fn yymm_digits(self) -> [u8; 4] {
        [self.year / 10, self.year % 10, self.month / 10, self.month % 10].map(|digit| b'0'.saturating_add(digit))
    }

    /// `MMYY`.
    pub fn mmyy(self) -> String {
        format!("{:02}{:02}", self.month, self.year)
    }
}

fn pairs(text: &str) -> Result<[u8; 2], Reason> {
    let bytes = <[u8; 4]>::try_from(text.as_bytes()).map_err(|_| Reason::ExpiryMalformed)?;
    if !bytes.iter().all(u8::is_ascii_digit) {
        return Err(Reason::ExpiryMalformed);
    }
    let [a, b, c, d] = bytes.map(|byte| byte.wrapping_sub(b'0'));
    let two = |tens: u8, ones: u8| tens.saturating_mul(10).saturating_add(ones);
    Ok([two(a, b), two(c, d)])
}

impl fmt::Display for Expiry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}/{:02}", self.month, self.year)
    }
}

impl fmt::Debug for Expiry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn a_card_is_valid_through_the_last_day_of_its_month() {
        let table = [
            ("2703", date(2027, 2, 28), false),
            ("2703", date(2027, 3, 31), false),
            ("2703", date(2027, 4, 1), true),
            ("2712", date(2027, 12, 31), false),
            ("2712", date(2028, 1, 1), true),
            ("0001", date(2026, 1, 1), true),
            ("9912", date(2099, 12, 31), false),
        ];
        for (text, on, past) in table {
            assert_eq!(Expiry::parse_yymm(text).unwrap().is_past(on), past, "{text} on {on}");
        }
    }

    #[test]
    fn both_spellings_are_read_and_written() {
        let expiry = Expiry::parse_yymm("2703").unwrap();
        assert_eq!(Expiry::parse_mmyy("0327"), Ok(expiry));
        assert_eq!((expiry.yymm(), expiry.mmyy(), expiry.to_string()), ("2703".into(), "0327".into(), "03/27".into()));
        for bad in ["", "270", "27033", "2700", "2713", "03/27", "27O3", "２７"] {
            assert_eq!(Expiry::parse_yymm(bad), Err(Reason::ExpiryMalformed), "{bad:?}");
        }
        assert_eq!(Expiry::parse_mmyy("2703"), Err(Reason::ExpiryMalformed));
    }

    #[test]
    fn c3_an_issued_card_ends_in_its_month_some_years_later() {
        let after = |on, years| Expiry::after_issue(on, years).map(Expiry::yymm);
        assert_eq!(after(date(2026, 3, 15), 5), Ok("3103".to_owned()));
        assert_eq!(after(date(2028, 2, 29), 1), Ok("2902".to_owned()));
        assert_eq!(after(date(2096, 1, 1), 5), Err(Reason::ExpiryMalformed));
        assert_eq!(after(date(1990, 1, 1), 5), Err(Reason::ExpiryMalformed));
    }
}
