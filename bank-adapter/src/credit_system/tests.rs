//! What is told and when, and what stands in a message: as tables.

use domain::card::{Bin, Expiry, Pan};
use domain::purchase::CategoryCode;
use domain::{CardId, Currency, LegId, Money, Reason, Timestamp};
use iso8583::element::{Stan, TransmissionTime};
use iso8583::{Message, dialect};
use proptest::prelude::*;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::message::{AdviceMessage, Manner, Network, Original, Request, StatusMessage, Told as What};
use super::order::Told;
use super::*;

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

fn cny(minor: i64) -> Money {
    Money::new(Currency::CNY, minor)
}

fn leg(n: u128) -> LegId {
    LegId::from_uuid(Uuid::from_u128(n))
}

fn trace(stan: u64) -> Trace {
    Trace { stan: Stan::from_number(stan).unwrap(), time: TransmissionTime::from_number(1_116_093_000).unwrap() }
}

fn hold(n: u128, minor: i64) -> CreditHold {
    CreditHold { leg_id: leg(n), card_id: CardId::from_uuid(Uuid::from_u128(77)), amount: cny(minor), is_cash: false }
}

fn answer(verdict: Verdict) -> HoldAnswer {
    HoldAnswer { verdict, approval_code: None }
}

/// A hold of leg 1 of 300, settled.
fn settled(verdict: Verdict) -> Orders {
    let mut orders = Orders::default();
    assert_eq!(orders.ask(&hold(1, 300), trace(1), NOW), Ok(true));
    orders.settle(leg(1), &answer(verdict), NOW).unwrap();
    orders
}

const POST: Advice = Advice::Post { leg_id: leg_1(), amount: Money::new(Currency::CNY, 300) };
const VOID: Advice = Advice::Void { leg_id: leg_1() };

const fn leg_1() -> LegId {
    LegId::from_uuid(Uuid::from_u128(1))
}

fn refund(n: u128, minor: i64) -> Advice {
    Advice::Refund { leg_id: leg(n), original_leg_id: leg(1), amount: cny(minor) }
}

#[test]
fn a_hold_is_asked_for_once_and_another_under_its_leg_is_refused() {
    let mut orders = Orders::default();
    assert_eq!(orders.ask(&hold(1, 300), trace(1), NOW), Ok(true));
    assert_eq!(orders.ask(&hold(1, 300), trace(2), NOW), Ok(false));
    assert_eq!(orders.ask(&hold(1, 301), trace(2), NOW), Err(Reason::LegIdTaken));
    assert_eq!(orders.get(leg(1), Kind::Hold).unwrap().trace, Some(trace(1)));
}

#[test]
fn an_answer_settles_a_hold_for_good_and_none_voids_it() {
    let no = Verdict::Refused(Reason::InsufficientFunds);
    for (verdict, state, is_voided) in [
        (Verdict::Approved, State::Approved, false),
        (no, State::Refused(Reason::InsufficientFunds), false),
        (Verdict::Unclear(Reason::BankAway), State::Unanswered, true),
    ] {
        let mut orders = settled(verdict);
        assert_eq!(orders.get(leg(1), Kind::Void).is_some(), is_voided, "{verdict:?}");
        for later in [Verdict::Approved, no, Verdict::Unclear(Reason::BankAway)] {
            assert_eq!(orders.settle(leg(1), &answer(later), NOW), Ok(state));
        }
        assert_eq!(orders.get(leg(1), Kind::Void).is_some(), is_voided);
    }
    assert_eq!(Orders::default().settle(leg(1), &answer(no), NOW), Err(Reason::LegUnknown));
}

#[test]
fn what_is_told_of_a_leg_never_contradicts_itself() {
    let (yes, no, unclear) =
        (Verdict::Approved, Verdict::Refused(Reason::InsufficientFunds), Verdict::Unclear(Reason::BankAway));
    let more = Advice::Post { leg_id: leg(1), amount: cny(301) };
    let less = Advice::Post { leg_id: leg(1), amount: cny(100) };
    let nothing = Advice::Post { leg_id: leg(1), amount: cny(0) };
    let nobodys = Advice::Post { leg_id: leg(9), amount: cny(1) };
    for (verdict, advices) in [
        (
            yes,
            &[(POST, Ok(true)), (POST, Ok(false)), (VOID, Err(Reason::LegPosted)), (less, Err(Reason::LegIdTaken))][..],
        ),
        (yes, &[(less, Ok(true)), (refund(2, 50), Ok(true)), (refund(2, 50), Ok(false))]),
        (yes, &[(VOID, Ok(true)), (VOID, Ok(false)), (POST, Err(Reason::LegVoided))]),
        (yes, &[(more, Err(Reason::CompletionTooLarge)), (refund(2, 50), Err(Reason::LegNotPosted))]),
        (yes, &[(nobodys, Ok(false))]),
        (yes, &[(nothing, Ok(true)), (VOID, Ok(false)), (POST, Err(Reason::LegVoided))]),
        (no, &[(POST, Err(Reason::LegRefused)), (VOID, Ok(false))]),
        (unclear, &[(POST, Err(Reason::LegVoided)), (VOID, Ok(false))]),
    ] {
        let mut orders = settled(verdict);
        for (advice, expected) in advices {
            assert_eq!(orders.queue(advice, NOW), *expected, "{verdict:?} {advice:?}");
        }
    }
}

#[test]
fn a_repayment_is_told_before_what_is_taken_back_of_it() {
    let repayment = Advice::Repayment { leg_id: leg(1), card_id: hold(1, 1).card_id, amount: cny(50) };
    let back = Advice::Reversal { leg_id: leg(2), original_leg_id: leg(1), amount: cny(50) };
    let mut orders = Orders::default();
    assert_eq!(orders.queue(&back, NOW), Ok(false), "nobody was told of the repayment");
    assert_eq!(orders.queue(&repayment, NOW), Ok(true));
    assert_eq!((orders.queue(&back, NOW), orders.queue(&back, NOW)), (Ok(true), Ok(false)));
    let (told, of) = (orders.get(leg(2), Kind::Reversal).unwrap(), orders.get(leg(1), Kind::Repayment).unwrap());
    assert_eq!((told.hold_leg_id, told.card_id, told.amount), (leg(1), of.card_id, cny(50)));
    assert_ne!(told.reference, of.reference, "a thing of its own");
}

#[test]
fn a_leg_that_is_voided_while_its_hold_is_asked_for_is_not_approved_by_the_answer() {
    let mut orders = Orders::default();
    orders.ask(&hold(1, 300), trace(1), NOW).unwrap();
    assert_eq!(orders.queue(&VOID, NOW), Ok(true));
    assert_eq!(orders.settle(leg(1), &answer(Verdict::Approved), NOW), Ok(State::Unanswered));
    assert_eq!(orders.queue(&POST, NOW), Err(Reason::LegVoided));
}

#[test]
fn an_advice_keeps_its_numbers_and_is_not_sent_when_it_is_over() {
    let mut orders = settled(Verdict::Approved);
    orders.queue(&POST, NOW).unwrap();
    let key = OrderKey { leg_id: leg(1), kind: Kind::Post };
    let first = orders.sending(key, trace(5), NOW, NOW).unwrap();
    assert_eq!((first.trace, first.tries), (Some(trace(5)), 1));
    let again = orders.sending(key, trace(6), NOW, NOW).unwrap();
    assert_eq!((again.trace, again.tries), (Some(trace(5)), 2));
    orders.told(key, Told::Again, NOW);
    assert_eq!(orders.get(leg(1), Kind::Post).unwrap().state, State::Waiting);
    orders.told(key, Told::Stuck(Reason::CardUnknown), NOW);
    assert_eq!(orders.sending(key, trace(7), NOW, NOW), None);
    let stuck = Retold { state: State::Waiting, refusal: Some(Reason::CardUnknown) };
    assert_eq!(orders.retell(key, NOW), Ok(stuck));
    assert_eq!(orders.sending(key, trace(7), NOW, NOW).map(|order| order.tries), Some(3));
    orders.told(key, Told::Acknowledged, NOW);
    let over = Retold { state: State::Acknowledged, refusal: None };
    assert_eq!(orders.retell(key, NOW), Ok(over), "nothing that is over is told again");
    assert_eq!(orders.get(leg(1), Kind::Post).unwrap().state, State::Acknowledged);
    let hold = OrderKey { leg_id: leg(1), kind: Kind::Hold };
    assert_eq!(orders.retell(hold, NOW), Err(Reason::AdviceUnknown), "a hold is asked for once");
}

#[test]
fn a_late_approval_is_voided_once_more_and_that_of_a_good_hold_is_not() {
    let mut good = settled(Verdict::Approved);
    assert!(!good.approved_late(leg(1), NOW));
    let mut late = settled(Verdict::Unclear(Reason::BankAway));
    assert!(!late.approved_late(leg(1), NOW), "the void waits to be told in any case");
    late.told(OrderKey { leg_id: leg(1), kind: Kind::Void }, Told::Acknowledged, NOW);
    assert!(late.approved_late(leg(1), NOW));
    assert_eq!(late.get(leg(1), Kind::Void).unwrap().state, State::Waiting);
    assert!(!late.approved_late(leg(5), NOW), "nobody's");
    let mut refused = settled(Verdict::Refused(Reason::InsufficientFunds));
    assert!(refused.approved_late(leg(1), NOW), "it held all the same");
    assert_eq!(refused.get(leg(1), Kind::Void).unwrap().state, State::Waiting);
    assert_eq!(refused.queue(&POST, NOW), Err(Reason::LegVoided));
}

fn manner(dialect: &'static iso8583::Dialect) -> Manner {
    Manner { dialect, header: None, acquirer: "66280000".into(), forwarder: None, terminal: "FRONT".into() }
}

fn pan() -> Pan {
    Pan::issue(&Bin::parse("62284800").unwrap(), 7, 16).unwrap()
}

fn requests() -> Vec<Request> {
    let (amount, reference) = (cny(300), Reference::of(Uuid::from_u128(1)));
    let advice = |what, is_repeat, original| {
        let (card, approval_code) = (pan(), Some("A1".to_owned()));
        Request::Advice(AdviceMessage { what, card, amount, is_repeat, original, approval_code, reference })
    };
    let status = |status, replaced_by, is_repeat| {
        let (card, expiry) = (pan(), Expiry::parse_yymm("2711").unwrap());
        Request::Status(StatusMessage { card, status, expiry, replaced_by, is_repeat, reference })
    };
    let asked = Some(Original { mti: iso8583::Mti::AUTHORIZATION_REQUEST, trace: trace(41) });
    let category = Some(CategoryCode::parse("5411").unwrap());
    let pin = |is_repeat| Request::ChangePin { card: pan(), block: Zeroizing::new([0xAB; 8]), is_repeat, reference };
    vec![
        Request::Balance { card: pan(), currency: Currency::CNY, reference },
        Request::Hold { card: pan(), amount, is_cash: false, category, reference },
        Request::Hold { card: pan(), amount, is_cash: true, category: None, reference },
        pin(false),
        pin(true),
        advice(What::Post { is_cash: false }, false, asked),
        advice(What::Post { is_cash: true }, true, asked),
        advice(What::Void { is_cash: false }, false, asked),
        advice(What::Void { is_cash: false }, true, asked),
        advice(What::Refund, false, None),
        advice(What::Repayment, true, None),
        advice(What::Reversal, false, asked),
        status(CardStatus::Frozen, None, false),
        status(CardStatus::Replaced, Some(pan()), true),
        Request::Network(Network::SignOn),
        Request::Network(Network::Echo),
        Request::Network(Network::SignOff),
    ]
}

#[test]
fn c8_every_message_has_the_type_and_the_fields_that_the_table_says() {
    let advice = "2 3 4 7 11 32 37 38 41 49";
    let expected = [
        ("0100", "313000", "2 3 7 11 32 37 41 49".to_owned()),
        ("0100", "003000", "2 3 4 7 11 18 32 37 41 49".to_owned()),
        ("0100", "013000", "2 3 4 7 11 32 37 41 49".to_owned()),
        ("0100", "920000", "2 3 7 11 32 37 41 52 53".to_owned()),
        ("0101", "920000", "2 3 7 11 32 37 41 52 53".to_owned()),
        ("0220", "003000", format!("{advice} 90")),
        ("0221", "013000", format!("{advice} 90")),
        ("0400", "003000", format!("{advice} 90")),
        ("0421", "003000", format!("{advice} 90")),
        ("0220", "200030", advice.to_owned()),
        ("0221", "210030", advice.to_owned()),
        ("0220", "023000", format!("{advice} 90")),
        ("0322", "", "2 7 11 14 32 37 41 91 101".to_owned()),
        ("0323", "", "2 7 11 14 32 37 41 91 101 103".to_owned()),
        ("0800", "", "7 11 70".to_owned()),
        ("0800", "", "7 11 70".to_owned()),
        ("0800", "", "7 11 70".to_owned()),
    ];
    for dialect in dialect::ALL {
        for (request, (mti, code, fields)) in requests().iter().zip(&expected) {
            let mut octets = Vec::new();
            request.build(&manner(dialect), trace(42)).unwrap().write(&mut octets).unwrap();
            let message = Message::read(dialect, &octets).unwrap();
            assert_eq!(message.mti().to_string(), *mti);
            let numbers: Vec<String> = message.fields().map(|field| field.number().to_string()).collect();
            assert_eq!(numbers.join(" "), *fields, "{} {request:?}", dialect.name);
            let text = |number| message.field(number).map(|field| field.text().into_owned()).unwrap_or_default();
            assert_eq!(text(3), *code);
            assert_eq!((text(11).as_str(), text(7).as_str()), ("000042", "1116093000"));
            if fields.contains("101") {
                let file = if fields.ends_with("103") { "REPLACED" } else { "FROZEN" };
                assert_eq!((text(14).as_str(), text(91).as_str(), text(101).as_str()), ("2711", "2", file));
            }
            if fields.ends_with("90") {
                assert_eq!(text(90), "010000004111160930000006628000000000000000");
            }
            for shown in [format!("{:?}", message.dump()), format!("{message:?}"), format!("{request:?}")] {
                assert!(!shown.contains(pan().reveal()) && !shown.contains("ABABABAB"), "{shown}");
            }
        }
    }
}

#[test]
fn a_change_of_a_pin_ends_once_and_forgets_the_pin() {
    let (id, card) = (ChangeId::from_uuid(Uuid::from_u128(1)), CardId::from_uuid(Uuid::from_u128(77)));
    let other = ChangeId::from_uuid(Uuid::from_u128(2));
    let value = || crate::hsm::PinVerificationValue::from_bytes(&[1; 37]).unwrap();
    let new = || NewPin { sealed_block: vec![7; 40], value: value() };
    for (refusal, state, becomes) in [
        (None, PinState::Done, Some(value())),
        (Some(Reason::CardUnknown), PinState::Refused(Reason::CardUnknown), None),
    ] {
        let mut changes = PinChanges::default();
        assert_eq!(changes.intend(id, card, new(), NOW), Ok(PinState::Asking));
        assert_eq!(changes.intend(id, card, new(), NOW), Ok(PinState::Asking), "the same change again");
        assert_eq!(changes.intend(other, card, new(), NOW), Err(Reason::PinChangePending));
        let stranger = CardId::from_uuid(Uuid::from_u128(78));
        assert_eq!(changes.intend(id, stranger, new(), NOW), Err(Reason::IdTaken));
        assert_eq!(changes.asking(id, NOW, NOW), Some(1));
        assert_eq!(changes.settle(id, refusal, NOW), becomes);
        assert_eq!(changes.settle(id, None, NOW), None, "it is over");
        assert_eq!(changes.asking(id, NOW, NOW), None);
        let stored = changes.get(id).unwrap();
        assert_eq!((stored.state, stored.new.clone()), (state, None));
        assert_eq!(changes.intend(other, card, new(), NOW), Ok(PinState::Asking), "the next one may begin");
    }
}

proptest! {
    #[test]
    fn whatever_is_decided_in_whatever_order_a_hold_ends_in_one_way(steps in proptest::collection::vec((0_u8..9, 1_i64..400), 1..30)) {
        let mut orders = Orders::default();
        let (key, mut posted) = (OrderKey { leg_id: leg(1), kind: Kind::Post }, None);
        for (step, minor) in steps {
            match step {
                0 => drop(orders.ask(&hold(1, 300), trace(1), NOW)),
                1 => drop(orders.settle(leg(1), &answer(Verdict::Approved), NOW)),
                2 => drop(orders.settle(leg(1), &answer(Verdict::Refused(Reason::BankRefused)), NOW)),
                3 => drop(orders.settle(leg(1), &answer(Verdict::Unclear(Reason::BankAway)), NOW)),
                4 => drop(orders.queue(&Advice::Post { leg_id: leg(1), amount: cny(minor) }, NOW)),
                5 => drop(orders.queue(&VOID, NOW)),
                6 => drop(orders.approved_late(leg(1), NOW)),
                7 => orders.told(key, Told::Acknowledged, NOW),
                _ => drop(orders.queue(&refund(2, minor), NOW)),
            }
            let at = |kind| orders.get(leg(1), kind);
            let is_voided = at(Kind::Void).is_some();
            prop_assert!(!(is_voided && at(Kind::Post).is_some()), "posted or voided, never both");
            prop_assert!(at(Kind::Post).is_none_or(|post| post.amount.minor <= 300));
            if let Some(hold) = at(Kind::Hold) {
                prop_assert!(hold.state != State::Unanswered || is_voided, "what is not known to be held is voided");
                prop_assert!(hold.state != State::Asking || (!is_voided && at(Kind::Post).is_none()));
                prop_assert!(!matches!(hold.state, State::Refused(_)) || at(Kind::Post).is_none());
            }
            prop_assert!(orders.get(leg(2), Kind::Refund).is_none() || at(Kind::Post).is_some());
            let amount = at(Kind::Post).map(|post| post.amount);
            prop_assert!(posted.is_none() || posted == amount, "what was told stays");
            posted = amount;
        }
    }
}
