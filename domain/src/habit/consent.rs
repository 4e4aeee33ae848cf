//! What a bank is given of a person's habits, with the person's consent (R5).
//!
//! It is given totals of the last [`WEEKS`] whole weeks by category group, by weekday and by part of the day: never merchants,
//! places, single codes, hours, days or records. Three things keep a single purchase out of it:
//!
//! - No total is of fewer purchases than the floor. Smaller ones are put together, and what is still too small takes the next
//!   larger one with it, so that nothing is left out that could be found as the difference of two sums. What is sensitive
//!   ([`category::is_sensitive`]) is never named, whatever its number: it counts among the others.
//! - Counts are rounded down to a multiple of the floor. Sums are rounded to a step of 1, 2 or 5 × 10^n major units that is at
//!   least one major unit and a twentieth of the sum.
//! - Weeks are whole and over. Whoever asks before and after a purchase gets the same answer until Monday, and then that of a
//!   whole week. The caller keeps the answer of a week and gives it again, so that a refund of an older purchase, too, shows
//!   only in the next one.
//!
//! What this does not protect: a purchase that is a large part of its total shows in the sum of the next week as what it cost,
//! about; a total may come of one merchant; and who watches for months learns the trend, which is what the consent is for.

use std::collections::BTreeMap;

use jiff::ToSpan;
use jiff::civil::Date;

use super::{Bought, HourBand, Key, Row, Weekday};
use crate::category::{self, Group};
use crate::{Currency, Reason};

/// How many whole weeks the totals are of.
const WEEKS: i64 = 12;

/// The fewest purchases of which a total is given, unless an operator asks for more.
pub const FLOOR: i64 = 5;

/// Of which part of the purchases a total is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Slice {
    /// A group of categories.
    Group(Group),
    /// The group other with all groups that are too small to be named and all that is sensitive.
    OtherGroups,
    /// A weekday.
    Weekday(Weekday),
    /// All weekdays that are too small to be named.
    OtherWeekdays,
    /// A part of the day.
    HourBand(HourBand),
    /// All parts of the day that are too small to be named.
    OtherHours,
}

/// A total that a bank is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Consented {
    /// Of which purchases.
    pub slice: Slice,
    /// In which currency.
    pub currency: Currency,
    /// At least so many purchases: a multiple of the floor.
    pub count_at_least: i64,
    /// What they cost, about, in minor units.
    pub sum_about_minor: i64,
}

/// The first and the last day of the weeks that are given on this day: Monday to Sunday, before the week that it is in.
pub fn weeks_given(today: Date) -> (Date, Date) {
    let monday = today.saturating_sub(Weekday::of(today).days_after_monday().days());
    (monday.saturating_sub(WEEKS.weeks()), monday.saturating_sub(1.day()))
}

/// What a bank is given of these habits on this day, by currency and slice. A floor below two counts as two. Counts of
/// currencies are not added up: each has to pass the floor by itself. `Err(AmountTooLarge)` when a sum passes `i64`.
pub fn consented_totals<'r>(
    rows: impl IntoIterator<Item = &'r Row>,
    today: Date,
    floor: i64,
) -> Result<Vec<Consented>, Reason> {
    let floor = floor.max(2);
    let (from, to) = weeks_given(today);
    let mut totals: BTreeMap<(Currency, Slice), Bought> = BTreeMap::new();
    for row in rows {
        let Some(slice) = slice_of(&row.key) else { continue };
        let total = totals.entry((row.currency, slice)).or_default();
        for bought in row.between(from, to, None) {
            *total = total.plus(bought)?;
        }
    }
    let mut by_rest: BTreeMap<(Currency, Slice), Vec<(Slice, Bought)>> = BTreeMap::new();
    for ((currency, slice), total) in totals.into_iter().filter(|(_, total)| total.count > 0) {
        by_rest.entry((currency, rest_of(slice))).or_default().push((slice, total));
    }
    let mut given = Vec::new();
    for ((currency, rest), slices) in by_rest {
        for (slice, total) in put_together(rest, slices, floor)? {
            let sum_about_minor = rounded(total.sum_minor, currency);
            given.push(Consented {
                slice,
                currency,
                count_at_least: total.count - total.count % floor,
                sum_about_minor,
            });
        }
    }
    given.sort_by_key(|total| (total.currency, total.slice));
    Ok(given)
}

/// The slice in which a row counts; none for what a bank never learns.
fn slice_of(key: &Key) -> Option<Slice> {
    match key {
        Key::Category(code) if category::is_sensitive(*code) => Some(Slice::OtherGroups),
        Key::Category(code) => Some(match category::group(*code) {
            Group::Other => Slice::OtherGroups,
            group => Slice::Group(group),
        }),
        Key::Weekday(weekday) => Some(Slice::Weekday(*weekday)),
        Key::Hour(hour) => Some(Slice::HourBand(HourBand::of(*hour))),
        Key::Merchant(_) | Key::Cell(_) | Key::Size(_) => None,
    }
}

/// What takes in the slices that are too small.
const fn rest_of(slice: Slice) -> Slice {
    match slice {
        Slice::Group(_) | Slice::OtherGroups => Slice::OtherGroups,
        Slice::Weekday(_) | Slice::OtherWeekdays => Slice::OtherWeekdays,
        Slice::HourBand(_) | Slice::OtherHours => Slice::OtherHours,
    }
}

/// The slices that pass the floor, with the others in `rest`. When those are below the floor together, the smallest of the
/// first go to them; when all are, nothing is given.
fn put_together(rest: Slice, slices: Vec<(Slice, Bought)>, floor: i64) -> Result<Vec<(Slice, Bought)>, Reason> {
    let (small, mut large): (Vec<_>, Vec<_>) =
        slices.into_iter().partition(|(slice, total)| *slice == rest || total.count < floor);
    let mut together = small.into_iter().try_fold(Bought::NONE, |sum, (_, total)| sum.plus(total))?;
    large.sort_by_key(|(slice, total)| (std::cmp::Reverse(total.count), *slice));
    while (1..floor).contains(&together.count) {
        let Some((_, smallest)) = large.pop() else { return Ok(Vec::new()) };
        together = together.plus(smallest)?;
    }
    if together.count > 0 {
        large.push((rest, together));
    }
    Ok(large)
}

/// The sum to the nearest step.
fn rounded(sum_minor: i64, currency: Currency) -> i64 {
    let mut decade = 10_i64.saturating_pow(currency.exponent());
    let step = loop {
        let step = [1, 2, 5]
            .map(|factor| decade.saturating_mul(factor))
            .into_iter()
            .find(|step| step.saturating_mul(20) >= sum_minor);
        match step {
            Some(step) => break step,
            None => decade = decade.saturating_mul(10),
        }
    };
    let over = sum_minor % step;
    let down = sum_minor - over;
    if over >= step - over { down.saturating_add(step) } else { down }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::super::tests::seen;
    use super::super::{Habits, Observation};
    use super::*;

    /// A Wednesday: what is given is of 31 August to 22 November.
    const TODAY: Date = date(2026, 11, 25);
    const LAST_SUNDAY: Date = date(2026, 11, 22);

    /// So many purchases of one category, one a day, the last on the Sunday before today, at ten in the morning.
    fn many(category: &str, many: i64, amount_minor: i64) -> Vec<Observation> {
        let day = |n: i64| LAST_SUNDAY.saturating_sub((n % 84).days());
        (0..many).map(|n| seen("shop", category, day(n), 10, amount_minor)).collect()
    }

    fn given(records: &[Observation], today: Date) -> Vec<Consented> {
        let mut habits = Habits::default();
        for record in records {
            habits.add(record, today).unwrap();
        }
        consented_totals(habits.rows(), today, FLOOR).unwrap()
    }

    /// Of the groups: which, at least how many, about how much.
    fn groups(given: &[Consented]) -> Vec<(&'static str, i64, i64)> {
        let told = |total: &Consented| match total.slice {
            Slice::Group(group) => Some((group.as_str(), total.count_at_least, total.sum_about_minor)),
            Slice::OtherGroups => Some(("others", total.count_at_least, total.sum_about_minor)),
            _ => None,
        };
        given.iter().filter_map(told).collect()
    }

    #[test]
    fn r5_sums_are_rounded_to_a_step_of_a_major_unit_or_a_twentieth() {
        let yen = Currency::parse("JPY").unwrap();
        let table = [
            (Currency::CNY, 149, 100),
            (Currency::CNY, 150, 200),
            (Currency::CNY, 49, 0),
            (Currency::CNY, 2_049, 2_000),
            (Currency::CNY, 2_249, 2_200),
            (Currency::CNY, 4_499, 4_500),
            (Currency::CNY, 12_345, 12_000),
            (Currency::CNY, 123_456, 120_000),
            (yen, 7, 7),
            (yen, 123, 120),
            (Currency::CNY, i64::MAX, 9_000_000_000_000_000_000),
        ];
        for (currency, sum, wanted) in table {
            assert_eq!(rounded(sum, currency), wanted, "{sum} {currency}");
        }
    }

    #[test]
    fn r5_a_bank_is_given_groups_that_pass_the_floor_and_the_others_together() {
        type Told = &'static [(&'static str, i64, i64)];
        let table: [(&str, Vec<Vec<Observation>>, Told); 9] = [
            ("nothing", vec![], &[]),
            ("below the floor", vec![many("5411", 4, 1_000)], &[]),
            ("at the floor", vec![many("5411", 5, 1_000)], &[("groceries", 5, 5_000)]),
            ("counts are rounded down", vec![many("5411", 9, 1_000)], &[("groceries", 5, 9_000)]),
            (
                "codes of a group are one",
                vec![many("5411", 3, 1_000), many("5462", 3, 1_000)],
                &[("groceries", 5, 6_000)],
            ),
            (
                "small ones pass together",
                vec![many("5411", 10, 1_000), many("5812", 3, 1_000), many("7832", 2, 1_000)],
                &[("groceries", 10, 10_000), ("others", 5, 5_000)],
            ),
            (
                "what is too small takes the smallest with it",
                vec![many("5411", 20, 1_000), many("5812", 10, 1_000), many("7832", 2, 1_000)],
                &[("groceries", 20, 20_000), ("others", 10, 12_000)],
            ),
            (
                "a small one alone takes the only one with it",
                vec![many("5411", 20, 1_000), many("7832", 1, 99_000)],
                &[("others", 20, 120_000)],
            ),
            (
                "health is never named",
                vec![many("5411", 10, 1_000), many("8062", 30, 1_000)],
                &[("groceries", 10, 10_000), ("others", 30, 30_000)],
            ),
        ];
        for (name, records, wanted) in table {
            assert_eq!(groups(&given(&records.concat(), TODAY)), wanted, "{name}");
        }
    }

    #[test]
    fn r5_weekdays_and_parts_of_the_day_are_given_by_the_same_rule_and_nothing_else_is() {
        let fridays =
            (0..6).map(|week| seen("cafe", "5812", date(2026, 11, 20).saturating_sub((week * 7).days()), 12, 3_000));
        let sundays = (0..6).map(|week| seen("shop", "5411", LAST_SUNDAY.saturating_sub((week * 7).days()), 19, 5_000));
        let given = given(&fridays.chain(sundays).collect::<Vec<_>>(), TODAY);
        let slices: Vec<(Slice, i64, i64)> =
            given.iter().map(|total| (total.slice, total.count_at_least, total.sum_about_minor)).collect();
        let wanted = [
            (Slice::Group(Group::Groceries), 5, 30_000),
            (Slice::Group(Group::Restaurants), 5, 18_000),
            (Slice::Weekday(Weekday::Friday), 5, 18_000),
            (Slice::Weekday(Weekday::Sunday), 5, 30_000),
            (Slice::HourBand(HourBand::Midday), 5, 18_000),
            (Slice::HourBand(HourBand::Evening), 5, 30_000),
        ];
        assert_eq!(slices, wanted);
    }

    #[test]
    fn r5_each_currency_has_to_pass_the_floor_by_itself() {
        let euro = |record: Observation| Observation { currency: Currency::parse("EUR").unwrap(), ..record };
        let few = many("5411", 4, 1_000).into_iter().map(euro);
        let records: Vec<Observation> = many("5411", 6, 1_000).into_iter().chain(few).collect();
        assert!(given(&records, TODAY).iter().all(|total| total.currency == Currency::CNY));
    }

    #[test]
    fn r5_who_asks_before_and_after_one_purchase_of_this_week_gets_the_same_answer() {
        let before = many("5411", 40, 1_000);
        let after = [before.clone(), vec![seen("clinic", "8062", date(2026, 11, 24), 3, 9_999_900)]].concat();
        assert_eq!(given(&before, TODAY), given(&after, TODAY));
        let monday = date(2026, 11, 30);
        assert_ne!(given(&before, monday), given(&after, monday), "in the next week it counts");
    }

    #[test]
    fn r5_what_the_answers_of_two_weeks_tell_of_one_purchase_between_them() {
        // 41 purchases in the weeks that both answers are of, so that none drops out between them.
        let before: Vec<Observation> = (0..41).map(|_| seen("shop", "5411", LAST_SUNDAY, 10, 1_000)).collect();
        let (first, second) = (TODAY, date(2026, 12, 2));
        let bought = |amount, category| [before.clone(), vec![seen("shop", category, TODAY, 10, amount)]].concat();
        let told = |records: &[Observation]| (groups(&given(records, first)), groups(&given(records, second)));
        let told_by = [
            ("a small purchase: nothing", bought(900, "5411"), vec![("groceries", 40, 40_000)]),
            ("one of another group: that there is one, not which", bought(900, "5812"), vec![("others", 40, 40_000)]),
            ("one at a doctor's: the same", bought(900, "8062"), vec![("others", 40, 40_000)]),
            // Not protected: it is most of the total, and what it cost shows to a step.
            ("a large one: about what it cost", bought(500_000, "5411"), vec![("groceries", 40, 550_000)]),
        ];
        for (name, records, wanted) in told_by {
            assert_eq!(told(&records), (vec![("groceries", 40, 40_000)], wanted), "{name}");
        }
    }

    proptest! {
        #[test]
        fn r5_no_total_is_below_the_floor_and_this_week_shows_in_none(
            records in prop::collection::vec((0_i64..100, 0_u8..24, 1_i64..90_000, 0_usize..5), 0..60), floor in -1_i64..9
        ) {
            let codes = ["5411", "5812", "8062", "9999", "7832"];
            let mut habits = Habits::default();
            for (ago, hour, amount, code) in &records {
                let record = seen("shop", codes[*code], TODAY.saturating_sub(ago.days()), *hour, *amount);
                habits.add(&record, TODAY).unwrap();
            }
            let totals = consented_totals(habits.rows(), TODAY, floor).unwrap();
            let floor = floor.max(2);
            prop_assert!(totals.iter().all(|total| total.count_at_least >= floor && total.count_at_least % floor == 0));
            prop_assert!(totals.iter().all(|total| total.slice != Slice::Group(Group::Health)));
            let (from, to) = weeks_given(TODAY);
            let whole = records.iter().filter(|(ago, ..)| (from..=to).contains(&TODAY.saturating_sub(ago.days()))).count();
            // Nothing is left out: each way of slicing is of all purchases, or of none where they are too few.
            for rest in [Slice::OtherGroups, Slice::OtherWeekdays, Slice::OtherHours] {
                let slices: Vec<_> = totals.iter().filter(|total| rest_of(total.slice) == rest).collect();
                let least: i64 = slices.iter().map(|total| total.count_at_least).sum();
                let most = least + (floor - 1) * i64::try_from(slices.len()).unwrap();
                let whole = i64::try_from(whole).unwrap();
                let all = if slices.is_empty() { whole < floor } else { (least..=most).contains(&whole) };
                prop_assert!(all);
            }
        }
    }
}
