//! When somebody buys: in which rhythm, and how to say it.
//!
//! A rhythm is seen in the days on which something was bought, of which the last [`Days::KEPT`](super::Days::KEPT) are known;
//! how often on a day and for how much is not looked at. Buying often is not yet buying on Fridays: a rhythm is said only when
//! the days that fit it are enough of the last ones, and stand out among all days on which something was bought.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use jiff::ToSpan;
use jiff::civil::Date;

use super::{Facet, Habits, Key, Weekday};

/// From when on something is called a habit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// How many of the last weeks are looked at, 1 to 26.
    pub weeks: u8,
    /// On how many of the last such weekdays something has to have been bought. At least two in seven of all days on which
    /// something was bought in these weeks must be such weekdays, too: twice what chance would give.
    pub weekly_hits: u8,
    /// How many of the last months are looked at, 1 to 5.
    pub months: u8,
    /// In how many of them something has to have been bought around the day. At least half of all days on which something
    /// was bought since the first must lie around it, too.
    pub monthly_hits: u8,
    /// How many days before or after are still around the day, up to 7.
    pub around_days: u8,
}

impl Thresholds {
    /// On 4 of the last 6 Fridays; in 3 of the last 4 months within 2 days of the 5th.
    pub const USUAL: Self = Self { weeks: 6, weekly_hits: 4, months: 4, monthly_hits: 3, around_days: 2 };

    fn weeks(&self) -> u8 {
        self.weeks.clamp(1, 26)
    }

    fn months(&self) -> u8 {
        self.months.clamp(1, 5)
    }

    /// On fewer days nothing can be a habit, since each hit is on a day of its own.
    fn fewest_days(&self) -> usize {
        let most_days = self.weeks().saturating_mul(7).saturating_mul(2).div_ceil(3);
        usize::from(self.weekly_hits.max(1).min(self.monthly_hits.max(1)).min(most_days))
    }
}

/// The rhythm of a habit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rhythm {
    /// On two days of three or more; which weekdays they are says nothing then.
    MostDays,
    /// On this day of the week.
    Weekly(Weekday),
    /// Around this day of the month, 1 to 31; a shorter month's last day stands for days that it does not have.
    Monthly(u8),
}

/// What explains why something is called a habit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// In which rhythm.
    pub rhythm: Rhythm,
    /// How many times it was kept.
    pub hits: u8,
    /// Out of how many: days, weekdays or months, the last ones.
    pub of: u8,
}

/// A merchant or a category and the rhythm in which somebody buys there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Habit {
    /// The merchant or the category.
    pub key: Key,
    /// Why it is called a habit.
    pub pattern: Pattern,
}

/// The habits in somebody's purchases at merchants and in categories, in whatever currency, by key.
pub fn patterns(habits: &Habits, today: Date, thresholds: &Thresholds) -> Vec<Habit> {
    let mut days: BTreeMap<&Key, BTreeSet<Date>> = BTreeMap::new();
    for row in habits.of(Facet::Merchant).chain(habits.of(Facet::Category)) {
        days.entry(&row.key).or_default().extend(row.days.iter().map(|(on, _)| on));
    }
    let calendar = Calendar::of(today, thresholds);
    let habit = |(key, days): (&Key, BTreeSet<Date>)| {
        let habit = |pattern| Habit { key: key.clone(), pattern };
        calendar.rhythms(&days).into_iter().map(habit).collect::<Vec<_>>()
    };
    days.into_iter().flat_map(habit).collect()
}

/// A day as how many days it is from today: 0 is today, -1 yesterday. Dates are counted once; the rest is arithmetic.
type FromToday = i64;

/// Months that may be looked at: from the next one back.
const NEXT: i64 = -1;
const OLDEST: i64 = 6;
const MONTHS: usize = (OLDEST - NEXT + 1) as usize;

/// One day of the month in each of the months that may be looked at, the next one first.
struct DayOfMonth {
    day: u8,
    on: [FromToday; MONTHS],
}

/// What all that somebody buys is held against today.
pub(super) struct Calendar<'t> {
    today: Date,
    weekday: Weekday,
    thresholds: &'t Thresholds,
    days_of_month: Vec<DayOfMonth>,
}

impl<'t> Calendar<'t> {
    pub(super) fn of(today: Date, thresholds: &'t Thresholds) -> Self {
        let first = today.first_of_month();
        let months: Vec<Date> = (NEXT..=OLDEST).map(|ago| first.saturating_sub(ago.months())).collect();
        let on = |day: u8| {
            let mut on = [0; MONTHS];
            on.iter_mut().zip(&months).for_each(|(on, month)| *on = from_today(today, in_month(*month, day)));
            DayOfMonth { day, on }
        };
        Self { today, weekday: Weekday::of(today), thresholds, days_of_month: (1..=31).map(on).collect() }
    }

    /// The rhythms in these days: that of most days alone, or those of weekdays, or the best one of a month.
    pub(super) fn rhythms(&self, days: &BTreeSet<Date>) -> Vec<Pattern> {
        // Most shops that somebody goes to are met so seldom that no calendar need be looked at.
        if days.len() < self.thresholds.fewest_days() {
            return Vec::new();
        }
        let days: Vec<FromToday> = days.iter().map(|on| from_today(self.today, *on)).collect();
        if let Some(pattern) = self.most_days(&days) {
            return vec![pattern];
        }
        let weekly: Vec<Pattern> = Weekday::ALL.iter().filter_map(|weekday| self.weekly(&days, *weekday)).collect();
        if weekly.is_empty() { self.monthly(&days).into_iter().collect() } else { weekly }
    }

    fn most_days(&self, days: &[FromToday]) -> Option<Pattern> {
        let of = self.thresholds.weeks().saturating_mul(7);
        // A day that is not over counts only for the habit.
        let last = if is_among(days, 0) { 0 } else { -1 };
        let hits = count(within(days, last - (i64::from(of) - 1), last));
        (u16::from(hits) * 3 >= u16::from(of) * 2).then_some(Pattern { rhythm: Rhythm::MostDays, hits, of })
    }

    fn weekly(&self, days: &[FromToday], weekday: Weekday) -> Option<Pattern> {
        let of = self.thresholds.weeks();
        let ago = (self.weekday.days_after_monday() - weekday.days_after_monday()).rem_euclid(7);
        let ago = if ago == 0 && !is_among(days, 0) { 7 } else { ago };
        let wanted = |week: u8| -(ago + 7 * i64::from(week));
        let hits = (0..of).fold(0, |hits: u8, week| hits.saturating_add(u8::from(is_among(days, wanted(week)))));
        let all = count(within(days, wanted(of - 1), 0));
        let stands_out = u16::from(hits) * 7 >= u16::from(all) * 2;
        let pattern = Pattern { rhythm: Rhythm::Weekly(weekday), hits, of };
        (hits >= self.thresholds.weekly_hits.max(1) && stands_out).then_some(pattern)
    }

    fn monthly(&self, days: &[FromToday]) -> Option<Pattern> {
        let around = self.days_of_month.iter().filter_map(|day| self.around(days, day));
        let best = around.min_by_key(|around| (Reverse(around.hits), around.off_days, around.day))?;
        Some(Pattern { rhythm: Rhythm::Monthly(best.day), hits: best.hits, of: self.thresholds.months() })
    }

    fn around(&self, days: &[FromToday], DayOfMonth { day, on }: &DayOfMonth) -> Option<Around> {
        let slack = i64::from(self.thresholds.around_days.min(7));
        let near = |wanted: FromToday| within(days, wanted - slack, wanted + slack);
        // The days around the next one may have begun. What is not over counts only for the habit.
        let is_open = |wanted: FromToday| wanted + slack >= 0 && near(wanted).is_empty();
        let newest = on.iter().position(|wanted| !is_open(*wanted))?;
        let looked_at = on.get(newest..newest + usize::from(self.thresholds.months()))?;
        let (mut hits, mut inside, mut off_days) = (0_u8, 0_u8, 0);
        for wanted in looked_at {
            let near = near(*wanted);
            inside = inside.saturating_add(count(near));
            if let Some(off) = near.iter().map(|on| (on - wanted).abs()).min() {
                hits = hits.saturating_add(1);
                off_days += off;
            }
        }
        let all = count(within(days, looked_at.last()? - slack, FromToday::MAX));
        let stands_out = u16::from(inside) * 2 >= u16::from(all);
        (hits >= self.thresholds.monthly_hits.max(1) && stands_out).then_some(Around { day: *day, hits, off_days })
    }
}

/// How well days lie around one day of the month: more hits, then nearer to it, are better.
struct Around {
    day: u8,
    hits: u8,
    off_days: i64,
}

fn in_month(month: Date, day: u8) -> Date {
    let day = i8::try_from(day).unwrap_or(i8::MAX).clamp(1, month.days_in_month());
    Date::new(month.year(), month.month(), day).unwrap_or(month)
}

fn from_today(today: Date, on: Date) -> FromToday {
    today.duration_until(on).as_hours() / 24
}

/// Those of the days, which are in order, that lie between two, both among them.
fn within(days: &[FromToday], from: FromToday, to: FromToday) -> &[FromToday] {
    let start = days.partition_point(|on| *on < from);
    let end = days.partition_point(|on| *on <= to);
    days.get(start..end).unwrap_or_default()
}

fn is_among(days: &[FromToday], on: FromToday) -> bool {
    days.binary_search(&on).is_ok()
}

fn count(days: &[FromToday]) -> u8 {
    u8::try_from(days.len()).unwrap_or(u8::MAX)
}

impl Pattern {
    /// What is said to people who read English, of a merchant or a category by its name: `Corner Café: on 4 of the last 6
    /// Fridays`.
    pub fn english(&self, name: &str) -> String {
        let Self { rhythm, hits, of } = self;
        match rhythm {
            Rhythm::MostDays => format!("{name}: on {hits} of the last {of} days"),
            Rhythm::Weekly(weekday) => format!("{name}: on {hits} of the last {of} {}s", weekday.english()),
            Rhythm::Monthly(day) => {
                let ending = match day {
                    1 | 21 | 31 => "st",
                    2 | 22 => "nd",
                    3 | 23 => "rd",
                    _ => "th",
                };
                format!("{name}: around the {day}{ending} in {hits} of the last {of} months")
            }
        }
    }

    /// What is said to people who read Chinese (zh-CN).
    pub fn chinese(&self, name: &str) -> String {
        let Self { rhythm, hits, of } = self;
        match rhythm {
            Rhythm::MostDays => format!("{name}：最近{of}天中有{hits}天"),
            Rhythm::Weekly(weekday) => format!("{name}：最近{of}个{}中有{hits}个", weekday.chinese()),
            Rhythm::Monthly(day) => format!("{name}：最近{of}个月中有{hits}个月在{day}日前后"),
        }
    }
}
