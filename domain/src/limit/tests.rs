//! Tables and properties of limits.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::Money;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const MINUTE: Duration = Duration::from_secs(60);
const PERSON: &str = "01020304-0506-7000-8000-000000000001";
const OTHER: &str = "01020304-0506-7000-8000-000000000002";

fn at(second: i64) -> Timestamp {
    Timestamp::from_secs(1_790_000_000 + second)
}

fn cny(minor: i64) -> Money {
    Money::new(Currency::CNY, minor)
}

fn limit(words: &str, most: i64) -> Limit {
    Limit { key: LimitKey::parse(words).unwrap(), most, set_at: at(0), may_exceed: true }
}

fn till() -> TerminalId {
    TerminalId::parse("till-1").unwrap()
}

/// Why this payment is refused, by what was counted.
fn said(
    limits: &Limits,
    tallies: &BTreeMap<TallyKey, Tally>,
    (who, minor): (Paying<'_>, i64),
    now: Timestamp,
) -> Option<Reason> {
    let within = |key: &TallyKey| tallies.get(key).map_or((0, 0), |tally| tally.within(key.window, now));
    limits.refuses(who, cny(minor), within)
}

/// Counts a payment in all tallies that limits look at.
fn pay(limits: &Limits, tallies: &mut BTreeMap<TallyKey, Tally>, (who, minor): (Paying<'_>, i64), now: Timestamp) {
    for key in limits.tallies(who, Currency::CNY) {
        let window = key.window;
        tallies.entry(key).or_default().add(minor, window, now);
    }
}

#[test]
fn m9_each_limit_refuses_what_is_above_it_and_lets_what_is_on_it_through() {
    let terminal = till();
    let paying = |person: &str| Paying { person: PersonId::parse(person).ok(), terminal: &terminal };
    // (limit, most, amount, refusal), where 500 were paid before
    for (words, most, minor, refusal) in [
        ("PERSON * CNY EACH 0", 1_000, 1_000, None),
        ("PERSON * CNY EACH 0", 999, 1_000, Some(Reason::PaymentAboveLimit)),
        ("PERSON * USD EACH 0", 1, 1_000, None),
        ("TERMINAL * CNY EACH 0", 999, 1_000, Some(Reason::PaymentAboveLimit)),
        ("TERMINAL till-1 CNY EACH 0", 999, 1_000, Some(Reason::PaymentAboveLimit)),
        ("TERMINAL till-2 CNY EACH 0", 1, 1_000, None),
        ("PERSON * CNY SUM 86400", 1_500, 1_000, None),
        ("PERSON * CNY SUM 86400", 1_499, 1_000, Some(Reason::SpendingLimitReached)),
        ("TERMINAL * CNY SUM 86400", 1_499, 1_000, Some(Reason::SpendingLimitReached)),
        ("PERSON * CNY COUNT 60", 2, 1_000, None),
        ("PERSON * CNY COUNT 60", 1, 1_000, Some(Reason::PaymentsTooMany)),
        ("TERMINAL * CNY COUNT 60", 1, 1_000, Some(Reason::PaymentsTooMany)),
        ("PERSON * CNY COUNT 3600", 0, 1, Some(Reason::PaymentsTooMany)),
    ] {
        let limits: Limits = [limit(words, most)].into_iter().collect();
        let mut tallies = BTreeMap::new();
        pay(&limits, &mut tallies, (paying(PERSON), 500), at(0));
        assert_eq!(said(&limits, &tallies, (paying(PERSON), minor), at(30)), refusal, "{words} {most}");
    }
}

#[test]
fn m9_whoever_has_a_limit_of_their_own_has_no_other_of_that_sort() {
    let terminal = till();
    let paying = |person: &str| Paying { person: PersonId::parse(person).ok(), terminal: &terminal };
    let own = format!("PERSON {PERSON} CNY EACH 0");
    let limits: Limits = [limit("PERSON * CNY EACH 0", 100), limit(&own, 5_000)].into_iter().collect();
    let none = BTreeMap::new();
    assert_eq!(said(&limits, &none, (paying(PERSON), 5_000), at(0)), None);
    assert_eq!(said(&limits, &none, (paying(PERSON), 5_001), at(0)), Some(Reason::PaymentAboveLimit));
    assert_eq!(said(&limits, &none, (paying(OTHER), 101), at(0)), Some(Reason::PaymentAboveLimit));
    assert_eq!(limits.refuses_all(&terminal, cny(5_000)), None, "somebody may pay as much");
    assert_eq!(limits.refuses_all(&terminal, cny(5_001)), Some(Reason::PaymentAboveLimit));
    let limits: Limits = limits.iter().cloned().chain([limit("TERMINAL * CNY EACH 0", 1_000)]).collect();
    assert_eq!(
        limits.refuses_all(&terminal, cny(1_001)),
        Some(Reason::PaymentAboveLimit),
        "a terminal is not a person"
    );
    let limits: Limits = [limit(&own, 1)].into_iter().collect();
    assert_eq!(limits.refuses_all(&terminal, cny(1_000)), None, "before a code is proved nobody's own limit is told");
    let nobody = Paying { person: None, terminal: &terminal };
    assert_eq!(said(&limits, &none, (nobody, 1_000), at(0)), None);
}

#[test]
fn m9_what_allows_more_than_before_is_a_rise() {
    let own = format!("PERSON {PERSON} CNY SUM 86400");
    let limits: Limits = [limit("PERSON * CNY SUM 86400", 100)].into_iter().collect();
    for (words, most, rises) in [
        ("PERSON * CNY SUM 86400", 100, false),
        ("PERSON * CNY SUM 86400", 99, false),
        ("PERSON * CNY SUM 86400", 101, true),
        (own.as_str(), 100, false),
        (own.as_str(), 101, true),
        ("PERSON * CNY SUM 3600", i64::MAX, false),
        ("PERSON * USD SUM 86400", i64::MAX, false),
        ("TERMINAL * CNY SUM 86400", i64::MAX, false),
    ] {
        assert_eq!(limits.would_rise(&LimitKey::parse(words).unwrap(), most), rises, "{words} {most}");
    }
}

#[test]
fn m9_a_limit_that_one_person_has_set_lets_nobody_above_that_of_everybody() {
    let terminal = till();
    let paying = Paying { person: PersonId::parse(PERSON).ok(), terminal: &terminal };
    let (general, own) = ("PERSON * CNY EACH 0", format!("PERSON {PERSON} CNY EACH 0"));
    let set_alone = |most| Limit { may_exceed: false, ..limit(&own, most) };
    for (named, everybody, holds) in
        [(900, Some(1_000), 900), (900, Some(500), 500), (1_000, Some(1_000), 1_000), (900, None, 900), (0, Some(0), 0)]
    {
        let general = everybody.map(|most| limit(general, most));
        let limits: Limits = general.into_iter().chain([set_alone(named)]).collect();
        let said = |minor| said(&limits, &BTreeMap::new(), (paying, minor), at(0));
        assert_eq!((said(holds), said(holds + 1)), (None, Some(Reason::PaymentAboveLimit)), "{named} {everybody:?}");
        if let Some(everybody) = everybody {
            assert_eq!(limits.refuses_all(&terminal, cny(everybody + 1)), Some(Reason::PaymentAboveLimit));
        }
        let key = LimitKey::parse(&own).unwrap();
        assert_eq!((limits.would_rise(&key, holds), limits.would_rise(&key, holds + 1)), (false, true));
    }
}

#[test]
fn m9_a_limit_is_of_something_that_can_be_counted() {
    for good in ["PERSON * CNY EACH 0", "TERMINAL till-1 JPY COUNT 60", "PERSON * CNY SUM 2678400"] {
        assert_eq!(LimitKey::parse(good).unwrap().to_string(), good);
    }
    for (bad, reason) in [
        ("PERSON * CNY EACH 60", Reason::LimitMalformed),
        ("PERSON * CNY SUM 0", Reason::LimitMalformed),
        ("PERSON * CNY SUM 59", Reason::LimitMalformed),
        ("PERSON * CNY COUNT 2678401", Reason::LimitMalformed),
        ("PERSON * CNY COUNT x", Reason::LimitMalformed),
        ("PERSON * CNY COUNT", Reason::LimitMalformed),
        ("PERSON anna CNY EACH 0", Reason::IdMalformed),
        ("TERMINAL Till CNY EACH 0", Reason::NameMalformed),
        ("PERSON * cny EACH 0", Reason::CurrencyUnknown),
        ("BANK * CNY EACH 0", Reason::FieldUnknown),
        ("PERSON * CNY MOST 0", Reason::FieldUnknown),
    ] {
        assert_eq!(LimitKey::parse(bad), Err(reason), "{bad}");
    }
    assert_eq!((Limit::check(-1), Limit::check(0)), (Err(Reason::AmountMalformed), Ok(0)));
}

#[test]
fn m9_a_window_slides_and_is_never_shorter_than_it_says() {
    let mut tally = Tally::default();
    tally.add(100, DAY, at(0));
    let seconds = |n: i64| tally.within(DAY, at(n));
    assert_eq!(seconds(0), (100, 1));
    assert_eq!(seconds(86_400), (100, 1));
    assert_eq!(seconds(86_400 + 3_600), (0, 0), "a slot later at most");
    let mut tally = Tally::default();
    for second in 0..60 {
        tally.add(1, MINUTE, at(second));
    }
    let (sum, count) = tally.within(MINUTE, at(59));
    assert_eq!((sum, count), (60, 60));
    assert!(tally.words().split(' ').count() <= 25, "{}", tally.words());
}

#[test]
fn m9_what_is_taken_back_is_taken_from_where_it_was_counted() {
    let mut tally = Tally::default();
    tally.add(100, DAY, at(0));
    tally.add(50, DAY, at(7_200));
    tally.take_back((100, 1), DAY, at(0));
    assert_eq!(tally.within(DAY, at(7_200)), (50, 1));
    tally.take_back((100, 1), DAY, at(-86_400));
    assert_eq!(tally.within(DAY, at(7_200)), (50, 1), "what no slot has any more is past");
    tally.take_back((20, 0), DAY, at(7_200));
    assert_eq!(tally.within(DAY, at(7_200)), (30, 1), "of a completion for less, the rest");
    tally.take_back((500, 5), DAY, at(7_200));
    assert_eq!((tally.within(DAY, at(7_200)), tally.words()), ((0, 0), String::new()));
    let limits: Limits = [limit("PERSON * CNY SUM 86400", 1)].into_iter().collect();
    let key = TallyKey { subject: Subject::Person, id: PERSON.to_owned(), currency: Currency::CNY, window: DAY };
    assert!(limits.has_counted(&key, at(10)));
    assert!(!limits.has_counted(&key, at(9)), "a replica may not have heard of the limit yet");
    assert!(!limits.has_counted(&TallyKey { window: MINUTE, ..key }, at(10)));
}

#[test]
fn m9_a_tally_that_was_changed_is_an_error_and_not_an_empty_one() {
    for good in ["", "5:100:1", "-3:0:1 5:100:1"] {
        assert_eq!(Tally::parse(good).unwrap().words(), good);
    }
    for bad in ["5", "5:1", "5:1:1:1", "a:1:1", "5:-1:1", "5:1:-1", "6:1:1 5:1:1", "5:1:1 5:1:1"] {
        assert_eq!(Tally::parse(bad), Err(Reason::FieldUnknown), "{bad}");
    }
}

proptest! {
    /// Against the slow model: every payment remembered with its time.
    #[test]
    fn m9_no_window_of_this_length_has_more_than_the_limit(
        most in 1_i64..500,
        window in 60_u64..100_000,
        payments in prop::collection::vec((0_i64..3_000, 1_i64..200), 1..200),
    ) {
        let window = Duration::from_secs(window);
        let words = format!("PERSON * CNY SUM {}", window.as_secs());
        let limits: Limits = [limit(&words, most)].into_iter().collect();
        let terminal = till();
        let paying = Paying { person: PersonId::parse(PERSON).ok(), terminal: &terminal };
        let (mut tallies, mut paid, mut second) = (BTreeMap::new(), Vec::new(), 0);
        for (wait, minor) in payments {
            second += wait;
            let now = at(second);
            let exact = |over: Duration| -> i64 {
                paid.iter().filter(|(when, _)| now.since(*when) < over).map(|(_, minor)| *minor).sum()
            };
            match said(&limits, &tallies, (paying, minor), now) {
                None => {
                    prop_assert!(exact(window) + minor <= most);
                    pay(&limits, &mut tallies, (paying, minor), now);
                    paid.push((now, minor));
                }
                Some(reason) => {
                    prop_assert_eq!(reason, Reason::SpendingLimitReached);
                    // It is not refused for what was paid longer ago than a slot more than the window.
                    prop_assert!(exact(window + window / SLOTS + Duration::from_secs(1)) + minor > most);
                }
            }
        }
        for tally in tallies.values() {
            prop_assert_eq!(&Tally::parse(&tally.words()).unwrap(), tally);
            prop_assert!(tally.words().split(' ').count() <= 26);
        }
    }
}
