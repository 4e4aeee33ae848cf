//! What wrong verification values cost.

use domain::Reason;
use domain::card::CvvTries;
use domain::ledger::{LegState, Nature};
use futures_util::future::join_all;
use proto::common;

use super::trial::{Holder, PIN, Trial};
use crate::ledger::card_steps::CardChange;

const EXHAUSTED: LegState = LegState::Refused(Reason::CardValuesExhausted);
const NOT_VERIFIED: LegState = LegState::Refused(Reason::CardNotVerified);

impl Trial {
    /// The card from afar, with this CVV2.
    fn afar(&self, holder: &Holder, cvv2: &str) -> common::PresentedCard {
        let read = self.read(&holder.face, None);
        common::PresentedCard { track2: String::new(), cvv2: cvv2.to_owned(), ..read }
    }

    /// A copy of the card whose track has another CVV.
    fn copied(&self, holder: &Holder, pin: Option<&str>) -> common::PresentedCard {
        let card = self.read(&holder.face, pin);
        let track2 =
            format!("{}{}", &card.track2[..card.track2.len() - 3], other(holder.face.track.cvv().unwrap().reveal(), 0));
        common::PresentedCard { track2, ..card }
    }

    async fn buy(&self, card: &common::PresentedCard) -> Result<LegState, Reason> {
        self.hold(self.bank.leg_id(), card, Nature::Purchase, 1).await.map(|leg| leg.state)
    }

    async fn tries(&self, holder: &Holder) -> CvvTries {
        self.cards.card(holder.card).await.unwrap().0.cvv_tries
    }

    async fn version(&self, holder: &Holder) -> i64 {
        self.cards.card(holder.card).await.unwrap().0.version
    }
}

/// A value that this one is not; of each number another one.
fn other(value: &str, number: u32) -> String {
    let value: u32 = value.parse().unwrap();
    format!("{:03}", (value + 1 + number) % 1_000)
}

pub(super) async fn c5_five_wrong_values_from_five_terminals_leave_a_card_with_its_pin_alone(trial: Trial) {
    let holder = trial.holder().await;
    let right = trial.afar(&holder, holder.face.cvv2.reveal());
    let wrong = |number| trial.afar(&holder, &other(holder.face.cvv2.reveal(), number));
    for number in 0..3 {
        let leg_id = trial.bank.leg_id();
        for _ in 0..3 {
            let leg = trial.hold(leg_id, &wrong(number), Nature::Purchase, 1).await.unwrap();
            assert_eq!(leg.state, NOT_VERIFIED, "sent again it is the same hold");
        }
        assert_eq!(u32::from(trial.tries(&holder).await.wrong()), number + 1);
    }
    // Whatever it is used for a wrong value counts, or a deposit would say which one is right.
    let deposit = trial.hold(trial.bank.leg_id(), &wrong(3), Nature::Deposit, 1).await.unwrap();
    assert_eq!(deposit.state, NOT_VERIFIED);
    assert_eq!(trial.balance(&trial.copied(&holder, Some(PIN))).await, Err(Reason::CardNotVerified), "a copied track");
    let blocked = trial.tries(&holder).await;
    assert!(blocked.wrong() == 5 && blocked.is_blocked(trial.cards.now()));

    let version = trial.version(&holder).await;
    assert_eq!(trial.buy(&right).await, Ok(EXHAUSTED));
    assert_eq!(trial.buy(&wrong(4)).await, Ok(EXHAUSTED), "as the right one");
    assert_eq!(trial.buy(&trial.copied(&holder, Some(PIN))).await, Ok(EXHAUSTED));
    assert_eq!(trial.pay(&holder, None, 1).await, Ok(EXHAUSTED), "its track without the PIN");
    assert_eq!(trial.pay(&holder, Some(PIN), 1).await, Ok(LegState::Held), "whoever has the card and its PIN goes on");
    assert_eq!((trial.tries(&holder).await, trial.version(&holder).await), (blocked, version), "nobody can prolong it");
    let number = common::PresentedCard { cvv2: String::new(), expiry: String::new(), ..right.clone() };
    let deposit = trial.hold(trial.bank.leg_id(), &number, Nature::Deposit, 1).await.unwrap();
    assert_eq!(deposit.state, LegState::Held, "money still comes in by the number");

    trial.change(holder.card, CardChange::Freeze(false)).await.unwrap();
    assert_eq!(trial.buy(&right).await, Ok(LegState::Held), "the bank has lifted it");
    trial.end().await;
}

pub(super) async fn c5_when_a_block_is_over_a_right_value_forgets_it_and_a_wrong_one_blocks_again(trial: Trial) {
    let holder = trial.holder().await;
    let right = trial.afar(&holder, holder.face.cvv2.reveal());
    let wrong = trial.afar(&holder, &other(holder.face.cvv2.reveal(), 0));
    for _ in 0..6 {
        trial.buy(&wrong).await.unwrap();
    }
    for (card, told, wrong) in [(&wrong, NOT_VERIFIED, 5), (&right, LegState::Held, 0)] {
        assert_eq!(trial.buy(&right).await, Ok(EXHAUSTED));
        // A day later.
        let mut tx = trial.bank.store.begin().await.unwrap();
        let changed = "UPDATE cards SET cvv_blocked_until = $1, version = version + 1 WHERE card_id = $2";
        tx.execute(changed, vec![1_i64.into(), holder.card.uuid().into()]).await.unwrap();
        tx.commit().await.unwrap();
        // What is written over another version than the remembered one is read again (ADR 8).
        assert_eq!(trial.set_pin(&holder, "314159", Some("000000")).await, Err(Reason::CardNotVerified));
        assert_eq!((trial.buy(card).await, trial.tries(&holder).await.wrong()), (Ok(told), wrong));
    }
    trial.end().await;
}

pub(super) async fn c5_a_hundred_guesses_at_once_are_five(trial: Trial) {
    let holder = trial.holder().await;
    let guesses: Vec<_> =
        (0..100).map(|number| trial.afar(&holder, &other(holder.face.cvv2.reveal(), number))).collect();
    let told: Vec<_> =
        join_all(guesses.iter().map(|card| trial.buy(card))).await.into_iter().map(Result::unwrap).collect();
    let count = |state| told.iter().filter(|it| **it == state).count();
    assert_eq!((count(NOT_VERIFIED), count(EXHAUSTED)), (5, 95));
    trial.end().await;
}

pub(super) async fn c5_a_right_value_writes_nothing_of_a_card_of_which_nothing_is_counted(trial: Trial) {
    let holder = trial.holder().await;
    let right = trial.afar(&holder, holder.face.cvv2.reveal());
    let version = trial.version(&holder).await;
    for card in [&right, &trial.read(&holder.face, None), &trial.read(&holder.face, Some(PIN))] {
        assert_eq!(trial.buy(card).await, Ok(LegState::Held));
    }
    assert_eq!(trial.version(&holder).await, version);
    let wrong = trial.afar(&holder, &other(holder.face.cvv2.reveal(), 0));
    assert_eq!(trial.buy(&wrong).await, Ok(NOT_VERIFIED));
    assert_eq!(trial.buy(&right).await, Ok(LegState::Held));
    assert_eq!((trial.version(&holder).await, trial.tries(&holder).await), (version + 2, CvvTries::default()));
    trial.end().await;
}
