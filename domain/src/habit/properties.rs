//! Habits that were kept record by record are those that a slow look at the records that remain finds.

use std::collections::HashMap;

use jiff::ToSpan;
use jiff::civil::{Date, date};
use proptest::prelude::*;

use super::tests::seen;
use super::*;
use crate::Currency;
use crate::purchase::Location;

const START: Date = date(2026, 6, 1);

/// What happens to one record: when it is added, what comes back of it and when, and whether and when it is taken back.
#[derive(Clone, Debug)]
struct Story {
    record: Observation,
    added: u32,
    given_back: Vec<(u32, i64)>,
    taken_back: Option<u32>,
}

fn any_record() -> impl Strategy<Value = Observation> {
    let merchants = prop::sample::select(vec![("bakery", "5462"), ("butcher", "5422"), ("cafe", "5812")]);
    let place = prop::option::of((0_u8..3).prop_map(|n| f64::from(n) * 20.0));
    (merchants, -250_i64..20, 0_u8..24, place, any::<bool>(), 1_i64..5_000).prop_map(
        |((merchant, category), ago, hour, place, at_home, amount_minor)| Observation {
            cell: place.and_then(|latitude| Cell::of(Location { latitude, longitude: 121.4 })),
            currency: if at_home { Currency::CNY } else { Currency::parse("EUR").unwrap() },
            ..seen(merchant, category, START.saturating_add(ago.days()), hour, amount_minor)
        },
    )
}

fn any_story() -> impl Strategy<Value = Story> {
    let given_back = prop::collection::vec((0_u32..1_000, 0_i64..6_000), 0..3);
    (any_record(), 0_u32..1_000, given_back, prop::option::of(0_u32..1_000)).prop_map(
        |(record, added, given_back, taken_back)| Story {
            given_back: given_back.into_iter().map(|(after, back)| (added + after, back)).collect(),
            taken_back: taken_back.map(|after| added + 2_000 + after),
            record,
            added,
        },
    )
}

/// Everything that happens, in order of time: which record, and how it stands after it, or none when it is taken back.
fn happenings(stories: &[Story]) -> Vec<(u32, usize, Option<i64>)> {
    let mut all = Vec::new();
    for (number, story) in stories.iter().enumerate() {
        all.push((story.added, number, Some(0)));
        all.extend(story.given_back.iter().map(|(at, back)| (*at, number, Some(*back))));
        all.extend(story.taken_back.map(|at| (at, number, None)));
    }
    // Stable: what happens to one record at one time stays in its order, with its adding first.
    all.sort_by_key(|(at, _, _)| *at);
    all
}

/// The day of a replica's calendar at this time: half a year passes, and now and then a clock is a day behind.
fn today(at: u32) -> Date {
    let behind = u32::from(at.is_multiple_of(7));
    START.saturating_add((i64::from(at / 20) - i64::from(behind)).days())
}

/// By facet, key and currency: how many, how much, and of which days that are kept.
type Kept = HashMap<(Facet, String, &'static str), (i64, i64, Vec<(Date, Bought)>)>;

/// The slow way: every record is looked at again, facet by facet.
fn slow(records: &[Observation], from: Date) -> Kept {
    let mut all = Kept::new();
    for record in records.iter().filter(|record| record.amount_minor > record.given_back_minor) {
        let paid = record.amount_minor - record.given_back_minor;
        let texts = [
            (Facet::Merchant, Some(record.merchant_id.to_string())),
            (Facet::Category, Some(record.category.as_str().to_owned())),
            (Facet::Hour, Some(record.hour.to_string())),
            (Facet::Weekday, Some(record.on.strftime("%A").to_string().to_uppercase())),
            (Facet::Cell, record.cell.map(|cell| cell.to_string())),
            (Facet::Size, Some(Size::of(record.amount_minor).from_minor().to_string())),
        ];
        for (facet, text) in texts {
            let Some(text) = text else { continue };
            let (count, sum, days) = all.entry((facet, text, record.currency.code())).or_insert((0, 0, Vec::new()));
            *count += 1;
            *sum += paid;
            if record.on >= from {
                match days.iter_mut().find(|(on, _)| *on == record.on) {
                    None => days.push((record.on, Bought { count: 1, sum_minor: paid })),
                    Some((_, bought)) => {
                        *bought = Bought { count: bought.count + 1, sum_minor: bought.sum_minor + paid }
                    }
                }
            }
            days.sort_by_key(|(on, _)| *on);
        }
    }
    all
}

proptest! {
    #[test]
    fn r4_any_order_of_adding_and_taking_back_ends_as_the_records_that_remain(
        stories in prop::collection::vec(any_story(), 0..25)
    ) {
        let mut records: Vec<Observation> = stories.iter().map(|story| story.record.clone()).collect();
        let mut there = vec![false; records.len()];
        let mut habits = Habits::default();
        // What a shell has written: it sees nothing but the rows that changed, in the form in which they are stored.
        let mut stored: HashMap<(Facet, String, Currency), (Bought, String)> = HashMap::new();
        let mut latest = START.saturating_sub(1.day());
        for (at, number, then) in happenings(&stories) {
            latest = latest.max(today(at));
            let changed = match then {
                Some(0) if !there[number] => { there[number] = true; habits.add(&records[number], today(at)) }
                Some(back) => {
                    let changed = habits.adjust(&records[number], back, today(at));
                    records[number].given_back_minor = back;
                    changed
                }
                None => { there[number] = false; habits.take_back(&records[number], today(at)) }
            };
            for row in changed.unwrap() {
                let place = (row.key.facet(), row.key.to_string(), row.currency);
                if row.is_gone() { stored.remove(&place); } else { stored.insert(place, (row.total, row.days.to_string())); }
            }
        }
        let read = stored.into_iter().map(|((facet, text, currency), (total, days))| {
            Row { key: Key::parse(facet, &text).unwrap(), currency, total, days: Days::parse(&days).unwrap() }
        });
        let mut read = Habits::from_rows(read);
        prop_assert_eq!(&read, &habits, "the rows that changed are all that changed");
        read.forget(latest);
        let remain: Vec<Observation> =
            records.into_iter().zip(there).filter(|(_, there)| *there).map(|(record, _)| record).collect();
        let from = latest.saturating_sub((Days::KEPT - 1).days());
        let kept: Kept = read.rows().map(|row| {
            let place = (row.key.facet(), row.key.to_string(), row.currency.code());
            (place, (row.total.count, row.total.sum_minor, row.days.iter().collect::<Vec<_>>()))
        }).collect();
        prop_assert_eq!(kept, slow(&remain, from));
    }
}
