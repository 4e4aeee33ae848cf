//! Cards are made, replaced, activated, lost and frozen.

use std::collections::BTreeSet;

use domain::card::{Bin, Card, CardState, CvvKey, Pan, Proof};
use domain::ledger::{LegState, Nature, Party};
use domain::{AccountId, CardId, Reason};
use futures_util::future::join_all;

use super::super::Issuing;
use super::trial::{COMBINED, CREDIT_ONLY, DEBIT_ONLY, Holder, PIN, Trial, name, reason};
use crate::credit_system::CardNumbers;
use crate::hsm::{CardFace, Check, CvvKind, Made, PanDigits, Side};
use crate::ledger::card_steps::CardChange;
use crate::ledger::conformance::bank::teller;

impl Trial {
    fn issuing(&self, bin: &str, debit: Option<AccountId>, credit: Option<AccountId>) -> Issuing {
        Issuing { card_id: self.card_id(), bin: Bin::parse(bin).unwrap(), debit, credit, pan: None }
    }

    async fn state(&self, card: CardId) -> CardState {
        self.card(card).await.state
    }

    async fn card(&self, card: CardId) -> Card {
        self.cards.card(card).await.unwrap().0
    }
}

pub(super) async fn c3_a_card_is_issued_once_with_the_same_face_and_number_track_and_values_that_verify(trial: Trial) {
    let (debit, credit) = (trial.bank.account_with(1).await, trial.credit_account(10, 0).await);
    let card_id = trial.card_id();
    let issuing = |bin: &str| Issuing {
        card_id,
        bin: Bin::parse(bin).unwrap(),
        debit: Some(debit),
        credit: Some(credit),
        pan: None,
    };
    let (_, face) = trial.issue(issuing(COMBINED)).await.unwrap();
    let (_, again) = trial.issue(issuing(COMBINED)).await.unwrap();
    assert_eq!(face.track.reveal(), again.track.reveal());
    assert!(face.pan == again.pan && face.cvv2 == again.cvv2 && face.expiry == again.expiry);
    assert!(face.pan.reveal().starts_with(COMBINED) && Pan::parse(face.pan.reveal()).is_ok());
    assert_eq!(trial.issue(issuing(DEBIT_ONLY)).await.err(), Some(Reason::IdTaken));

    let digits = PanDigits::from(&face.pan);
    let verify = |kind, cvv, side| {
        let card = CardFace { pan: &digits, expiry: face.expiry.into(), kind };
        trial.hsm.verify_cvv(side, &card, &Made { value: cvv, version: 1 }).unwrap()
    };
    let (printed, on_track) = (face.cvv2.clone(), face.track.cvv().unwrap());
    assert_eq!(
        verify(CvvKind::Printed, printed.clone(), Side::Credit),
        Check::Matches,
        "the credit master key made it"
    );
    assert_eq!(verify(CvvKind::Track(face.track.service_code), on_track, Side::Credit), Check::Matches);
    assert_eq!(domain::card::Product::Combined.cvv_key(), CvvKey::Credit);

    // Whoever writes to an existing credit system has the number from here.
    assert!(CardNumbers::pan(&trial.cards, card_id).await == Ok(face.pan.clone()));
    assert_eq!(CardNumbers::pan(&trial.cards, trial.card_id()).await.err(), Some(Reason::CardUnknown));
    // Nothing of it stands in the database as it is.
    let sealed = trial.cards.known(card_id).await.unwrap().pan_sealed;
    assert!(!sealed.windows(8).any(|bytes| face.pan.reveal().as_bytes().windows(8).any(|digits| digits == bytes)));
    assert_eq!(trial.card(card_id).await.masked, face.pan.masked());
    trial.end().await;
}

pub(super) async fn c3_what_cannot_be_issued_is_refused_by_reason_and_nothing_is_stored(trial: Trial) {
    let (debit, credit) = (trial.bank.account_with(1).await, trial.credit_account(10, 0).await);
    let nobody = AccountId::from_uuid(trial.id());
    let pan = |text: &str| Some(Pan::parse(text).unwrap());
    let with = |bin, debit, credit, pan| Issuing { pan, ..trial.issuing(bin, debit, credit) };
    let table = [
        ("no account", with(COMBINED, None, None, None), Reason::FieldMissing),
        ("debit alone on a combined BIN", with(COMBINED, Some(debit), None, None), Reason::CardSidesMismatch),
        ("credit on a debit BIN", with(DEBIT_ONLY, None, Some(credit), None), Reason::CardSidesMismatch),
        ("both on a credit BIN", with(CREDIT_ONLY, Some(debit), Some(credit), None), Reason::CardSidesMismatch),
        ("another bank's BIN", with("62289999", Some(debit), None, None), Reason::BinUnknown),
        (
            "another bank's number",
            with(COMBINED, Some(debit), Some(credit), pan("4111111111111111")),
            Reason::BinUnknown,
        ),
        ("an account that is not there", with(DEBIT_ONLY, Some(nobody), None, None), Reason::AccountUnknown),
        ("the sides mixed up", with(COMBINED, Some(credit), Some(debit), None), Reason::AccountUnknown),
    ];
    for (name, issuing, wanted) in table {
        let id = issuing.card_id;
        assert_eq!(trial.issue(issuing).await.err(), Some(wanted), "{name}");
        let found = trial.cards.card(id).await;
        assert_eq!(found.err().map(|error| reason(&error)), Some(Reason::CardUnknown), "{name}: nothing was stored");
    }
    // A number that an existing system has made is used once.
    let made = Pan::issue(&Bin::parse(DEBIT_ONLY).unwrap(), 77, 16).unwrap();
    let issuing = with(DEBIT_ONLY, Some(debit), None, Some(made.clone()));
    assert_eq!(trial.issue(issuing).await.unwrap().1.pan, made);
    let other = trial.bank.account_with(1).await;
    let again = with(DEBIT_ONLY, Some(other), None, Some(made));
    assert_eq!(trial.issue(again).await.err(), Some(Reason::CardNumberTaken));
    let second = with(DEBIT_ONLY, Some(debit), None, None);
    assert_eq!(trial.issue(second).await.err(), Some(Reason::AccountTaken), "one card leads to an account");
    let alone = with(CREDIT_ONLY, None, Some(credit), None);
    assert!(trial.issue(alone).await.is_ok());
    trial.end().await;
}

pub(super) async fn c3_cards_that_draw_the_same_number_at_once_get_different_ones(trial: Trial) {
    let offices: Vec<_> = (0..4).map(|_| trial.drawing(7)).collect();
    let mut issuings = Vec::new();
    for _ in &offices {
        issuings.push(trial.issuing(DEBIT_ONLY, Some(trial.bank.account_with(1).await), None));
    }
    let issued = join_all(offices.iter().zip(issuings).map(|(office, issuing)| office.issue(issuing, teller()))).await;
    let pans: BTreeSet<String> = issued.into_iter().map(|card| card.unwrap().1.pan.reveal().to_owned()).collect();
    assert_eq!(pans.len(), offices.len());
    drop(offices);
    trial.end().await;
}

pub(super) async fn c3_a_replaced_card_pays_no_more_and_its_successor_does(trial: Trial) {
    let old = trial.holder().await;
    trial.change(old.card, CardChange::ReportLost).await.unwrap();
    assert_eq!(trial.pay(&old, Some(PIN), 1).await, Ok(LegState::Refused(Reason::CardLost)));
    let new_id = trial.card_id();
    let (card, face) = trial.cards.replace(old.card, new_id, teller()).await.unwrap();
    let (_, again) = trial.cards.replace(old.card, new_id, teller()).await.unwrap();
    assert_eq!(face.track.reveal(), again.track.reveal());
    assert_ne!(face.pan, old.face.pan);
    let new = Holder { card: card.id, face, debit: old.debit, credit: old.credit };
    assert_eq!(
        trial.pay(&new, Some(PIN), 1).await,
        Ok(LegState::Refused(Reason::CardNotVerified)),
        "it has no PIN yet"
    );
    trial.set_pin(&new, "314159", None).await.unwrap();
    assert_eq!(trial.pay(&new, Some("314159"), 1).await, Ok(LegState::Refused(Reason::CardInactive)));
    trial.change(new.card, CardChange::Activate).await.unwrap();
    assert_eq!(trial.pay(&new, Some("314159"), 1).await, Ok(LegState::Held));
    assert_eq!(trial.pay(&old, Some(PIN), 1).await, Ok(LegState::Refused(Reason::CardReplaced)));
    let third = trial.cards.replace(old.card, trial.card_id(), teller()).await;
    assert_eq!(third.err().map(|error| reason(&error)), Some(Reason::CardReplaced));
    trial.end().await;
}

pub(super) async fn c5_a_card_issued_before_its_key_was_changed_is_verified_under_the_key_before(trial: Trial) {
    let holder = trial.holder().await;
    for key in ["cvk-credit", "pin-verification"] {
        trial.hsm.generate(&name(key)).unwrap();
    }
    assert_eq!(trial.pay(&holder, Some(PIN), 1).await, Ok(LegState::Held));
    trial.set_pin(&holder, "314159", Some(PIN)).await.unwrap();
    assert_eq!(trial.pay(&holder, Some("314159"), 1).await, Ok(LegState::Held));
    trial.hsm.retire(&name("cvk-credit"), 1).unwrap();
    assert!(trial.pay(&holder, Some("314159"), 1).await.is_err(), "its key is gone: no answer, and no wrong one");
    assert_eq!(trial.wrong_pins(&holder).await, 0);
    trial.end().await;
}

pub(super) async fn c9_activation_a_loss_and_a_freeze_hold_for_both_sides_and_for_the_phone_number(trial: Trial) {
    let holder = trial.holder().await;
    assert_eq!(trial.state(holder.card).await, CardState::Active);
    let (bank, card) = (&trial.bank, Party::Card(holder.card));
    let by_phone = async |party| {
        let held = trial.hold_of(bank.leg_id(), party, Proof::Given, Nature::Purchase, 10).await;
        held.map(|leg| leg.state)
    };
    trial.change(holder.card, CardChange::Freeze(true)).await.unwrap();
    trial.change(holder.card, CardChange::Freeze(true)).await.unwrap();
    assert_eq!(by_phone(card).await, Ok(LegState::Refused(Reason::CardFrozen)));
    assert_eq!(by_phone(Party::Account(holder.debit)).await, Ok(LegState::Refused(Reason::AccountFrozen)));
    assert_eq!(trial.pay(&holder, Some(PIN), 10).await, Ok(LegState::Refused(Reason::CardFrozen)));
    let number = trial.read(&holder.face, None);
    let deposit = trial.hold(bank.leg_id(), &number, Nature::Deposit, 50).await.unwrap();
    assert_eq!((deposit.state, bank.post(deposit.id).await), (LegState::Held, Ok(LegState::Posted)));
    // What is frozen is frozen after a restart too.
    trial.change(holder.card, CardChange::Freeze(false)).await.unwrap();
    assert_eq!(by_phone(Party::Account(holder.debit)).await, Ok(LegState::Held));
    assert_eq!(by_phone(card).await, Ok(LegState::Held));
    trial.change(holder.card, CardChange::Close).await.unwrap();
    assert_eq!(by_phone(card).await, Ok(LegState::Refused(Reason::CardClosed)));
    let late = trial.change(holder.card, CardChange::Activate).await;
    assert_eq!(late, Err(Reason::CardClosed));
    let unknown = trial.change(trial.card_id(), CardChange::Activate).await;
    assert_eq!(unknown, Err(Reason::CardUnknown));
    trial.end().await;
}
