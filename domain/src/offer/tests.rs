//! Offers as a bank and a person see them.

use jiff::ToSpan;
use jiff::civil::{Date, date};

use super::*;
use crate::habit::{Cell, Habits, Observation};
use crate::purchase::{CategoryCode, Location};
use crate::{BankId, Currency, MerchantId, OfferId, PersonId, Reason, Timestamp};

/// A Sunday.
const TODAY: Date = date(2026, 11, 22);
const NOW: Timestamp = Timestamp::from_secs(1_795_300_000);

fn hours(hours: i64) -> Timestamp {
    Timestamp::from_micros(NOW.micros() + hours * 3_600 * 1_000_000)
}

/// A rule in short: what it does not ask for is left out.
fn rule(asks: &str) -> Rule {
    let keys = ["target", "within_days", "least_count", "least_sum_minor", "weekday", "cell"];
    let word = |key: &str| {
        let given = asks.split(' ').find(|word| word.split('=').next() == Some(key));
        given.map_or_else(|| format!("{key}=-"), ToOwned::to_owned)
    };
    Rule::parse(&format!("rule.v1 {}", keys.map(word).join(" "))).unwrap()
}

const FOUR_GROCERIES: &str = "target=group:groceries within_days=28 least_count=4";

/// A person who bought on these days: how many days ago, what kind, for how many minor units of which currency.
fn person_who(bought: &[(i64, &str, i64, &str)]) -> Habits {
    let mut habits = Habits::default();
    for (ago, category, amount_minor, currency) in bought {
        let record = Observation {
            merchant_id: MerchantId::parse("shop").unwrap(),
            category: CategoryCode::parse(category).unwrap(),
            on: TODAY.saturating_sub(ago.days()),
            hour: 10,
            cell: Cell::of(Location { latitude: 31.2304, longitude: 121.4737 }),
            currency: Currency::parse(currency).unwrap(),
            amount_minor: *amount_minor,
            given_back_minor: 0,
        };
        habits.add(&record, TODAY).unwrap();
    }
    habits
}

/// Groceries for 50.00 on the last four Fridays.
fn friday_shopper() -> Habits {
    person_who(&[
        (2, "5411", 5_000, "CNY"),
        (9, "5411", 5_000, "CNY"),
        (16, "5462", 5_000, "CNY"),
        (23, "5411", 5_000, "CNY"),
    ])
}

fn person(number: u8) -> PersonId {
    PersonId::parse(&format!("0192f0c1-7a6b-7c3d-8e4f-0000000000{number:02x}")).unwrap()
}

fn filing() -> Filing {
    Filing {
        id: OfferId::parse("0192f0c1-7a6b-7c3d-8e4f-0000000000f1").unwrap(),
        bank_id: BankId::parse("bank-a").unwrap(),
        title: Wording::parse("5 % back on groceries", "超市消费返现5%").unwrap(),
        text: Wording::parse("With our card, until the end of December.", "使用本行卡片，截至12月底。").unwrap(),
        rule: rule(FOUR_GROCERIES),
        valid_from: NOW,
        valid_until: hours(30 * 24),
        budget: 100,
    }
}

fn running() -> Offer {
    Offer::file(filing(), None, NOW).unwrap().start(NOW).unwrap()
}

fn recipient(habits: &Habits) -> Recipient<'_> {
    Recipient {
        person_id: person(1),
        agreed: true,
        most_a_week: 2,
        delivered_at: &[],
        has_this_one: false,
        habits,
        today: TODAY,
    }
}

#[test]
fn r5_a_rule_is_met_when_all_that_it_asks_for_is_there() {
    let shopper = friday_shopper();
    let mixed = person_who(&[(1, "5812", 30_000, "CNY"), (2, "5812", 4_000, "EUR"), (40, "5812", 90_000, "CNY")]);
    let ill = person_who(&[(1, "8062", 90_000, "CNY"), (2, "5912", 9_000, "CNY"), (3, "8661", 9_000, "CNY")]);
    let (count, sum, place) = (Some(Unmet::Count), Some(Unmet::Sum), Some(Unmet::Place));
    let table = [
        ("4 groceries in 4 weeks", &shopper, FOUR_GROCERIES, None),
        ("5 groceries", &shopper, "target=group:groceries within_days=28 least_count=5", count),
        ("4 in 3 weeks", &shopper, "target=group:groceries within_days=21 least_count=4", count),
        ("the 24th day back counts", &shopper, "within_days=24 least_count=4", None),
        ("and not the 25th", &shopper, "within_days=23 least_count=4", count),
        ("one category", &shopper, "target=code:5411 within_days=28 least_count=3", None),
        ("another category", &shopper, "target=code:5812 within_days=28 least_count=1", count),
        ("on Fridays", &shopper, "target=group:groceries within_days=28 least_count=4 weekday=FRIDAY", None),
        ("on Saturdays", &shopper, "target=group:groceries within_days=28 least_count=1 weekday=SATURDAY", count),
        ("for 200.00", &shopper, "target=group:groceries within_days=28 least_sum_minor=20000:CNY", None),
        ("for 200.01", &shopper, "target=group:groceries within_days=28 least_sum_minor=20001:CNY", sum),
        ("there", &shopper, "within_days=28 least_count=1 cell=31.23,121.46", None),
        ("elsewhere", &shopper, "within_days=28 least_count=1 cell=31.24,121.46", place),
        ("counts of all currencies", &mixed, "target=group:restaurants within_days=30 least_count=2", None),
        ("sums of one", &mixed, "target=group:restaurants within_days=30 least_sum_minor=30001:CNY", sum),
        ("what is sensitive does not count", &ill, "within_days=30 least_count=1", count),
    ];
    for (name, habits, words, unmet) in table {
        let rule = rule(words);
        assert_eq!(rule.check(), Ok(()), "{name}");
        assert_eq!(rule.look(habits, TODAY).unmet(), unmet, "{name}");
        assert_eq!(matches(&rule, habits, TODAY), unmet.is_none(), "{name}");
        assert_eq!(Rule::parse(&rule.to_string()), Ok(rule), "{name}");
    }
}

#[test]
fn r5_the_person_is_told_why_in_both_languages() {
    let shopper = friday_shopper();
    let table = [
        (FOUR_GROCERIES, "Groceries, last 28 days: 4 purchases", "食品超市，最近28天，消费4次"),
        (
            "target=code:5462 within_days=30 least_count=1 least_sum_minor=100:CNY weekday=FRIDAY",
            "Bakeries, last 30 days, Fridays: 1 purchase, 50.00 CNY",
            "面包糕点店，最近30天，每逢星期五，消费1次，50.00 CNY",
        ),
        (
            "within_days=7 least_count=1 cell=31.23,121.46",
            "Any shop, last 7 days: 1 purchase; 1 purchase in the place",
            "各类商户，最近7天，消费1次；在该地点消费1次",
        ),
    ];
    for (words, english, chinese) in table {
        let found = rule(words).look(&shopper, TODAY);
        assert_eq!((found.english().as_str(), found.chinese().as_str()), (english, chinese));
    }
}

#[test]
fn r5_a_bad_filing_is_refused_by_reason() {
    let ruled = |words: &str| Filing { rule: rule(words), ..filing() };
    let empty = "target=group:groceries within_days=28 weekday=FRIDAY";
    let table = [
        ("as it should be", filing(), None),
        ("a rule that asks for nothing", ruled(empty), Some(Reason::OfferRuleEmpty)),
        ("no purchases", ruled("within_days=28 least_count=0"), Some(Reason::OfferRuleOutOfRange)),
        ("too many", ruled("within_days=28 least_count=1001"), Some(Reason::OfferRuleOutOfRange)),
        ("no sum", ruled("within_days=28 least_sum_minor=0:CNY"), Some(Reason::OfferRuleOutOfRange)),
        ("no days", ruled("within_days=0 least_count=1"), Some(Reason::OfferRuleOutOfRange)),
        ("more days than are known", ruled("within_days=190 least_count=1"), Some(Reason::OfferRuleOutOfRange)),
        ("who is ill", ruled("target=group:health within_days=28 least_count=1"), Some(Reason::OfferRuleSensitive)),
        ("who believes", ruled("target=code:8661 within_days=28 least_count=1"), Some(Reason::OfferRuleSensitive)),
        ("ends as it begins", Filing { valid_until: NOW, ..filing() }, Some(Reason::OfferTimesMalformed)),
        (
            "ends before it begins",
            Filing { valid_from: hours(48), valid_until: hours(47), ..filing() },
            Some(Reason::OfferTimesMalformed),
        ),
        (
            "is over already",
            Filing { valid_from: hours(-48), valid_until: hours(-24), ..filing() },
            Some(Reason::OfferTimesMalformed),
        ),
        ("began yesterday", Filing { valid_from: hours(-24), ..filing() }, None),
        ("for nobody", Filing { budget: 0, ..filing() }, Some(Reason::OfferBudgetMalformed)),
        ("for more than there are", Filing { budget: 10_000_001, ..filing() }, Some(Reason::OfferBudgetMalformed)),
    ];
    for (name, filing, refused) in table {
        assert_eq!(Offer::file(filing, None, NOW).err(), refused, "{name}");
    }
    for (english, chinese) in
        [("", "好"), ("Good", ""), ("Go\nod", "好"), ("Good", "\u{202e}好"), (&"a".repeat(101), "好")]
    {
        assert_eq!(Wording::parse(english, chinese), Err(Reason::TextMalformed), "{english:?} {chinese:?}");
    }
    for bad in ["", "rule.v1", "rule.v2", &format!("{} more=1", rule(FOUR_GROCERIES)), "rule.v1 target=group:food"] {
        assert!(Rule::parse(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn r5_the_same_filing_twice_is_one_offer_and_another_under_its_id_is_refused() {
    let known = Offer { delivered: 7, ..running() };
    assert_eq!(Offer::file(filing(), Some(&known), hours(31 * 24)), Ok(known.clone()), "even when it is over");
    assert_eq!(Offer::file(Filing { budget: 99, ..filing() }, Some(&known), NOW), Err(Reason::IdTaken));
}

#[test]
fn r5_an_offer_runs_when_it_is_started_and_stops_when_it_is_withdrawn() {
    let filed = Offer::file(filing(), None, NOW).unwrap();
    assert_eq!(filed.state, State::Filed);
    let table = [
        (State::Filed, NOW, Ok(State::Running)),
        (State::Running, NOW, Ok(State::Running)),
        (State::Withdrawn, NOW, Err(Reason::OfferNotOpen)),
        (State::UsedUp, NOW, Err(Reason::OfferNotOpen)),
        (State::Filed, hours(30 * 24), Err(Reason::OfferNotOpen)),
    ];
    for (state, now, wanted) in table {
        let offer = Offer { state, ..filed.clone() };
        assert_eq!(offer.clone().start(now).map(|offer| offer.state), wanted, "{state:?}");
        assert_eq!(offer.withdraw().state, State::Withdrawn, "{state:?}");
        assert_eq!(State::parse(state.as_str()), Ok(state));
    }
    assert_eq!(State::parse("Running"), Err(Reason::FieldUnknown));
}

#[test]
fn r5_an_offer_is_delivered_to_whom_it_is_for_and_no_more_than_the_person_wants() {
    let (shopper, stranger) = (friday_shopper(), Habits::default());
    let to = recipient(&shopper);
    let state = |state| Offer { state, ..running() };
    let (two, old) = ([hours(-1), hours(-24 * 7 + 1)], [hours(-1), hours(-24 * 7)]);
    let table = [
        ("all is well", running(), to, NOW, None),
        ("not agreed", running(), Recipient { agreed: false, ..to }, NOW, Some(Kept::NotAgreed)),
        (
            "not agreed comes first",
            state(State::Withdrawn),
            Recipient { agreed: false, ..to },
            NOW,
            Some(Kept::NotAgreed),
        ),
        ("not looked at yet", state(State::Filed), to, NOW, Some(Kept::NotRunning)),
        ("withdrawn", state(State::Withdrawn), to, NOW, Some(Kept::NotRunning)),
        ("used up", state(State::UsedUp), to, NOW, Some(Kept::UsedUp)),
        ("no budget left", Offer { delivered: 100, ..running() }, to, NOW, Some(Kept::UsedUp)),
        ("the last of the budget", Offer { delivered: 99, ..running() }, to, NOW, None),
        ("an hour early", running(), to, hours(-1), Some(Kept::NotYet)),
        ("in the last hour", running(), to, hours(30 * 24 - 1), None),
        ("over", running(), to, hours(30 * 24), Some(Kept::Over)),
        ("has it", running(), Recipient { has_this_one: true, ..to }, NOW, Some(Kept::HasIt)),
        ("two this week", running(), Recipient { delivered_at: &two, ..to }, NOW, Some(Kept::EnoughThisWeek)),
        ("one of them a week ago", running(), Recipient { delivered_at: &old, ..to }, NOW, None),
        ("wants none", running(), Recipient { most_a_week: 0, ..to }, NOW, Some(Kept::EnoughThisWeek)),
        ("does not buy groceries", running(), Recipient { habits: &stranger, ..to }, NOW, Some(Kept::NoMatch)),
        (
            "no longer does",
            running(),
            Recipient { today: TODAY.saturating_add(9.days()), ..to },
            NOW,
            Some(Kept::NoMatch),
        ),
    ];
    for (name, offer, to, now, kept) in table {
        assert_eq!(deliver(&offer, &to, now).err(), kept, "{name}");
    }
}

#[test]
fn r5_the_budget_is_spent_delivery_by_delivery_and_never_passed() {
    let shopper = friday_shopper();
    let mut offer = Offer { filing: Filing { budget: 3, ..filing() }, ..running() };
    let mut deliveries = Vec::new();
    for number in 1..=5 {
        let to = Recipient { person_id: person(number), ..recipient(&shopper) };
        match deliver(&offer, &to, NOW) {
            Ok(delivered) => {
                assert_eq!(delivered.because.english(), "Groceries, last 28 days: 4 purchases");
                offer = delivered.offer;
                deliveries.push(delivered.delivery.person_id);
            }
            Err(kept) => assert_eq!(kept, Kept::UsedUp),
        }
    }
    assert_eq!((deliveries.len(), offer.delivered, offer.state), (3, 3, State::UsedUp));
}

#[test]
fn r5_an_offer_is_accepted_while_it_is_open() {
    let delivery = Delivery { offer_id: filing().id, person_id: person(1), delivered_at: NOW, answer: Answer::Open };
    let accepted = Delivery { answer: Answer::Accepted(hours(1)), ..delivery };
    let other = OfferId::parse("0192f0c1-7a6b-7c3d-8e4f-0000000000f2").unwrap();
    let state = |state| Offer { state, ..running() };
    let table = [
        ("running", running(), delivery, hours(1), Ok(accepted)),
        ("used up, but this person has it", state(State::UsedUp), delivery, hours(1), Ok(accepted)),
        ("withdrawn", state(State::Withdrawn), delivery, hours(1), Err(Reason::OfferNotOpen)),
        ("over", running(), delivery, hours(30 * 24), Err(Reason::OfferNotOpen)),
        ("accepted before", state(State::Withdrawn), accepted, hours(40 * 24), Ok(accepted)),
        ("another offer", running(), Delivery { offer_id: other, ..delivery }, hours(1), Err(Reason::OfferUnknown)),
    ];
    for (name, offer, delivery, now, wanted) in table {
        assert_eq!(accept(&offer, &delivery, now), wanted, "{name}");
    }
}

#[test]
fn r5_there_is_room_for_an_offer_when_enough_of_them_are_a_week_old() {
    let week = 7 * 24;
    let table = [
        (&[][..], 1, hours(0)),
        (&[-1], 2, hours(0)),
        (&[-1], 1, hours(week - 1)),
        (&[-1, -30, -200], 1, hours(week - 1)),
        (&[-1, -30, -5], 3, hours(week - 30)),
        (&[-1, -30, -5], 2, hours(week - 5)),
        (&[-1, -week], 2, hours(0)),
    ];
    for (delivered, most, wanted) in table {
        let delivered: Vec<Timestamp> = delivered.iter().map(|at| hours(*at)).collect();
        let at = room_at(&delivered, most, NOW);
        assert_eq!(at, wanted, "{delivered:?} {most}");
        assert!(delivered.iter().filter(|before| at.since(**before).as_secs() < 7 * 24 * 3600).count() < most.into());
    }
}

#[test]
fn r5_a_no_is_for_good_and_a_yes_cannot_be_taken_back() {
    let open = Delivery { offer_id: filing().id, person_id: person(1), delivered_at: NOW, answer: Answer::Open };
    let declined = Delivery { answer: Answer::Declined(hours(1)), ..open };
    let accepted = Delivery { answer: Answer::Accepted(hours(1)), ..open };
    assert_eq!(decline(&open, hours(1)), Ok(declined));
    assert_eq!(decline(&declined, hours(2)), Ok(declined));
    assert_eq!(decline(&accepted, hours(2)), Err(Reason::OfferAccepted));
    assert_eq!(accept(&running(), &declined, hours(2)), Err(Reason::OfferDeclined));
    for answer in [open, declined, accepted].map(|delivery| delivery.answer) {
        let (word, at) = answer.written();
        assert_eq!(Answer::read(word, at), Ok(answer));
    }
    assert_eq!(Answer::read("ACCEPTED", None), Err(Reason::FieldUnknown));
}

#[test]
fn r5_an_acceptance_says_what_the_offer_says_in_one_spelling() {
    let form = AcceptanceForm::of(&filing(), person(1), ShownAs::Contact);
    let text = form.to_string();
    assert_eq!(AcceptanceForm::parse(&text), Ok(form.clone()));
    for bad in [
        text.replace("CONTACT", "contact"),
        text.replace("title en: ", "title en: \u{202e}"),
        text.replace("shown as: CONTACT\n", ""),
        format!("{text}more: 1\n"),
        text.replace("bankhub acceptance v1", "bankhub consent v1"),
    ] {
        assert_eq!(AcceptanceForm::parse(&bad), Err(Reason::AcceptanceMalformed), "{bad}");
    }
    assert_eq!(form.check(person(1), &filing()), Ok(()));
    assert_eq!(form.check(person(2), &filing()), Err(Reason::NotYours));
    let renamed = Filing { title: Wording::parse("Other", "其他").unwrap(), ..filing() };
    assert_eq!(form.check(person(1), &renamed), Err(Reason::AcceptanceMalformed));
}

#[test]
fn r5_a_bank_learns_numbers_above_the_floor_and_the_names_of_those_who_accepted() {
    let delivery = |number: u8, accepted: bool| Delivery {
        offer_id: filing().id,
        person_id: person(number),
        delivered_at: NOW,
        answer: if accepted { Answer::Accepted(hours(i64::from(9 - number))) } else { Answer::Open },
    };
    let table = [
        ("nobody got it", 0, 100, State::Running, None, State::Running),
        ("four did", 4, 100, State::Running, None, State::Running),
        ("five", 5, 100, State::Running, Some(5), State::Running),
        ("nine", 9, 100, State::Running, Some(5), State::Running),
        ("used up", 100, 100, State::UsedUp, Some(100), State::UsedUp),
        ("used up, of few", 3, 3, State::UsedUp, None, State::Running),
        ("withdrawn", 3, 100, State::Withdrawn, None, State::Withdrawn),
    ];
    for (name, delivered, budget, state, told, told_state) in table {
        let offer = Offer { filing: Filing { budget, ..filing() }, state, delivered };
        let deliveries = [delivery(2, true), delivery(1, true), delivery(3, false)];
        let report = report(&offer, &deliveries, FLOOR);
        assert_eq!((report.delivered_at_least, report.state), (told, told_state), "{name}");
        assert_eq!(report.accepted_by, [person(1), person(2)], "{name}: not who did not accept");
    }
}
