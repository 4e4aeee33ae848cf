//! Habits as a person would tell them.

use std::collections::BTreeSet;

use jiff::ToSpan;
use jiff::civil::{Date, date};
use jiff::tz::{Offset, TimeZone};

use super::pattern::Calendar;
use super::*;
use crate::ledger::Nature;
use crate::purchase::{CategoryCode, Location, Merchant, Purchase};
use crate::text::Line;
use crate::{BankId, Currency, MerchantId, Money, PaymentId, PersonId, Reason, TerminalId, Timestamp};

/// A Sunday.
const TODAY: Date = date(2026, 11, 22);

pub(super) fn seen(merchant: &str, category: &str, on: Date, hour: u8, amount_minor: i64) -> Observation {
    Observation {
        merchant_id: MerchantId::parse(merchant).unwrap(),
        category: CategoryCode::parse(category).unwrap(),
        on,
        hour,
        cell: Cell::of(Location { latitude: 31.2304, longitude: 121.4737 }),
        currency: Currency::CNY,
        amount_minor,
        given_back_minor: 0,
    }
}

fn bakery(on: Date, amount_minor: i64) -> Observation {
    seen("bakery", "5462", on, 8, amount_minor)
}

fn told(rows: &[Row]) -> Vec<String> {
    let told = |row: &Row| {
        let Row { key, total, days, .. } = row;
        let last = days.last_on().map_or_else(|| "-".to_owned(), |on| on.to_string());
        format!("{} {key}: {} for {}, last {last}", key.facet().as_str(), total.count, total.sum_minor)
    };
    rows.iter().map(told).collect()
}

fn record(nature: Nature, seconds: i64) -> Purchase {
    Purchase {
        carrier: crate::purchase::Carrier::Hub,
        state: crate::purchase::PurchaseState::Posted,
        payment_id: PaymentId::parse("0192f0c1-7a6b-7c3d-8e4f-5a6b7c8d9e0f").unwrap(),
        person_id: PersonId::parse("0192f0c1-7a6b-7c3d-8e4f-5a6b7c8d9e0e").unwrap(),
        nature,
        amount: Money::new(Currency::CNY, 4_500),
        credit_minor: None,
        occurred_at: Timestamp::from_secs(seconds),
        bank_id: BankId::parse("bank-a").unwrap(),
        account_masked: "****4821".to_owned(),
        merchant: Merchant {
            id: MerchantId::parse("bakery").unwrap(),
            name: Line::parse("Bakery").unwrap(),
            category: CategoryCode::parse("5462").unwrap(),
        },
        terminal_id: TerminalId::parse("till-1").unwrap(),
        place: None,
        location: Some(Location { latitude: 31.2304, longitude: 121.4737 }),
        items: Vec::new(),
        given_back_minor: 500,
    }
}

#[test]
fn r4_a_record_is_seen_on_the_day_and_at_the_hour_of_the_person() {
    let (east_8, new_york) = (TimeZone::fixed(Offset::constant(8)), "EST5EDT,M3.2.0,M11.1.0");
    let new_york = TimeZone::posix(new_york).unwrap();
    let table = [
        // 2026-11-20T16:30:00Z, a Friday.
        ("Greenwich", TimeZone::UTC, 1_795_192_200, date(2026, 11, 20), 16, Weekday::Friday),
        ("Shanghai is on the next day", east_8, 1_795_192_200, date(2026, 11, 21), 0, Weekday::Saturday),
        ("New York in winter", new_york.clone(), 1_795_192_200, date(2026, 11, 20), 11, Weekday::Friday),
        // 2026-07-01T03:30:00Z.
        ("New York in summer", new_york, 1_782_876_600, date(2026, 6, 30), 23, Weekday::Tuesday),
    ];
    for (name, zone, seconds, on, hour, weekday) in table {
        let seen = Observation::of(&record(Nature::Purchase, seconds), &zone).unwrap().unwrap();
        assert_eq!((seen.on, seen.hour, Weekday::of(seen.on)), (on, hour, weekday), "{name}");
        assert_eq!(seen.bought(), Bought { count: 1, sum_minor: 4_000 });
    }
    let beyond = record(Nature::Purchase, i64::MAX);
    assert_eq!(Observation::of(&beyond, &TimeZone::UTC), Err(Reason::Fault));
}

#[test]
fn r4_only_spending_makes_habits() {
    for nature in Nature::ALL {
        let spent = matches!(nature, Nature::Purchase | Nature::PreAuthorisation | Nature::Completion);
        let seen = Observation::of(&record(nature, 0), &TimeZone::UTC).unwrap();
        assert_eq!(seen.is_some(), spent, "{nature:?}");
    }
}

#[test]
fn r4_a_record_counts_once_under_each_facet() {
    let mut habits = Habits::default();
    habits.add(&bakery(date(2026, 11, 13), 2_500), TODAY).unwrap();
    let changed = habits.add(&bakery(date(2026, 11, 20), 4_500), TODAY).unwrap();
    let wanted = [
        "MERCHANT bakery: 2 for 7000, last 2026-11-20",
        "CATEGORY 5462: 2 for 7000, last 2026-11-20",
        "HOUR 8: 2 for 7000, last 2026-11-20",
        "WEEKDAY FRIDAY: 2 for 7000, last 2026-11-20",
        "CELL 31.23,121.46: 2 for 7000, last 2026-11-20",
        "SIZE 3000: 1 for 4500, last 2026-11-20",
    ];
    assert_eq!(told(&changed), wanted);
    assert_eq!(habits.rows().count(), 7);
    let nowhere = Observation { cell: None, ..bakery(TODAY, 1) };
    assert_eq!(habits.add(&nowhere, TODAY).unwrap().len(), 5, "a terminal without a place counts under no cell");
}

#[test]
fn r4_what_comes_back_leaves_the_sum_and_the_last_of_it_the_count() {
    let one = bakery(date(2026, 11, 20), 4_500);
    let mut habits = Habits::default();
    habits.add(&bakery(date(2026, 11, 13), 2_500), TODAY).unwrap();
    habits.add(&one, TODAY).unwrap();
    let told_of = |rows: Vec<Row>| told(&rows)[0].clone();
    assert_eq!(told_of(habits.adjust(&one, 1_500, TODAY).unwrap()), "MERCHANT bakery: 2 for 5500, last 2026-11-20");
    let one = Observation { given_back_minor: 1_500, ..one };
    assert_eq!(told_of(habits.adjust(&one, 4_500, TODAY).unwrap()), "MERCHANT bakery: 1 for 2500, last 2026-11-13");
    let one = Observation { given_back_minor: 4_500, ..one };
    assert_eq!(habits.take_back(&one, TODAY), Ok(Vec::new()), "nothing is left of it");
    let gone = habits.take_back(&bakery(date(2026, 11, 13), 2_500), TODAY).unwrap();
    assert!(gone.iter().all(Row::is_gone));
    assert_eq!(habits, Habits::default());
}

#[test]
fn r4_what_cannot_be_changes_nothing() {
    let mut habits = Habits::default();
    habits.add(&bakery(TODAY, 4_500), TODAY).unwrap();
    let before = habits.clone();
    let never = seen("butcher", "5462", TODAY, 8, 4_500);
    assert_eq!(habits.take_back(&never, TODAY), Err(Reason::Fault));
    assert_eq!(habits.take_back(&bakery(TODAY, 4_501), TODAY), Err(Reason::Fault));
    assert_eq!(habits.add(&bakery(TODAY, i64::MAX), TODAY), Err(Reason::AmountTooLarge));
    assert_eq!(habits, before);
}

fn days(texts: &[&str]) -> BTreeSet<Date> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn every(step: i64, from: Date, many: i64) -> BTreeSet<Date> {
    (0..many).map(|n| from.saturating_sub((n * step).days())).collect()
}

#[test]
fn r4_a_habit_is_explained_in_both_languages() {
    let fridays = days(&["2026-11-20", "2026-11-13", "2026-10-30", "2026-10-16"]);
    let rent = days(&["2026-11-05", "2026-10-04", "2026-08-07"]);
    let table = [
        ("4 of 6 Fridays", fridays, "X: on 4 of the last 6 Fridays", "X：最近6个星期五中有4个"),
        ("3 of 4 months", rent, "X: around the 5th in 3 of the last 4 months", "X：最近4个月中有3个月在5日前后"),
        ("every day", every(1, TODAY, 60), "X: on 42 of the last 42 days", "X：最近42天中有42天"),
        (
            "the last of months",
            days(&["2026-10-31", "2026-09-30", "2026-08-31"]),
            "X: around the 31st in 3 of the last 4 months",
            "X：最近4个月中有3个月在31日前后",
        ),
    ];
    for (name, days, english, chinese) in table {
        let [pattern] = Calendar::of(TODAY, &Thresholds::USUAL).rhythms(&days)[..] else {
            panic!("{name}: not one rhythm")
        };
        assert_eq!((pattern.english("X").as_str(), pattern.chinese("X").as_str()), (english, chinese), "{name}");
    }
}

#[test]
fn r4_a_habit_is_said_from_its_threshold_on() {
    use Rhythm::{Monthly, MostDays, Weekly};
    use Weekday::{Friday, Sunday, Tuesday};
    type Told = &'static [(Rhythm, u8, u8)];
    let table: [(&str, BTreeSet<Date>, Told); 15] = [
        ("nothing", days(&[]), &[]),
        ("three Fridays", days(&["2026-11-20", "2026-11-13", "2026-11-06"]), &[]),
        ("a seventh Friday is too long ago", days(&["2026-11-20", "2026-11-13", "2026-11-06", "2026-10-09"]), &[]),
        ("four of six", days(&["2026-11-20", "2026-11-13", "2026-11-06", "2026-10-16"]), &[(Weekly(Friday), 4, 6)]),
        ("a Sunday that is not over is not missed", every(7, date(2026, 11, 15), 6), &[(Weekly(Sunday), 6, 6)]),
        ("a Sunday that has begun counts", every(7, TODAY, 4), &[(Weekly(Sunday), 4, 6)]),
        (
            "two days a week",
            every(7, date(2026, 11, 20), 6).union(&every(7, date(2026, 11, 17), 5)).copied().collect(),
            &[(Weekly(Tuesday), 5, 6), (Weekly(Friday), 6, 6)],
        ),
        ("every third day is no weekday", every(3, TODAY, 40), &[]),
        (
            "five days a week",
            every(1, TODAY, 60).into_iter().filter(|on| on.weekday().to_monday_one_offset() < 6).collect(),
            &[(MostDays, 30, 42)],
        ),
        (
            "on four of six of four weekdays: none stands out",
            (17..=20).flat_map(|day| every(7, date(2026, 11, day), 4)).collect(),
            &[],
        ),
        ("two months", days(&["2026-11-05", "2026-10-05"]), &[]),
        (
            "the 5th, 12 months ago too",
            days(&["2026-11-05", "2026-10-05", "2026-09-05", "2026-08-05", "2025-08-05"]),
            &[(Monthly(5), 4, 4)],
        ),
        ("around the turn of months", days(&["2026-10-31", "2026-10-01", "2026-09-01"]), &[(Monthly(1), 3, 4)]),
        (
            "a month that is due but not over",
            days(&["2026-10-23", "2026-09-23", "2026-08-23", "2026-07-23"]),
            &[(Monthly(23), 4, 4)],
        ),
        ("often, and on the 5th as well", every(4, TODAY, 30), &[]),
    ];
    for (name, days, wanted) in table {
        let found = Calendar::of(TODAY, &Thresholds::USUAL).rhythms(&days);
        let found: Vec<_> = found.iter().map(|pattern| (pattern.rhythm, pattern.hits, pattern.of)).collect();
        assert_eq!(found, wanted, "{name}");
    }
    for odd in [0, u8::MAX] {
        let odd = Thresholds { weeks: odd, weekly_hits: odd, months: odd, monthly_hits: odd, around_days: odd };
        Calendar::of(TODAY, &odd).rhythms(&every(7, TODAY, 20));
        Calendar::of(Date::MAX, &odd).rhythms(&every(7, Date::MAX, 20));
        Calendar::of(Date::MIN, &odd).rhythms(&days(&[]));
    }
}

#[test]
fn r4_habits_are_of_merchants_and_categories_and_go_when_records_do() {
    let mut habits = Habits::default();
    for on in every(7, date(2026, 11, 20), 3) {
        habits.add(&bakery(on, 4_500), TODAY).unwrap();
    }
    let abroad = Observation { currency: Currency::parse("EUR").unwrap(), ..bakery(date(2026, 10, 30), 700) };
    habits.add(&abroad, TODAY).unwrap();
    let found = patterns(&habits, TODAY, &Thresholds::USUAL);
    let keys: Vec<String> = found.iter().map(|habit| format!("{:?} {}", habit.key.facet(), habit.key)).collect();
    assert_eq!(keys, ["Merchant bakery", "Category 5462"]);
    assert!(found.iter().all(|habit| habit.pattern.rhythm == Rhythm::Weekly(Weekday::Friday)));
    habits.take_back(&abroad, TODAY).unwrap();
    assert_eq!(patterns(&habits, TODAY, &Thresholds::USUAL), Vec::new());
}
