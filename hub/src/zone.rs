//! Time zones, and the days that they have.

use domain::{Reason, Timestamp};
use jiff::civil::Date;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use serde::Deserialize;

/// A time zone by its name in the IANA database, by the rules that this program brings along.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Zone {
    name: String,
    rules: TimeZone,
}

/// A zone is shown as it is configured, by its name.
impl std::fmt::Debug for Zone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.name.fmt(f)
    }
}

impl Zone {
    /// The time zone of China.
    pub fn shanghai() -> Self {
        // These rules have been the same since 1991.
        Self::parse("Asia/Shanghai")
            .unwrap_or_else(|_| Self { name: "Asia/Shanghai".to_owned(), rules: TimeZone::fixed(jiff::tz::offset(8)) })
    }

    pub fn parse(name: &str) -> Result<Self, Reason> {
        let rules = TimeZoneDatabase::bundled().get(name).map_err(|_| Reason::TimeZoneUnknown)?;
        // The database finds names whatever their case, and has one spelling of each.
        let name = rules.iana_name().ok_or(Reason::TimeZoneUnknown)?.to_owned();
        Ok(Self { name, rules })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn rules(&self) -> &TimeZone {
        &self.rules
    }
}

impl TryFrom<String> for Zone {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        Self::parse(&name).map_err(|_| "no time zone of the IANA database has this name".to_owned())
    }
}

impl Default for Zone {
    fn default() -> Self {
        Self::shanghai()
    }
}

/// The years of which days are asked for.
const YEARS: std::ops::RangeInclusive<i16> = 2000..=2999;

/// A business day as it is asked for, `2026-11-23`. `Err(TimeOutOfRange)` for what is no day of these years.
pub(crate) fn read_day(text: &str) -> Result<Date, Reason> {
    let day: Date = text.parse().map_err(|_| Reason::TimeOutOfRange)?;
    // It has other spellings, too, which are not those that are stored.
    if day.to_string() == text && YEARS.contains(&day.year()) { Ok(day) } else { Err(Reason::TimeOutOfRange) }
}

/// The day of a moment in a zone.
pub(crate) fn day_of(at: Timestamp, zone: &TimeZone) -> Result<Date, Reason> {
    let at = jiff::Timestamp::from_microsecond(at.micros()).map_err(|_| Reason::Fault)?;
    Ok(zone.to_datetime(at).date())
}

/// The first moment of a day in a zone.
pub(crate) fn start_of(day: Date, zone: &TimeZone) -> Result<Timestamp, Reason> {
    let start = zone.to_zoned(day.to_datetime(jiff::civil::Time::midnight())).map_err(|_| Reason::Fault)?;
    Ok(Timestamp::from_micros(start.timestamp().as_microsecond()))
}
