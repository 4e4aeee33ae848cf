//! When a message was sent: field 7 has no year (ISO 8583:1987, element 7: MMDDhhmmss in UTC).

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;

use crate::{Reason, Timestamp};

/// Month, day, hour, minute and second in UTC, as field 7 has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SentAt {
    pub month: i8,
    pub day: i8,
    pub hour: i8,
    pub minute: i8,
    pub second: i8,
}

impl SentAt {
    /// The point in time, in the year that brings it closest to `now`. It is the same for every repeat within half a year.
    /// `Err(TimeOutOfRange)` for what is no time in any of the years around.
    pub fn near(self, now: Timestamp) -> Result<Timestamp, Reason> {
        let here = jiff::Timestamp::from_microsecond(now.micros()).map_err(|_| Reason::TimeOutOfRange)?;
        let year = TimeZone::UTC.to_datetime(here).year();
        (year.saturating_sub(1)..=year.saturating_add(1))
            .filter_map(|year| self.in_year(year))
            .min_by_key(|at| at.micros().saturating_sub(now.micros()).unsigned_abs())
            .ok_or(Reason::TimeOutOfRange)
    }

    fn in_year(self, year: i16) -> Option<Timestamp> {
        let date = Date::new(year, self.month, self.day).ok()?;
        let time = Time::new(self.hour, self.minute, self.second, 0).ok()?;
        let at = TimeZone::UTC.to_timestamp(DateTime::from_parts(date, time)).ok()?;
        Some(Timestamp::from_micros(at.as_microsecond()))
    }
}

/// The day that fields 13, 15 and 17 name by month and day (MMDD), in the year that brings it closest to `near`.
/// `Err(TimeOutOfRange)` for what is no day in any of the years around.
pub fn acquirer_day(month_and_day: u16, near: Date) -> Result<Date, Reason> {
    let part = |number: u16| i8::try_from(number).map_err(|_| Reason::TimeOutOfRange);
    let (month, day) = (part(month_and_day / 100)?, part(month_and_day % 100)?);
    let years = near.year().saturating_sub(1)..=near.year().saturating_add(1);
    years
        .filter_map(|year| Date::new(year, month, day).ok())
        .min_by_key(|date| date.since(near).map_or(i32::MAX, |span| span.get_days().abs()))
        .ok_or(Reason::TimeOutOfRange)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::from_micros(text.parse::<jiff::Timestamp>().unwrap().as_microsecond())
    }

    #[test]
    fn m7_a_time_without_a_year_is_the_one_closest_to_the_clock() {
        let sent = |month, day, hour| SentAt { month, day, hour, minute: 0, second: 1 };
        for (now, sent, wanted) in [
            ("2026-11-22T20:00:00Z", sent(11, 22, 19), "2026-11-22T19:00:01Z"),
            ("2027-01-01T00:00:05Z", sent(12, 31, 23), "2026-12-31T23:00:01Z"),
            ("2026-12-31T23:59:59Z", sent(1, 1, 0), "2027-01-01T00:00:01Z"),
            ("2028-03-01T12:00:00Z", sent(2, 29, 12), "2028-02-29T12:00:01Z"),
        ] {
            assert_eq!(sent.near(at(now)), Ok(at(wanted)), "{now}");
        }
        for sent in [sent(13, 1, 0), sent(0, 1, 0), sent(4, 31, 0), sent(1, 1, 24), sent(2, 29, 0)] {
            assert_eq!(sent.near(at("2026-06-30T12:00:00Z")), Err(Reason::TimeOutOfRange), "{sent:?}");
        }
    }

    #[test]
    fn m7_a_day_without_a_year_is_the_one_closest_to_another() {
        let day = |text: &str| text.parse::<Date>().unwrap();
        assert_eq!(acquirer_day(1122, day("2026-11-23")), Ok(day("2026-11-22")));
        assert_eq!(acquirer_day(101, day("2026-12-31")), Ok(day("2027-01-01")));
        assert_eq!(acquirer_day(1231, day("2027-01-01")), Ok(day("2026-12-31")));
        for none in [0, 1301, 1131, 9999, 60_000] {
            assert_eq!(acquirer_day(none, day("2026-11-23")), Err(Reason::TimeOutOfRange), "{none}");
        }
    }
}
