use std::fmt;

/// The transmission date and time, field 7 (`n 10`, MMDDhhmmss), in UTC. It has no year: whoever needs one takes the year that
/// brings it closest to the own clock.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TransmissionTime {
    month: u8,
    day: u8,
    hour: u8,
    minute: u8,
    second: u8,
}

const SECONDS_OF_A_DAY: u64 = 86_400;

impl TransmissionTime {
    /// None if there is no such day in any year or no such time of the day.
    pub fn new(month: u8, day: u8, hour: u8, minute: u8, second: u8) -> Option<Self> {
        let is_a_day = day >= 1 && day <= longest(month);
        (is_a_day && hour < 24 && minute < 60 && second < 60).then_some(Self { month, day, hour, minute, second })
    }

    /// From the number that the digits of the field make.
    pub fn from_number(number: u64) -> Option<Self> {
        let part = |divisor: u64| u8::try_from(number / divisor % 100).ok();
        if number > 9_999_999_999 {
            return None;
        }
        Self::new(part(100_000_000)?, part(1_000_000)?, part(10_000)?, part(100)?, part(1)?)
    }

    /// The UTC date and time of so many seconds after 1970-01-01T00:00:00Z.
    pub fn from_unix_seconds(seconds: u64) -> Self {
        let (_, month, day) = civil(seconds / SECONDS_OF_A_DAY);
        let rest = seconds % SECONDS_OF_A_DAY;
        // Each is below 60.
        let (hour, minute, second) = ((rest / 3_600) as u8, (rest / 60 % 60) as u8, (rest % 60) as u8);
        Self { month, day, hour, minute, second }
    }

    pub fn number(self) -> u64 {
        [self.month, self.day, self.hour, self.minute, self.second]
            .iter()
            .fold(0, |number, part| number * 100 + u64::from(*part))
    }

    pub fn month(self) -> u8 {
        self.month
    }

    pub fn day(self) -> u8 {
        self.day
    }

    pub fn hour(self) -> u8 {
        self.hour
    }

    pub fn minute(self) -> u8 {
        self.minute
    }

    pub fn second(self) -> u8 {
        self.second
    }
}

/// The days of a month in a year that has the most; 0 for what is no month.
const fn longest(month: u8) -> u8 {
    match month {
        2 => 29,
        4 | 6 | 9 | 11 => 30,
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        _ => 0,
    }
}

/// Year, month and day of a day counted from 1970-01-01, in the Gregorian calendar: 400 years have 146,097 days.
fn civil(days: u64) -> (u64, u8, u8) {
    // Counted from 0000-03-01, so that the day that a leap year has more is its last.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month as u8, day as u8)
}

impl fmt::Display for TransmissionTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:010}", self.number())
    }
}

impl fmt::Debug for TransmissionTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_and_written() {
        for text in ["0101000000", "0229235959", "1231120000", "0430010203"] {
            let time = TransmissionTime::from_number(text.parse().unwrap()).unwrap();
            assert_eq!(time.to_string(), text);
        }
        let time = TransmissionTime::from_number(430_010_203).unwrap();
        assert_eq!((time.month(), time.day(), time.hour(), time.minute(), time.second()), (4, 30, 1, 2, 3));
    }

    #[test]
    fn no_such_day_or_time_is_refused() {
        for text in ["0", "1300000000", "0100000000", "0230000000", "0431000000", "0132000000"].into_iter().chain([
            "0101240000",
            "0101236000",
            "0101235960",
            "10000000000",
            "10101000000",
        ]) {
            let number = text.parse().unwrap();
            assert_eq!(TransmissionTime::from_number(number), None, "{number}");
        }
    }

    #[test]
    fn seconds_since_1970_become_the_date_of_the_calendar() {
        // From `date -u --date=@SECONDS +%m%d%H%M%S`.
        for (seconds, text) in [
            (0, "0101000000"),
            (951_782_400, "0229000000"),
            (951_868_799, "0229235959"),
            (1_709_251_199, "0229235959"),
            (1_735_689_599, "1231235959"),
            (1_800_000_000, "0115080000"),
            (4_107_542_400, "0301000000"),
        ] {
            assert_eq!(TransmissionTime::from_unix_seconds(seconds).to_string(), text, "{seconds}");
        }
    }
}
