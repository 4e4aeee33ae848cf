//! Reminders over days, months, zones and clocks that are set.

use jiff::civil::date;
use jiff::tz::Offset;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;

const BERLIN: &str = "CET-1CEST,M3.5.0,M10.5.0/3";
const APIA: &str = "<-10>10<+14>-14,M12.5.5/0,M4.1.0/4";
const LONG_AGO: Timestamp = Timestamp::from_secs(0);

fn id() -> ReminderId {
    ReminderId::parse("0192f0c1-7a6b-7c3d-8e4f-00000000000a").unwrap()
}

fn account(n: u128) -> AccountKey {
    let account_id = AccountId::from_uuid(Uuid::from_u128(0x0192_f0c1_7a6b_7000_8000_0000_0000_0000 | n));
    AccountKey { bank_id: BankId::parse("bank-a").unwrap(), account_id }
}

fn due(n: u128, due_on: Date) -> Due {
    Due { due_on, account: account(n) }
}

fn reminder(when: When, at: (u8, u8)) -> Reminder {
    Reminder::new(id(), Scope::All, when, at, LONG_AGO).unwrap()
}

fn utc(text: &str) -> Timestamp {
    Timestamp::from_micros(text.parse::<jiff::Timestamp>().unwrap().as_microsecond())
}

fn shown(at: Timestamp) -> String {
    jiff::Timestamp::from_microsecond(at.micros()).unwrap().to_string()
}

fn china() -> TimeZone {
    TimeZone::fixed(Offset::constant(8))
}

fn none() -> BTreeSet<FiringKey> {
    BTreeSet::new()
}

#[test]
fn r10_a_reminder_fires_on_the_day_and_at_the_hour_that_were_set() {
    use When::{DayOfMonth, DaysBefore};
    let table = [
        ("three days before", china(), DaysBefore(3), date(2026, 2, 25), "2026-02-22T01:00:00Z"),
        ("on the day itself", china(), DaysBefore(0), date(2026, 2, 25), "2026-02-25T01:00:00Z"),
        ("over the end of a month", china(), DaysBefore(3), date(2026, 3, 2), "2026-02-27T01:00:00Z"),
        ("over a leap day", china(), DaysBefore(3), date(2028, 3, 2), "2028-02-28T01:00:00Z"),
        ("over the new year", china(), DaysBefore(5), date(2027, 1, 3), "2026-12-29T01:00:00Z"),
        ("a day of the month", china(), DayOfMonth(20), date(2026, 2, 25), "2026-02-20T01:00:00Z"),
        ("one that February lacks", china(), DayOfMonth(31), date(2026, 3, 25), "2026-02-28T01:00:00Z"),
        ("in winter", TimeZone::posix(BERLIN).unwrap(), DaysBefore(3), date(2026, 4, 1), "2026-03-29T07:00:00Z"),
        (
            "a day that the zone skips",
            TimeZone::posix(APIA).unwrap(),
            DaysBefore(1),
            date(2026, 12, 26),
            "2026-12-25T10:00:00Z",
        ),
    ];
    for (name, zone, when, due_on, wanted) in table {
        let dues = [due(1, due_on)];
        let now = utc(&format!("{}T00:00:00Z", due_on.saturating_sub(30.days())));
        let firing = reminder(when, (9, 0)).next(now, &zone, &dues, &none()).unwrap();
        assert_eq!((shown(firing.at).as_str(), firing.dues), (wanted, dues.to_vec()), "{name}");
    }
}

#[test]
fn r10_a_day_of_the_month_is_the_last_one_where_a_month_lacks_it() {
    let (reminder, dues) = (reminder(When::DayOfMonth(31), (9, 0)), [due(1, date(2027, 12, 31))]);
    let mut sent = none();
    let mut days = Vec::new();
    for _ in 0..14 {
        let firing = reminder.next(utc("2027-01-01T00:00:00Z"), &TimeZone::UTC, &dues, &sent).unwrap();
        // The one of December 2026 was missed the day before, and comes first.
        days.push(shown(firing.at)[..10].to_owned());
        sent.insert(firing.key);
    }
    let wanted = "2026-12-31 2027-01-31 2027-02-28 2027-03-31 2027-04-30 2027-05-31 2027-06-30 2027-07-31 2027-08-31 2027-09-30 \
                  2027-10-31 2027-11-30 2027-12-31 2028-01-31";
    assert_eq!(days.join(" "), wanted);
    let leap = reminder.next(utc("2028-02-01T00:00:00Z"), &TimeZone::UTC, &dues, &sent).unwrap();
    assert_eq!(shown(leap.at), "2028-02-29T09:00:00Z");
}

#[test]
fn r10_one_that_was_missed_comes_late_and_once() {
    use When::{DayOfMonth, DaysBefore};
    const SET: &str = "2026-02-01T00:00:00Z";
    // Due on 25 February, 09:00 in UTC. When the reminder was set, what the clock says, and when it fires.
    let table = [
        ("in time", DaysBefore(3), SET, "2026-02-22T09:00:00Z", Some("2026-02-22T09:00:00Z")),
        ("a minute late", DaysBefore(3), SET, "2026-02-22T09:01:00Z", Some("2026-02-22T09:00:00Z")),
        ("in the days of grace", DaysBefore(3), SET, "2026-02-28T23:59:59Z", Some("2026-02-22T09:00:00Z")),
        ("after them", DaysBefore(3), SET, "2026-03-01T00:00:00Z", None),
        ("set after its time", DaysBefore(3), "2026-02-22T09:00:01Z", "2026-02-23T00:00:00Z", None),
        (
            "set at its time",
            DaysBefore(3),
            "2026-02-22T09:00:00Z",
            "2026-02-23T00:00:00Z",
            Some("2026-02-22T09:00:00Z"),
        ),
        ("the month's, in grace", DayOfMonth(20), SET, "2026-02-23T23:59:59Z", Some("2026-02-20T09:00:00Z")),
        ("the month's, after it", DayOfMonth(20), SET, "2026-02-24T00:00:00Z", Some("2026-03-20T09:00:00Z")),
        ("the last day's grace", DayOfMonth(31), SET, "2026-03-03T23:59:59Z", Some("2026-02-28T09:00:00Z")),
        (
            "the month's, set after",
            DayOfMonth(20),
            "2026-02-21T00:00:00Z",
            "2026-02-22T00:00:00Z",
            Some("2026-03-20T09:00:00Z"),
        ),
    ];
    let dues = [due(1, date(2026, 2, 25))];
    for (name, when, set_at, now, wanted) in table {
        let reminder = Reminder::new(id(), Scope::All, when, (9, 0), utc(set_at)).unwrap();
        let firing = reminder.next(utc(now), &TimeZone::UTC, &dues, &none());
        assert_eq!(firing.map(|firing| shown(firing.at)), wanted.map(str::to_owned), "{name}");
        let reached = reminder.reached(utc(now), &TimeZone::UTC, &dues, &none());
        assert_eq!(reached.len(), usize::from(wanted.is_some_and(|at| utc(at) <= utc(now))), "{name}");
    }
}

#[test]
fn r10_no_clock_no_zone_and_no_edit_makes_it_fire_twice() {
    let dues = [due(1, date(2026, 2, 25))];
    let berlin = TimeZone::posix(BERLIN).unwrap();
    for when in [When::DaysBefore(3), When::DayOfMonth(22)] {
        let first = reminder(when, (9, 0)).next(utc("2026-02-22T09:00:00Z"), &TimeZone::UTC, &dues, &none()).unwrap();
        let sent = BTreeSet::from([first.key]);
        let edited = reminder(when, (21, 0));
        for (name, reminder, zone, now) in [
            ("the same moment", reminder(when, (9, 0)), &TimeZone::UTC, "2026-02-22T09:00:00Z"),
            ("the clock goes back", reminder(when, (9, 0)), &TimeZone::UTC, "2026-02-21T00:00:00Z"),
            ("another zone", reminder(when, (9, 0)), &china(), "2026-02-22T00:30:00Z"),
            ("a zone behind", reminder(when, (9, 0)), &berlin, "2026-02-22T10:00:00Z"),
            ("a later hour", edited.clone(), &TimeZone::UTC, "2026-02-22T21:00:00Z"),
            ("a later hour, elsewhere", edited, &china(), "2026-02-22T20:00:00Z"),
        ] {
            let next = reminder.next(utc(now), zone, &dues, &sent);
            let month = next.map(|firing| firing.key.occasion);
            let wanted = matches!(when, When::DayOfMonth(_)).then_some(Occasion::Month { first: date(2026, 3, 1) });
            assert_eq!(month, wanted, "{when:?}: {name}");
        }
    }
}

#[test]
fn r10_each_bill_is_told_of_and_only_what_is_asked_for_and_left_to_pay() {
    let dues = [due(2, date(2026, 2, 25)), due(1, date(2026, 2, 25)), due(3, date(2026, 2, 20))];
    let now = utc("2026-02-23T00:00:00Z");
    let order = |reminder: &Reminder, sent: &BTreeSet<FiringKey>| -> Vec<AccountKey> {
        let reached = reminder.reached(now, &TimeZone::UTC, &dues, sent);
        reached.into_iter().flat_map(|firing| firing.dues).map(|due| due.account).collect()
    };
    let all = reminder(When::DaysBefore(3), (9, 0));
    assert_eq!(order(&all, &none()), [account(3), account(1), account(2)], "the earliest first");
    // The bill of account 2 came after the one of account 1, due on the same day, was told.
    let occasion = Occasion::Due { due_on: date(2026, 2, 25), account: account(1) };
    let sent = BTreeSet::from([FiringKey { reminder_id: id(), occasion }]);
    assert_eq!(order(&all, &sent), [account(3), account(2)]);
    let one = Reminder { scope: Scope::One(account(2)), ..all };
    assert_eq!(order(&one, &none()), [account(2)]);
    let monthly = reminder(When::DayOfMonth(23), (0, 0));
    assert_eq!(order(&monthly, &none()), [account(3), account(1), account(2)], "in one message");
    assert_eq!(monthly.next(now, &TimeZone::UTC, &[], &none()), None, "nothing is left to pay");
    let other_bank = AccountKey { bank_id: BankId::parse("bank-b").unwrap(), ..account(2) };
    let one = Reminder { scope: Scope::One(other_bank), ..monthly };
    assert_eq!(one.next(now, &TimeZone::UTC, &dues, &none()), None);
}

#[test]
fn r10_a_reminder_that_cannot_be_is_refused() {
    use When::{DayOfMonth, DaysBefore};
    let table = [
        (DaysBefore(30), (23, 59), true),
        (DaysBefore(31), (9, 0), false),
        (DayOfMonth(0), (9, 0), false),
        (DayOfMonth(1), (0, 0), true),
        (DayOfMonth(32), (9, 0), false),
        (DaysBefore(3), (24, 0), false),
        (DaysBefore(3), (9, 60), false),
        (DaysBefore(3), (255, 255), false),
    ];
    for (when, at, is_fine) in table {
        let made = Reminder::new(id(), Scope::All, when, at, LONG_AGO);
        assert_eq!(made.is_ok(), is_fine, "{when:?} {at:?}");
        assert!(made.is_ok() || made == Err(Reason::ReminderMalformed));
    }
}

#[test]
fn r10_a_key_is_read_as_it_is_written() {
    let due = Occasion::Due { due_on: date(2026, 2, 25), account: account(1) };
    let table = [
        (due, "0192f0c1-7a6b-7c3d-8e4f-00000000000a/due/bank-a/0192f0c1-7a6b-7000-8000-000000000001/2026-02-25"),
        (Occasion::Month { first: date(2026, 2, 1) }, "0192f0c1-7a6b-7c3d-8e4f-00000000000a/month/2026-02-01"),
    ];
    for (occasion, text) in table {
        let key = FiringKey { reminder_id: id(), occasion };
        assert_eq!((key.to_string().as_str(), FiringKey::parse(text)), (text, Ok(key)));
        for bad in ["", &text[1..], &text[..text.len() - 1], &format!("{text}/"), &format!("{text}T00")] {
            assert!(FiringKey::parse(bad).is_err(), "{bad}");
        }
        assert!(FiringKey::parse(&text.replace("/due/", "/was/").replace("/month/", "/year/")).is_err());
    }
}

fn any_zone() -> impl Strategy<Value = TimeZone> {
    prop_oneof![
        (-23_i8..24).prop_map(|hours| TimeZone::fixed(Offset::constant(hours))),
        prop::sample::select(vec![BERLIN, APIA]).prop_map(|text| TimeZone::posix(text).unwrap()),
    ]
}

proptest! {
    #[test]
    fn r10_over_any_clock_a_key_fires_once_and_no_bill_is_forgotten(
        is_monthly in any::<bool>(),
        looks in prop::collection::vec((0_i64..400 * 24, any_zone(), 0_u8..24), 1..40),
        dues in prop::collection::vec((1_u128..4, 0_i64..400), 0..6)
    ) {
        let first = date(2026, 1, 1);
        let when = if is_monthly { When::DayOfMonth(30) } else { When::DaysBefore(5) };
        let dues: Vec<Due> = dues.into_iter().map(|(n, days)| due(n, first.saturating_add(days.days()))).collect();
        let mut sent = none();
        for (hours, zone, hour) in looks {
            let now = Timestamp::from_secs(1_767_225_600 + hours * 3_600);
            let reminder = reminder(when, (hour, 0));
            for firing in reminder.reached(now, &zone, &dues, &sent) {
                prop_assert!(firing.at <= now);
                prop_assert!(sent.insert(firing.key.clone()), "{} twice", firing.key);
            }
            let today = today(now, &zone).unwrap();
            for Due { due_on, account } in dues.iter().filter(|_| !is_monthly).cloned() {
                // A day more on either side of what is told at any hour and in any zone.
                let days = i64::from((due_on - today).get_days());
                let key = FiringKey { reminder_id: id(), occasion: Occasion::Due { due_on, account } };
                prop_assert!(!(-3..=3).contains(&days) || sent.contains(&key), "{} is forgotten", key);
            }
            if let Some(next) = reminder.next(now, &zone, &dues, &sent) {
                prop_assert!(next.at > now && !sent.contains(&next.key));
            }
        }
    }
}
