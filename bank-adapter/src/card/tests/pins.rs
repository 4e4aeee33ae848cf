//! What a card and its holder prove, and what a wrong proof costs.

use domain::Reason;
use domain::ledger::{LegState, Nature};
use futures_util::future::join_all;
use proto::common;

use super::trial::{PIN, Trial};
use crate::ledger::card_steps::CardChange;

pub(super) async fn c5_whatever_is_wrong_of_a_card_is_one_refusal_that_is_stored_with_its_leg(trial: Trial) {
    let holder = trial.holder().await;
    let other = trial.holder().await;
    let with = |change: &dyn Fn(&mut common::PresentedCard)| {
        let mut card = trial.read(&holder.face, Some(PIN));
        change(&mut card);
        card
    };
    let swapped = |text: &str, at: usize| {
        let mut digits: Vec<u8> = text.bytes().collect();
        digits[at] = b'0' + (digits[at] - b'0' + 1) % 10;
        String::from_utf8(digits).unwrap()
    };
    let track = holder.face.track.reveal();
    // The CVV stands after the number, the separator, the expiry, the service code and five digits.
    let cvv_at = holder.face.pan.reveal().len() + 1 + 4 + 3 + 5;
    let later = if holder.face.expiry.yymm().ends_with("12") { "9901" } else { "9912" };
    let table = [
        ("a wrong CVV on the track", with(&|it| it.track2 = swapped(&track, cvv_at))),
        ("a wrong CVV2", with(&|it| it.cvv2 = swapped(holder.face.cvv2.reveal(), 0))),
        ("another service code", with(&|it| it.track2 = service_code(&track, "101"))),
        (
            "another expiry",
            with(&|it| {
                it.track2.clear();
                it.expiry = later.to_owned();
                it.cvv2 = holder.face.cvv2.reveal().to_owned();
            }),
        ),
        ("another card's CVV2", with(&|it| it.cvv2 = other.face.cvv2.reveal().to_owned())),
        ("a wrong PIN", with(&|it| it.pin_block = Some(trial.typed(&holder.face, "271829")))),
        (
            "a card that the bank does not have",
            with(&|it| {
                it.track2.clear();
                it.pan = "6228480099999994".to_owned();
                it.cvv2 = "123".to_owned();
            }),
        ),
    ];
    for (name, card) in table {
        if card.cvv2 == holder.face.cvv2.reveal() && name == "another card's CVV2" {
            continue;
        }
        let leg_id = trial.bank.leg_id();
        let leg = trial.hold(leg_id, &card, Nature::Purchase, 10).await.unwrap();
        assert_eq!(leg.state, LegState::Refused(Reason::CardNotVerified), "{name}");
        let stored = trial.bank.ledger.leg(leg_id).await.unwrap();
        assert_eq!(stored.state, leg.state, "{name}: the same hold gets the same answer for ever");
        let again = trial.hold(leg_id, &card, Nature::Purchase, 10).await.unwrap();
        assert_eq!(again.state, leg.state, "{name}");
        // Or the card would be blocked after five of them.
        trial.change(holder.card, CardChange::Freeze(false)).await.unwrap();
    }
    assert_eq!(trial.wrong_pins(&holder).await, 1, "only the PIN counts, and once");
    // The right card goes on as if nothing had been.
    assert_eq!(trial.pay(&holder, Some(PIN), 10).await, Ok(LegState::Held));
    let by_cvv2 = with(&|it| {
        it.track2.clear();
        it.cvv2 = holder.face.cvv2.reveal().to_owned();
        it.pin_block = None;
    });
    let paid = trial.hold(trial.bank.leg_id(), &by_cvv2, Nature::Purchase, 200).await.unwrap();
    assert_eq!(paid.state, LegState::Held, "what is bought from afar takes no PIN");
    assert_eq!(trial.pay(&holder, None, 100).await, Ok(LegState::Held), "a small purchase takes none");
    assert_eq!(trial.pay(&holder, None, 101).await, Err(Reason::PinRequired));
    trial.end().await;
}

pub(super) async fn c5_a_pin_block_that_is_no_pin_is_refused_by_reason_and_nothing_is_stored_or_counted(trial: Trial) {
    let (holder, other) = (trial.holder().await, trial.holder().await);
    let right = trial.typed(&holder.face, PIN);
    let block = |change: &dyn Fn(&mut common::PinBlock)| {
        let mut block = right.clone();
        change(&mut block);
        block
    };
    let table = [
        ("nothing but zeros", block(&|it| it.block = vec![0; 16]), Reason::PinBlockMalformed),
        ("too short", block(&|it| it.block = vec![1; 15]), Reason::PinBlockMalformed),
        ("the other format", block(&|it| it.set_format(common::PinBlockFormat::Iso0)), Reason::PinBlockMalformed),
        ("no format", block(&|it| it.format = 0), Reason::FieldUnknown),
        ("a format of tomorrow", block(&|it| it.format = 9), Reason::FieldUnknown),
        ("a version that never was", block(&|it| it.key_version = 7), Reason::PinKeyUnknown),
        ("another card's", trial.typed(&other.face, PIN), Reason::PinBlockUnreadable),
        ("a bit flipped", block(&|it| it.block[3] ^= 1), Reason::PinBlockUnreadable),
    ];
    for (name, block, wanted) in table {
        let card = common::PresentedCard { pin_block: Some(block), ..trial.read(&holder.face, None) };
        let leg_id = trial.bank.leg_id();
        let refused = trial.hold(leg_id, &card, Nature::Purchase, 10).await;
        assert_eq!(refused.map(|leg| leg.state), Err(wanted), "{name}");
        assert!(trial.bank.ledger.leg(leg_id).await.is_err(), "{name}: nothing was stored");
    }
    assert_eq!(trial.wrong_pins(&holder).await, 0);
    trial.end().await;
}

pub(super) async fn c1_three_wrong_pins_lock_the_card_whatever_they_are_tried_on_and_a_new_pin_unlocks_it(
    trial: Trial,
) {
    let holder = trial.holder().await;
    let not_verified = LegState::Refused(Reason::CardNotVerified);
    assert_eq!(trial.pay(&holder, Some("000000"), 10).await, Ok(not_verified));
    assert_eq!(trial.set_pin(&holder, "314159", Some("000001")).await, Err(Reason::CardNotVerified));
    let guess = trial.read(&holder.face, Some("000002"));
    assert_eq!(trial.balance(&guess).await, Err(Reason::CardNotVerified));
    assert_eq!(trial.pay(&holder, Some(PIN), 10).await, Ok(LegState::Refused(Reason::CardLocked)));
    assert_eq!(trial.set_pin(&holder, "314159", Some(PIN)).await, Err(Reason::CardLocked));
    assert_eq!(trial.balance(&trial.read(&holder.face, Some(PIN))).await, Err(Reason::CardLocked));
    // Money still comes in, and the bank may set a new PIN for whoever proves to be the holder.
    let number = trial.read(&holder.face, None);
    let deposit = trial.hold(trial.bank.leg_id(), &number, Nature::Deposit, 1).await.unwrap();
    assert_eq!(deposit.state, LegState::Held);
    trial.set_pin(&holder, "314159", None).await.unwrap();
    assert_eq!(trial.pay(&holder, Some("314159"), 10).await, Ok(LegState::Held));
    assert_eq!(trial.pay(&holder, Some(PIN), 10).await, Ok(not_verified));
    trial.end().await;
}

pub(super) async fn c1_a_hundred_tries_at_once_are_three_tries(trial: Trial) {
    let holder = trial.holder().await;
    // A card of each guess, and among them the right one last.
    let guesses: Vec<_> = (0..100)
        .map(|n| trial.read(&holder.face, Some(&if n == 99 { PIN.to_owned() } else { format!("{n:06}") })))
        .collect();
    let tries = guesses.iter().map(|card| trial.hold(trial.bank.leg_id(), card, Nature::Purchase, 1));
    let told: Vec<_> = join_all(tries).await.into_iter().map(|leg| leg.unwrap().state).collect();
    let count = |state| told.iter().filter(|it| **it == state).count();
    let wrong = count(LegState::Refused(Reason::CardNotVerified));
    assert!(wrong == 3 || (wrong > 3 && count(LegState::Held) == 1 && wrong <= 5), "{told:?}");
    assert_eq!(trial.wrong_pins(&holder).await, 3);
    trial.end().await;
}

pub(super) async fn c4_a_pin_is_changed_with_the_one_before_it_and_each_change_counts_once(trial: Trial) {
    let holder = trial.holder().await;
    let change = trial.id();
    assert_eq!(trial.set_pin_as(change, &holder, "314159", Some(PIN)).await, Ok(()));
    // Sent again, the change finds itself done: the PIN before it is no longer asked for.
    assert_eq!(trial.set_pin_as(change, &holder, "314159", Some(PIN)).await, Ok(()));
    assert_eq!(trial.wrong_pins(&holder).await, 0);
    assert_eq!(trial.pay(&holder, Some("314159"), 1).await, Ok(LegState::Held));
    assert_eq!(trial.set_pin(&holder, "161803", Some(PIN)).await, Err(Reason::CardNotVerified));
    assert_eq!(trial.wrong_pins(&holder).await, 1);
    assert_eq!(trial.pay(&holder, Some("161803"), 1).await, Ok(LegState::Refused(Reason::CardNotVerified)));
    assert_eq!(trial.pay(&holder, Some("314159"), 1).await, Ok(LegState::Held));
    trial.change(holder.card, CardChange::ReportLost).await.unwrap();
    assert_eq!(trial.set_pin(&holder, "161803", None).await, Err(Reason::CardLost));
    trial.end().await;
}

pub(super) async fn c4_a_change_that_is_sent_again_gets_its_answer_again_and_counts_once(trial: Trial) {
    let (holder, other) = (trial.holder().await, trial.holder().await);
    let [wrong, done, later, refused] = std::array::from_fn(|_| trial.id());
    let guess = async || trial.set_pin_as(wrong, &holder, "314159", Some("000000")).await;
    let guesses = join_all((0..20).map(|_| guess())).await;
    assert!(guesses.iter().all(|told| *told == Err(Reason::CardNotVerified)), "{guesses:?}");
    assert_eq!(trial.wrong_pins(&holder).await, 1);
    assert_eq!(trial.set_pin_as(done, &holder, "314159", Some(PIN)).await, Ok(()));
    assert_eq!(trial.set_pin_as(later, &holder, "161803", Some("314159")).await, Ok(()));
    // Whatever has become of the card since, each gets the answer that it got.
    assert_eq!(guess().await, Err(Reason::CardNotVerified));
    assert_eq!(trial.set_pin_as(done, &holder, "314159", Some(PIN)).await, Ok(()));
    assert_eq!(trial.wrong_pins(&holder).await, 0);
    assert_eq!(trial.pay(&holder, Some("161803"), 1).await, Ok(LegState::Held), "the later one holds");
    for (change, holder, pin, current) in [
        (wrong, &holder, "314159", Some("161803")),
        (done, &holder, "314160", Some(PIN)),
        (done, &holder, "314159", Some("161803")),
        (done, &holder, "314159", None),
        (done, &other, "314159", Some(PIN)),
    ] {
        assert_eq!(trial.set_pin_as(change, holder, pin, current).await, Err(Reason::IdTaken), "it is another change");
    }
    for _ in 0..3 {
        assert_eq!(trial.set_pin(&holder, "314159", Some("000000")).await, Err(Reason::CardNotVerified));
    }
    for _ in 0..2 {
        let told = trial.set_pin_as(refused, &holder, "314159", Some("161803")).await;
        assert_eq!(told, Err(Reason::CardLocked), "also when the bank has unlocked it since");
        trial.set_pin(&holder, "141421", None).await.unwrap();
    }
    assert_eq!(trial.wrong_pins(&holder).await, 0);
    trial.end().await;
}

pub(super) async fn c4_the_last_eight_changes_of_a_card_are_remembered(trial: Trial) {
    let holder = trial.holder().await;
    let ids: Vec<_> = (0..9).map(|_| trial.id()).collect();
    let change = async |number: usize| trial.set_pin_as(ids[number], &holder, &format!("31415{number}"), None).await;
    for number in 0..9 {
        assert_eq!(change(number).await, Ok(()));
    }
    for number in 1..9 {
        assert_eq!(change(number).await, Ok(()));
    }
    assert_eq!(trial.pay(&holder, Some("314158"), 1).await, Ok(LegState::Held));
    assert_eq!(change(0).await, Ok(()), "this one is new again");
    assert_eq!(trial.pay(&holder, Some("314150"), 1).await, Ok(LegState::Held));
    trial.end().await;
}

/// Track 2 with another service code, which stands after separator and expiry (ISO/IEC 7813).
fn service_code(track: &str, code: &str) -> String {
    let at = track.find('=').unwrap() + 1 + 4;
    format!("{}{code}{}", &track[..at], &track[at + code.len()..])
}
