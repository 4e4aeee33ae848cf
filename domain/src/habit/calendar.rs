//! Days of the week and parts of the day, with their names.

use jiff::civil::Date;

use crate::Reason;

macro_rules! names {
    ($(#[$doc:meta])* $name:ident: $($variant:ident $word:literal $en:literal $zh:literal;)*) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[allow(missing_docs, reason = "their names say it")]
        pub enum $name { $($variant,)* }

        impl $name {
            /// All of them, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The word that is stored.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// The name for people who read English.
            pub const fn english(self) -> &'static str {
                match self { $(Self::$variant => $en,)* }
            }

            /// The name for people who read Chinese (zh-CN).
            pub const fn chinese(self) -> &'static str {
                match self { $(Self::$variant => $zh,)* }
            }

            /// Reads the word that is stored. `Err(FieldUnknown)`.
            pub fn parse(text: &str) -> Result<Self, Reason> {
                Self::ALL.iter().copied().find(|one| one.as_str() == text).ok_or(Reason::FieldUnknown)
            }
        }
    };
}

names! {
    /// A day of the week, from Monday on as in ISO 8601.
    Weekday:
    Monday "MONDAY" "Monday" "星期一";
    Tuesday "TUESDAY" "Tuesday" "星期二";
    Wednesday "WEDNESDAY" "Wednesday" "星期三";
    Thursday "THURSDAY" "Thursday" "星期四";
    Friday "FRIDAY" "Friday" "星期五";
    Saturday "SATURDAY" "Saturday" "星期六";
    Sunday "SUNDAY" "Sunday" "星期日";
}

names! {
    /// A part of the day: all that a bank learns of the hour.
    HourBand:
    Night "NIGHT" "0:00 to 6:00" "0点至6点";
    Morning "MORNING" "6:00 to 11:00" "6点至11点";
    Midday "MIDDAY" "11:00 to 14:00" "11点至14点";
    Afternoon "AFTERNOON" "14:00 to 18:00" "14点至18点";
    Evening "EVENING" "18:00 to 24:00" "18点至24点";
}

impl Weekday {
    /// The weekday of a date.
    pub fn of(date: Date) -> Self {
        match date.weekday() {
            jiff::civil::Weekday::Monday => Self::Monday,
            jiff::civil::Weekday::Tuesday => Self::Tuesday,
            jiff::civil::Weekday::Wednesday => Self::Wednesday,
            jiff::civil::Weekday::Thursday => Self::Thursday,
            jiff::civil::Weekday::Friday => Self::Friday,
            jiff::civil::Weekday::Saturday => Self::Saturday,
            jiff::civil::Weekday::Sunday => Self::Sunday,
        }
    }

    /// How many days after Monday it is.
    pub(super) const fn days_after_monday(self) -> i64 {
        self as i64
    }
}

impl HourBand {
    /// The part of the day in which this hour lies, 0 to 23.
    pub const fn of(hour: u8) -> Self {
        match hour {
            0..=5 => Self::Night,
            6..=10 => Self::Morning,
            11..=13 => Self::Midday,
            14..=17 => Self::Afternoon,
            _ => Self::Evening,
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;
    use jiff::civil::date;

    use super::*;

    #[test]
    fn weekdays_and_parts_of_the_day_are_read_as_they_are_written() {
        let monday = date(2026, 11, 16);
        for (number, weekday) in (0_i64..).zip(Weekday::ALL.iter().copied()) {
            assert_eq!(Weekday::of(monday.saturating_add(number.days())), weekday);
            assert_eq!(weekday.days_after_monday(), number);
            assert_eq!(Weekday::parse(weekday.as_str()), Ok(weekday));
        }
        for band in HourBand::ALL {
            assert_eq!(HourBand::parse(band.as_str()), Ok(*band));
            let hours: Vec<u8> = (0..24).filter(|hour| HourBand::of(*hour) == *band).collect();
            assert!(band.english().starts_with(&format!("{}:00", hours[0])), "{band:?}");
            assert!(band.english().ends_with(&format!("{}:00", hours[hours.len() - 1] + 1)), "{band:?}");
        }
        assert_eq!(Weekday::parse("Monday"), Err(Reason::FieldUnknown));
    }
}
