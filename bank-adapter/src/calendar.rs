//! Days as the bank counts them: in its own time zone.

use domain::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// The bank's calendar.
#[derive(Clone, Debug)]
pub struct Calendar {
    zone: TimeZone,
}

/// There is no such time zone in the IANA database that is built in.
#[derive(Debug, thiserror::Error)]
#[error("there is no time zone {0:?}")]
pub struct UnknownZone(pub String);

impl Calendar {
    /// The calendar of a time zone of the IANA database, such as `Asia/Shanghai`.
    pub fn of(zone: &str) -> Result<Self, UnknownZone> {
        let zone = TimeZone::get(zone).map_err(|_| UnknownZone(zone.to_owned()))?;
        Ok(Self { zone })
    }

    /// The day that it is at this moment. Moments that jiff cannot say, thousands of years away, are in the first year.
    pub fn day(&self, at: Timestamp) -> Date {
        let at = jiff::Timestamp::from_microsecond(at.micros()).unwrap_or(jiff::Timestamp::MIN);
        self.zone.to_datetime(at).date()
    }
}

impl Default for Calendar {
    fn default() -> Self {
        Self { zone: TimeZone::UTC }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn a_day_begins_at_midnight_of_the_bank() {
        let bank = Calendar::of("Asia/Shanghai").unwrap();
        // 2026-01-01T15:59:59Z and a second later.
        let before = Timestamp::from_secs(1_767_283_199);
        assert_eq!(bank.day(before), date(2026, 1, 1));
        assert_eq!(bank.day(Timestamp::from_secs(1_767_283_200)), date(2026, 1, 2));
        assert_eq!(Calendar::default().day(before), date(2026, 1, 1));
        assert!(Calendar::of("Asia/Nowhere").is_err());
    }
}
