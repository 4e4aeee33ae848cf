//! Days in the bank's time zone.

use std::str::FromStr;

use domain::Timestamp;
use jiff::ToSpan as _;
use jiff::civil::{Date, Time};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use serde::{Deserialize, Deserializer};
use server_kit::store::{StoreError, Tx};

/// A time zone by its name in the IANA database, such as `Asia/Shanghai`, by the rules that this program brings along.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneName(TimeZone);

impl ZoneName {
    /// The time zone of China.
    pub fn shanghai() -> Self {
        // The rules are compiled in, so that they are always found; and these have been the same since 1991.
        let known = TimeZoneDatabase::bundled().get("Asia/Shanghai");
        Self(known.unwrap_or_else(|_| TimeZone::fixed(jiff::tz::offset(8))))
    }
}

impl FromStr for ZoneName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = TimeZoneDatabase::bundled().get(text);
        known.map(Self).map_err(|_| "no time zone of the IANA database has this name".to_owned())
    }
}

impl<'de> Deserialize<'de> for ZoneName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A time of day as `HH:MM`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeOfDay(Time);

impl TimeOfDay {
    pub const fn new(time: Time) -> Self {
        Self(time)
    }
}

impl FromStr for TimeOfDay {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let time = if text.len() == 5 { Time::strptime("%H:%M", text).ok() } else { None };
        time.map(Self).ok_or_else(|| "a time of day is HH:MM, from 00:00 to 23:59".to_owned())
    }
}

impl<'de> Deserialize<'de> for TimeOfDay {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The bank's days, and when the schedule closes them.
#[derive(Clone, Debug)]
pub struct Calendar {
    zone: TimeZone,
    close_at: Time,
}

impl Calendar {
    pub fn new(zone: ZoneName, close_at: TimeOfDay) -> Self {
        Self { zone: zone.0, close_at: close_at.0 }
    }

    /// The day that it is at the bank at this point in time. Every point in time is of one day, whatever the clocks on its walls
    /// are put to; but where they are put back over midnight, a day comes again for a while after it was over: see [`Today`].
    pub fn day_of(&self, at: Timestamp) -> Date {
        self.local(at).date()
    }

    /// The last day that is over.
    pub fn yesterday(&self, now: Timestamp) -> Date {
        self.day_of(now).saturating_sub(1.day())
    }

    /// The last day that the schedule closes at this point in time: yesterday, once it is late enough.
    pub fn due_through(&self, now: Timestamp) -> Date {
        let local = self.local(now);
        let days = if local.time() >= self.close_at { 1 } else { 2 };
        local.date().saturating_sub(days.days())
    }

    fn local(&self, at: Timestamp) -> jiff::civil::DateTime {
        let ends = [jiff::Timestamp::MIN, jiff::Timestamp::MAX].map(jiff::Timestamp::as_microsecond);
        let micros = at.micros().clamp(ends[0], ends[1]);
        self.zone.to_datetime(jiff::Timestamp::from_microsecond(micros).unwrap_or(jiff::Timestamp::MAX))
    }
}

/// Today for the ledger's one writer. It never goes back, so that no entry is dated on a day that may be closed: not when clocks are
/// put back over midnight, nor when the machine's clock is corrected.
#[derive(Debug)]
pub(crate) struct Today {
    calendar: Calendar,
    /// The latest day that a set was told; `None` before the first one.
    latest: Option<Date>,
}

impl Today {
    pub(crate) const fn new(calendar: Calendar) -> Self {
        Self { calendar, latest: None }
    }

    /// The day on which this transaction takes place.
    pub(crate) async fn of(&mut self, tx: &mut Tx) -> Result<Date, StoreError> {
        let now = self.calendar.day_of(tx.now());
        let floor = match self.latest {
            Some(latest) => latest,
            None => super::sql::day_after_the_last_closed(tx).await?.unwrap_or(now),
        };
        let today = now.max(floor);
        self.latest = Some(today);
        Ok(today)
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::{date, time};

    use super::*;

    fn calendar(zone: &str) -> Calendar {
        Calendar::new(zone.parse().unwrap(), "00:10".parse().unwrap())
    }

    fn at(text: &str) -> Timestamp {
        Timestamp::from_micros(text.parse::<jiff::Timestamp>().unwrap().as_microsecond())
    }

    #[test]
    fn a_point_in_time_is_of_one_day_in_the_banks_zone() {
        let table = [
            ("Asia/Shanghai", "2026-01-05T15:59:59.999999Z", date(2026, 1, 5)),
            ("Asia/Shanghai", "2026-01-05T16:00:00Z", date(2026, 1, 6)),
            // Clocks were put forward at midnight: the day began at 01:00.
            ("America/Sao_Paulo", "2018-11-04T02:59:59Z", date(2018, 11, 3)),
            ("America/Sao_Paulo", "2018-11-04T03:00:00Z", date(2018, 11, 4)),
            // Clocks were put back at midnight: the hour before it came twice, and was of one day.
            ("America/Sao_Paulo", "2018-02-18T01:59:59Z", date(2018, 2, 17)),
            ("America/Sao_Paulo", "2018-02-18T02:00:00Z", date(2018, 2, 17)),
            ("America/Sao_Paulo", "2018-02-18T02:59:59Z", date(2018, 2, 17)),
            ("America/Sao_Paulo", "2018-02-18T03:00:00Z", date(2018, 2, 18)),
            ("Africa/Cairo", "2024-04-25T21:59:59Z", date(2024, 4, 25)),
            ("Africa/Cairo", "2024-04-25T22:00:00Z", date(2024, 4, 26)),
            // Clocks were put back one minute after midnight: the day before came again.
            ("America/St_Johns", "2010-11-07T02:30:30Z", date(2010, 11, 7)),
            ("America/St_Johns", "2010-11-07T02:31:00Z", date(2010, 11, 6)),
            // A day that was left out.
            ("Pacific/Apia", "2011-12-30T09:59:59Z", date(2011, 12, 29)),
            ("Pacific/Apia", "2011-12-30T10:00:00Z", date(2011, 12, 31)),
        ];
        for (zone, instant, day) in table {
            assert_eq!(calendar(zone).day_of(at(instant)), day, "{zone} {instant}");
        }
    }

    #[test]
    fn c7_the_schedule_closes_a_day_shortly_after_midnight() {
        let shanghai = calendar("Asia/Shanghai");
        let table = [
            ("2026-01-05T16:00:00Z", date(2026, 1, 4)),
            ("2026-01-05T16:09:59Z", date(2026, 1, 4)),
            ("2026-01-05T16:10:00Z", date(2026, 1, 5)),
            ("2026-01-06T15:59:59Z", date(2026, 1, 5)),
        ];
        for (instant, through) in table {
            assert_eq!(shanghai.due_through(at(instant)), through, "{instant}");
        }
        // 00:10 did not exist on this day; it is late enough at 01:00.
        assert_eq!(calendar("America/Sao_Paulo").due_through(at("2018-11-04T03:00:00Z")), date(2018, 11, 3));
        for end in [i64::MIN, i64::MAX] {
            shanghai.due_through(Timestamp::from_micros(end));
        }
    }

    #[test]
    fn zones_and_times_of_day_are_read_or_refused() {
        assert!("Asia/Shanghai".parse::<ZoneName>().is_ok() && "UTC".parse::<ZoneName>().is_ok());
        for bad in ["", "Asia/Nowhere", "+08:00", "../etc/localtime"] {
            assert!(bad.parse::<ZoneName>().is_err(), "{bad}");
        }
        assert_eq!("00:10".parse(), Ok(TimeOfDay::new(time(0, 10, 0, 0))));
        assert_eq!("23:59".parse(), Ok(TimeOfDay::new(time(23, 59, 0, 0))));
        for bad in ["", "0:10", "24:00", "00:60", "00:10:00", "midnight", "0010"] {
            assert!(bad.parse::<TimeOfDay>().is_err(), "{bad}");
        }
    }
}
