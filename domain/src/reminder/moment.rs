//! When a time of day is, on a day, in a zone.

use jiff::civil::{Date, Time};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp as Instant, ToSpan};

use crate::Timestamp;

/// The day of this month, or its last one when it has fewer.
pub(super) fn day_in_month_of(month: Date, day: u8) -> Date {
    let wanted = i8::try_from(day).unwrap_or(i8::MAX).clamp(1, month.days_in_month());
    Date::new(month.year(), month.month(), wanted).unwrap_or(month)
}

/// Which day it is; nothing outside of the years that a calendar has.
pub(super) fn today(now: Timestamp, zone: &TimeZone) -> Option<Date> {
    Some(zone.to_datetime(Instant::from_microsecond(now.micros()).ok()?).date())
}

/// The first moment at which clocks in the zone show this or, where they skip it, anything later. Nothing outside of the
/// years that a calendar has.
pub(super) fn moment(on: Date, at: Time, zone: &TimeZone) -> Option<Timestamp> {
    let shown = on.to_datetime(at);
    let instant = match zone.to_ambiguous_timestamp(shown).offset() {
        AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(shown).ok()?,
        AmbiguousOffset::Fold { before, .. } => before.to_timestamp(shown).ok()?,
        AmbiguousOffset::Gap { before, .. } => {
            // By the old offset it comes as long after the change as it is behind the beginning of the gap.
            let behind = before.to_timestamp(shown).ok()?;
            let just_after = behind.checked_add(1.nanosecond()).ok()?;
            zone.preceding(just_after).next().map_or(behind, |change| change.timestamp())
        }
    };
    Some(Timestamp::from_micros(instant.as_microsecond()))
}

#[cfg(test)]
mod tests {
    use jiff::civil::{date, time};
    use jiff::tz::Offset;

    use super::*;

    const BERLIN: &str = "CET-1CEST,M3.5.0,M10.5.0/3";
    /// Half an hour only, on the other half of the globe.
    const LORD_HOWE: &str = "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0";
    /// Clocks leap at midnight, so that a day begins at 01:00.
    const MIDNIGHT: &str = "AAA3BBB,M10.3.0/0,M2.3.0/0";
    /// As Pacific/Apia did at the end of 2011: from ten hours behind to fourteen ahead, without a 30 December.
    const APIA: &str = "<-10>10<+14>-14,M12.5.5/0,M4.1.0/4";

    #[test]
    fn r10_a_time_that_is_skipped_is_the_first_moment_after_and_one_that_comes_twice_the_first() {
        let table = [
            ("before the gap", BERLIN, date(2026, 3, 29), time(1, 59, 0, 0), "2026-03-29T00:59:00Z"),
            ("where the gap begins", BERLIN, date(2026, 3, 29), time(2, 0, 0, 0), "2026-03-29T01:00:00Z"),
            ("in the gap", BERLIN, date(2026, 3, 29), time(2, 59, 0, 0), "2026-03-29T01:00:00Z"),
            ("after the gap", BERLIN, date(2026, 3, 29), time(3, 0, 0, 0), "2026-03-29T01:00:00Z"),
            ("twice", BERLIN, date(2026, 10, 25), time(2, 30, 0, 0), "2026-10-25T00:30:00Z"),
            ("once again", BERLIN, date(2026, 10, 25), time(3, 0, 0, 0), "2026-10-25T02:00:00Z"),
            ("a gap of half an hour", LORD_HOWE, date(2026, 10, 4), time(2, 15, 0, 0), "2026-10-03T15:30:00Z"),
            ("half an hour twice", LORD_HOWE, date(2026, 4, 5), time(1, 45, 0, 0), "2026-04-04T14:45:00Z"),
            ("a day that begins at one", MIDNIGHT, date(2026, 10, 18), time(0, 30, 0, 0), "2026-10-18T03:00:00Z"),
            ("the day before the one without", APIA, date(2011, 12, 29), time(9, 0, 0, 0), "2011-12-29T19:00:00Z"),
            ("on a day that there is not", APIA, date(2011, 12, 30), time(9, 0, 0, 0), "2011-12-30T10:00:00Z"),
            ("the day after it", APIA, date(2011, 12, 31), time(9, 0, 0, 0), "2011-12-30T19:00:00Z"),
        ];
        for (name, zone, on, at, wanted) in table {
            let got = moment(on, at, &TimeZone::posix(zone).unwrap()).unwrap();
            assert_eq!(Instant::from_microsecond(got.micros()).unwrap().to_string(), wanted, "{name}");
        }
    }

    #[test]
    fn r10_the_ends_of_the_calendar_have_no_moment() {
        let far = TimeZone::fixed(Offset::constant(-12));
        assert_eq!(moment(Date::MAX, time(23, 0, 0, 0), &far), None);
        assert_eq!(today(Timestamp::from_micros(i64::MAX), &far), None);
        assert_eq!(today(Timestamp::from_secs(0), &far), Some(date(1969, 12, 31)));
    }
}
