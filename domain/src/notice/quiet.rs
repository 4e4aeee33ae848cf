//! Quiet hours: the part of each day in which a person does not want to be disturbed, by the clocks where they live.

use jiff::civil::Time;
use jiff::tz::{AmbiguousOffset, TimeZone};

use crate::{Reason, Timestamp};

/// From a time of day until another one, which may be on the next day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuietHours {
    from: Time,
    until: Time,
}

impl QuietHours {
    /// Two times of whole minutes, which must differ: a whole quiet day is what preferences are for.
    pub fn new(from: Time, until: Time) -> Result<Self, Reason> {
        let is_whole = |time: Time| time.second() == 0 && time.subsec_nanosecond() == 0;
        let fine = from != until && is_whole(from) && is_whole(until);
        if fine { Ok(Self { from, until }) } else { Err(Reason::QuietHoursMalformed) }
    }

    /// From two numbers of minutes after midnight, as they are stored.
    pub fn from_minutes(from: i64, until: i64) -> Result<Self, Reason> {
        let time = |minutes: i64| {
            let (hour, minute) = (i8::try_from(minutes / 60).ok()?, i8::try_from(minutes % 60).ok()?);
            Time::new(hour, minute, 0, 0).ok()
        };
        let both = time(from).zip(time(until)).ok_or(Reason::QuietHoursMalformed)?;
        Self::new(both.0, both.1)
    }

    /// The minutes after midnight between which it is quiet.
    pub fn minutes(self) -> (i64, i64) {
        let minutes = |time: Time| i64::from(time.hour()) * 60 + i64::from(time.minute());
        (minutes(self.from), minutes(self.until))
    }

    fn contains(self, time: Time) -> bool {
        if self.from < self.until {
            self.from <= time && time < self.until
        } else {
            self.from <= time || time < self.until
        }
    }

    /// The first point in time from `at` on that is not quiet where the clocks show `zone`.
    ///
    /// Where clocks are set back over the end of the quiet hours, it is quiet again until they show it for the second time.
    /// Where they are set forward over it, the quiet ends with the change.
    pub fn over(self, at: Timestamp, zone: &TimeZone) -> Timestamp {
        let Ok(instant) = jiff::Timestamp::from_microsecond(at.micros()) else { return at };
        let local = zone.to_datetime(instant);
        if !self.contains(local.time()) {
            return at;
        }
        let after_midnight = local.time() < self.until;
        let day = if after_midnight { Ok(local.date()) } else { local.date().tomorrow() };
        let Ok(day) = day else { return at };
        let ends = zone.to_ambiguous_timestamp(day.to_datetime(self.until));
        let end = match ends.offset() {
            AmbiguousOffset::Gap { after, .. } => {
                // By the offset from after the change, a time in the gap names an instant before it.
                let before = after.to_timestamp(day.to_datetime(self.until)).ok();
                before.and_then(|before| zone.following(before).next()).map(|change| change.timestamp())
            }
            AmbiguousOffset::Fold { .. } => {
                let first = ends.earlier().ok();
                first.filter(|first| *first > instant).or_else(|| ends.later().ok())
            }
            AmbiguousOffset::Unambiguous { .. } => ends.compatible().ok(),
        };
        end.map_or(at, |end| Timestamp::from_micros(end.as_microsecond()).max(at))
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZoneDatabase;
    use proptest::prelude::*;

    use super::*;

    fn zone(name: &str) -> TimeZone {
        TimeZoneDatabase::bundled().get(name).unwrap()
    }

    fn at(text: &str) -> Timestamp {
        Timestamp::from_micros(text.parse::<jiff::Timestamp>().unwrap().as_microsecond())
    }

    fn quiet(from: &str, until: &str) -> QuietHours {
        QuietHours::new(from.parse().unwrap(), until.parse().unwrap()).unwrap()
    }

    #[test]
    fn r6_a_notice_waits_until_the_quiet_hours_are_over() {
        for (hours, place, now, sent) in [
            // Over midnight, in Shanghai (UTC+8).
            (("22:00", "07:30"), "Asia/Shanghai", "2026-03-01T13:59:59Z", "2026-03-01T13:59:59Z"),
            (("22:00", "07:30"), "Asia/Shanghai", "2026-03-01T14:00:00Z", "2026-03-01T23:30:00Z"),
            (("22:00", "07:30"), "Asia/Shanghai", "2026-03-01T20:00:00Z", "2026-03-01T23:30:00Z"),
            (("22:00", "07:30"), "Asia/Shanghai", "2026-03-01T23:30:00Z", "2026-03-01T23:30:00Z"),
            // A rest at noon.
            (("12:00", "14:00"), "Asia/Shanghai", "2026-03-01T05:00:00Z", "2026-03-01T06:00:00Z"),
            // New York, 8 March 2026: 02:00 becomes 03:00. There is no 02:30, so the quiet ends with the change.
            (("22:00", "02:30"), "America/New_York", "2026-03-08T06:59:00Z", "2026-03-08T07:00:00Z"),
            (("22:00", "07:00"), "America/New_York", "2026-03-08T06:59:00Z", "2026-03-08T11:00:00Z"),
            // Quiet hours that lie in the gap do not happen.
            (("02:10", "02:40"), "America/New_York", "2026-03-08T07:00:00Z", "2026-03-08T07:00:00Z"),
            // New York, 1 November 2026: 01:00 to 02:00 comes twice; 01:30 is over at 05:30Z and again at 06:30Z.
            (("22:00", "01:30"), "America/New_York", "2026-11-01T05:10:00Z", "2026-11-01T05:30:00Z"),
            (("22:00", "01:30"), "America/New_York", "2026-11-01T05:40:00Z", "2026-11-01T05:40:00Z"),
            (("22:00", "01:30"), "America/New_York", "2026-11-01T06:10:00Z", "2026-11-01T06:30:00Z"),
            // Samoa had no 30 December 2011: after the evening of the 29th comes the 31st.
            (("22:00", "07:00"), "Pacific/Apia", "2011-12-30T09:00:00Z", "2011-12-30T10:00:00Z"),
        ] {
            let over = quiet(hours.0, hours.1).over(at(now), &zone(place));
            assert_eq!(
                over,
                at(sent),
                "{hours:?} {place} {now}: {:?}",
                jiff::Timestamp::from_microsecond(over.micros())
            );
        }
    }

    #[test]
    fn quiet_hours_are_stored_as_minutes() {
        assert_eq!(QuietHours::from_minutes(1_320, 450), Ok(quiet("22:00", "07:30")));
        assert_eq!(quiet("22:00", "07:30").minutes(), (1_320, 450));
        for (from, until) in [(0, 0), (60, 60), (-1, 5), (0, 1_440), (i64::MAX, 1), (i64::MIN, 1)] {
            assert_eq!(QuietHours::from_minutes(from, until), Err(Reason::QuietHoursMalformed), "{from} {until}");
        }
    }

    proptest! {
        /// Whatever the zone and the hours: never in the past, never two days away, and then it is not quiet.
        #[test]
        fn r6_what_was_held_back_goes_out_within_a_day_or_two(
            seconds in 1_200_000_000_i64..2_000_000_000,
            from in 0_i64..1_440,
            until in 0_i64..1_440,
            place in prop::sample::select(vec![
                "Asia/Shanghai", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Pacific/Apia", "Africa/Casablanca",
                "America/St_Johns", "Asia/Kathmandu", "UTC",
            ]),
        ) {
            prop_assume!(from != until);
            let (now, hours, zone) = (Timestamp::from_secs(seconds), QuietHours::from_minutes(from, until).unwrap(), zone(place));
            let over = hours.over(now, &zone);
            prop_assert!(over >= now);
            prop_assert!(over.since(now) <= std::time::Duration::from_secs(26 * 3_600));
            let instant = jiff::Timestamp::from_microsecond(over.micros()).unwrap();
            // Unless the hours that are not quiet lie in a gap altogether, which then is over in the moment of the change.
            let changes = zone.preceding(instant + jiff::Span::new().seconds(1)).next().is_some_and(|c| c.timestamp() == instant);
            prop_assert!(!hours.contains(zone.to_datetime(instant).time()) || changes);
        }
    }
}
