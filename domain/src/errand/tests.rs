//! Tables of the rules of errands.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::payment::{FrozenInstrument, Instrument, PayerGuard, Policy};
use crate::purchase::{CategoryCode, Merchant};
use crate::text::Line;
use crate::{AccountId, BankId, MerchantId};

const NOW: Timestamp = Timestamp::from_secs(1_780_000_000);

fn after(seconds: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(seconds))
}

fn person() -> PersonId {
    PersonId::from_uuid(Uuid::from_u128(7))
}

fn till() -> TerminalId {
    TerminalId::parse("till-1").unwrap()
}

fn new(kind: ErrandKind) -> NewErrand {
    NewErrand {
        id: ErrandId::from_uuid(Uuid::from_u128(1)),
        kind,
        terminal: Arc::new(Terminal {
            id: till(),
            merchant: Merchant {
                id: MerchantId::parse("noodles").unwrap(),
                name: Line::parse("面馆").unwrap(),
                category: CategoryCode::parse("5812").unwrap(),
            },
            place: None,
            location: None,
            suspended: false,
        }),
        fingerprint: [1; 32],
        person_id: Some(person()),
        number_epoch: 2,
        code_mac: [9; 32],
    }
}

fn guard() -> PayerGuard {
    PayerGuard { number_epoch: 2, failures: 3, ..PayerGuard::new(person()) }
}

fn frozen() -> Vec<FrozenInstrument> {
    let instrument = Instrument::Account(AccountId::from_uuid(Uuid::from_u128(3)));
    vec![FrozenInstrument { bank_id: BankId::parse("bank-a").unwrap(), instrument }]
}

/// What fits the errand.
fn known(kind: ErrandKind) -> Known {
    Known { has_instrument: true, waits: kind == ErrandKind::Activate, has_password: kind.takes_known() }
}

fn attempt(n: u128, code_matches: bool, known_matches: bool) -> Attempt {
    let proof = Proof { code_matches, known_matches };
    Attempt { id: AttemptId::from_uuid(Uuid::from_u128(100 + n)), terminal_id: till(), proof }
}

fn begun(kind: ErrandKind) -> (Errand, PayerGuard) {
    let mut guard = guard();
    let errand = Errand::create(new(kind), Some(&mut guard), known(kind), NOW, &Policy::default());
    assert_eq!((errand.state, errand.refusal), (State::Waiting, None));
    (errand, guard)
}

#[test]
fn m3_whatever_keeps_a_number_from_being_served_is_one_refusal() {
    type Change = fn(&mut PayerGuard);
    let table: [(&str, Change, bool, bool); 7] = [
        ("a number that can be served", |_| {}, true, true),
        ("nothing bound", |_| {}, false, false),
        ("blocked", |it| it.blocked_until = Some(after(1)), true, false),
        ("frozen", |it| it.frozen = frozen(), true, false),
        ("another epoch since it was looked up", |it| it.number_epoch = 3, true, false),
        ("not proved since the SIM card was changed", |it| it.number_closed = true, true, false),
        ("a code was sent a moment ago", |it| it.codes_sent = vec![NOW], true, false),
    ];
    for (what, change, has_instrument, served) in table {
        let mut guard = guard();
        change(&mut guard);
        let known = Known { has_instrument, ..known(ErrandKind::Activate) };
        let errand = Errand::create(new(ErrandKind::Activate), Some(&mut guard), known, NOW, &Policy::default());
        let expected = if served { (State::Waiting, None) } else { (State::Refused, Some(Reason::NumberNotServed)) };
        assert_eq!((errand.state, errand.refusal), expected, "{what}");
        assert_eq!(errand.challenge.is_some(), served, "{what}");
    }
    let unknown = NewErrand { person_id: None, ..new(ErrandKind::SetPassword) };
    let errand = Errand::create(unknown, None, Known::default(), NOW, &Policy::default());
    assert_eq!((errand.state, errand.refusal), (State::Refused, Some(Reason::NumberNotServed)));
}

#[test]
fn m3_each_errand_is_done_by_what_it_takes_and_told_when_it_is_not_needed() {
    use ErrandKind::{Activate, ChangePassword, ResetPassword, SetPassword};
    let table = [
        (Activate, true, false, Ok(true), None),
        (Activate, false, false, Ok(false), Some(Reason::AlreadyActive)),
        (SetPassword, true, false, Ok(true), None),
        (SetPassword, false, true, Ok(false), Some(Reason::PasswordIsSet)),
        (ChangePassword, false, true, Ok(true), None),
        (ChangePassword, false, false, Ok(false), Some(Reason::PasswordNotSet)),
        (ResetPassword, false, true, Ok(true), None),
        (ResetPassword, true, false, Ok(false), Some(Reason::PasswordNotSet)),
    ];
    for (kind, waits, has_password, done, refusal) in table {
        let (mut errand, mut guard) = begun(kind);
        let known = Known { has_instrument: true, waits, has_password };
        let said = errand.prove(&attempt(1, true, true), &mut guard, known, after(5), &Policy::default());
        assert_eq!((said, errand.refusal), (done, refusal), "{kind:?}");
        assert_eq!(errand.state, if refusal.is_none() { State::Done } else { State::Refused }, "{kind:?}");
        assert_eq!((errand.decided_at, errand.challenge.is_none()), (Some(after(5)), true), "{kind:?}");
        // A code alone clears nothing of what was counted before.
        let cleared = kind.takes_known() && refusal.is_none();
        assert_eq!(guard.failures, if cleared { 0 } else { 3 }, "{kind:?}");
    }
}

#[test]
fn m3_a_wrong_try_is_one_refusal_whatever_was_wrong_and_counts_as_one_at_a_payment() {
    for (code, known_right) in [(false, true), (true, false), (false, false)] {
        let (mut errand, _) = begun(ErrandKind::ChangePassword);
        let mut guard = PayerGuard { failures: 0, ..guard() };
        let fits = known(ErrandKind::ChangePassword);
        for (n, left) in [(1, 2), (2, 1)] {
            let done = errand.prove(&attempt(n, code, known_right), &mut guard, fits, after(5), &Policy::default());
            assert_eq!((done, errand.refusal), (Ok(false), Some(Reason::VerificationFailed)));
            assert_eq!(errand.challenge.as_ref().unwrap().attempts_left, left);
            // Sent again it counts once.
            let again = errand.prove(&attempt(n, true, true), &mut guard, fits, after(6), &Policy::default());
            assert_eq!((again, guard.failures), (Ok(false), u32::try_from(n).unwrap()));
        }
        let last = errand.prove(&attempt(3, code, known_right), &mut guard, fits, after(5), &Policy::default());
        assert_eq!((last, errand.state), (Ok(false), State::Refused));
        assert_eq!((errand.refusal, guard.failures), (Some(Reason::AttemptsExhausted), 3));
        let late = errand.prove(&attempt(4, true, true), &mut guard, fits, after(5), &Policy::default());
        assert_eq!(late, Err(Reason::ErrandDecided));
    }
}

#[test]
fn m5_a_code_is_good_for_its_time_and_its_epoch_and_not_for_whom_is_blocked() {
    type Change = fn(&mut PayerGuard);
    let table: [(&str, u64, Change, Reason); 5] = [
        ("too late", 180, |_| {}, Reason::CodeExpired),
        ("blocked meanwhile", 5, |it| it.blocked_until = Some(after(60)), Reason::AttemptsExhausted),
        ("another SIM card", 5, |it| it.number_epoch = 3, Reason::NumberNotServed),
        ("not proved", 5, |it| it.number_closed = true, Reason::NumberNotServed),
        ("frozen meanwhile", 5, |it| it.frozen = frozen(), Reason::NumberNotServed),
    ];
    for (what, seconds, change, reason) in table {
        let (mut errand, mut guard) = begun(ErrandKind::SetPassword);
        change(&mut guard);
        let before = guard.clone();
        let fits = known(ErrandKind::SetPassword);
        let done = errand.prove(&attempt(1, true, true), &mut guard, fits, after(seconds), &Policy::default());
        assert_eq!((done, errand.state, errand.refusal), (Ok(false), State::Refused, Some(reason)), "{what}");
        assert_eq!(guard, before, "{what}: nothing is counted that was not looked at");
    }
}

#[test]
fn m3_an_errand_belongs_to_its_terminal_and_its_id_to_its_request() {
    let (mut errand, mut guard) = begun(ErrandKind::Activate);
    let other = TerminalId::parse("till-2").unwrap();
    assert_eq!(errand.owned_by(&other).err(), Some(Reason::ErrandUnknown));
    let stranger = Attempt { terminal_id: other.clone(), ..attempt(1, true, true) };
    let fits = known(ErrandKind::Activate);
    let said = errand.prove(&stranger, &mut guard, fits, after(1), &Policy::default());
    assert_eq!((said, errand.attempts.len()), (Err(Reason::ErrandUnknown), 0));
    assert_eq!(errand.same_request(&till(), &[1; 32]), Ok(()));
    assert_eq!(errand.same_request(&till(), &[2; 32]), Err(Reason::IdTaken));
    assert_eq!(errand.same_request(&other, &[1; 32]), Err(Reason::IdTaken));
    assert!(!errand.has_expired(after(179)) && errand.has_expired(after(180)));
}

#[test]
fn m3_a_pin_block_of_an_errand_is_made_for_sixteen_digits_of_its_id() {
    let number = |id: &str| block_number(ErrandId::parse(id).unwrap());
    assert_eq!(number("0192f0c1-7a6b-7c3d-8000-000000000001"), "3372036854775809");
    assert_eq!(number("0192f0c1-7a6b-7c3d-bfff-ffffffffffff"), expected());
    assert_ne!(number("0192f0c1-7a6b-7c3d-8000-000000000001"), number("0192f0c1-7a6b-7c3d-8000-000000000002"));
}

/// The greatest end that an id may have, by arithmetic apart from that of the rule.
fn expected() -> String {
    let digits = 0xBFFF_FFFF_FFFF_FFFF_u64.to_string();
    digits[digits.len() - 16..].to_owned()
}

#[test]
fn words_are_read_back_as_they_are_stored() {
    for kind in ErrandKind::ALL {
        assert_eq!(ErrandKind::parse(kind.as_str()), Ok(kind));
    }
    for state in State::ALL {
        assert_eq!(State::parse(state.as_str()), Ok(state));
    }
    assert_eq!(ErrandKind::parse("PAY"), Err(Reason::FieldUnknown));
    assert_eq!(State::parse("OPEN"), Err(Reason::FieldUnknown));
}

proptest! {
    /// Whoever has no code is heard three times an errand and five times in half an hour, whatever else is right.
    #[test]
    fn m5_guesses_at_errands_are_bounded(kinds in prop::collection::vec(0_usize..4, 1..12), gap in 1_u64..120) {
        let policy = Policy { sends: Vec::new(), ..Policy::default() };
        let mut guard = PayerGuard { failures: 0, ..guard() };
        let (mut heard, mut at, mut n) = (0, 0, 0);
        for kind in kinds.into_iter().map(|kind| ErrandKind::ALL[kind]) {
            let mut errand = Errand::create(new(kind), Some(&mut guard), known(kind), after(at), &policy);
            for _ in 0..5 {
                at += gap.min(30);
                n += 1;
                let left = errand.challenge.as_ref().map(|challenge| challenge.attempts_left);
                let said = errand.prove(&attempt(n, false, true), &mut guard, known(kind), after(at), &policy);
                prop_assert_ne!(said, Ok(true));
                heard += usize::from(left != errand.challenge.as_ref().map(|it| it.attempts_left) && left.is_some()
                    && errand.refusal != Some(Reason::CodeExpired) && errand.refusal != Some(Reason::NumberNotServed));
            }
            prop_assert_ne!(errand.state, State::Done);
        }
        prop_assert!(heard <= 5 * (1 + usize::try_from(at).unwrap() / 1800), "{} in {} s", heard, at);
    }
}
