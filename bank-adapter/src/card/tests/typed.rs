//! A number and a PIN that somebody has typed over the telephone.

use domain::{CardId, Reason};
use proto::{bank, common};

use super::super::Typed;
use super::trial::{Holder, PIN, Trial, reason};
use crate::ledger::card_steps::CardChange;

impl Trial {
    /// Which card it is, as the hub asks it of these.
    async fn type_in(&self, holder: &Holder, pin: &str, of: &[CardId]) -> Result<CardId, Reason> {
        let card = common::PresentedCard {
            pan: holder.face.pan.reveal().to_owned(),
            pin_block: Some(self.typed(&holder.face, pin)),
            ..common::PresentedCard::default()
        };
        let card_ids = of.iter().map(CardId::to_string).collect();
        let request = bank::ProveCardRequest { card: Some(card), pin_pad_id: "till-1".to_owned(), card_ids };
        self.cards.prove_typed(Typed::read(&request)?).await.map_err(|error| reason(&error))
    }
}

pub(super) async fn f2_a_number_and_its_pin_prove_a_card_and_wrong_pins_count_as_at_a_terminal(trial: Trial) {
    let (holder, other) = (trial.holder().await, trial.holder().await);
    let of = [other.card, holder.card];
    assert_eq!(trial.type_in(&holder, PIN, &of).await, Ok(holder.card));
    let refused = Err(Reason::CardNotVerified);
    assert_eq!(trial.type_in(&holder, "271829", &of).await, refused);
    assert_eq!((trial.wrong_pins(&holder).await, trial.wrong_pins(&other).await), (1, 0));
    assert_eq!(trial.type_in(&holder, PIN, &of).await, Ok(holder.card));
    assert_eq!(trial.wrong_pins(&holder).await, 0, "a right one starts the count again");
    assert_eq!(
        trial.pay(&holder, Some("271829"), 10).await,
        Ok(domain::ledger::LegState::Refused(Reason::CardNotVerified))
    );
    for _ in 0..2 {
        assert_eq!(trial.type_in(&holder, "271829", &of).await, refused);
    }
    assert_eq!(trial.wrong_pins(&holder).await, 3, "with the one at the terminal");
    assert_eq!(trial.type_in(&holder, PIN, &of).await, refused, "the card is locked, in the same words");
    trial.change(other.card, CardChange::Freeze(true)).await.unwrap();
    assert_eq!(trial.type_in(&other, PIN, &of).await, Ok(other.card), "a card that is frozen is still its holder's");
    trial.change(other.card, CardChange::ReportLost).await.unwrap();
    assert_eq!(trial.type_in(&other, PIN, &of).await, refused, "whoever has found a card proves nothing by it");
    trial.end().await;
}

pub(super) async fn f2_who_knows_somebodys_number_cannot_lock_the_card_by_telephone(trial: Trial) {
    let (holder, stranger) = (trial.holder().await, trial.holder().await);
    let refused = Err(Reason::CardNotVerified);
    for of in [&[][..], &[stranger.card]] {
        for pin in ["271829", "271830", "271831", "271832", PIN] {
            assert_eq!(trial.type_in(&holder, pin, of).await, refused);
        }
    }
    assert_eq!(trial.wrong_pins(&holder).await, 0);
    let unknown = bank::ProveCardRequest {
        card: Some(common::PresentedCard {
            pan: "6228480099999994".to_owned(),
            pin_block: Some(trial.typed(&holder.face, PIN)),
            ..common::PresentedCard::default()
        }),
        pin_pad_id: "till-1".to_owned(),
        card_ids: vec![holder.card.to_string()],
    };
    let read = Typed::read(&unknown).unwrap();
    assert_eq!(format!("{read:?}"), "Typed(622848******9994)");
    assert!(trial.cards.prove_typed(read).await.is_err());
    type Change = fn(&mut bank::ProveCardRequest);
    let table: [(&str, Change, Reason); 5] = [
        ("no card", |it| it.card = None, Reason::FieldMissing),
        ("no PIN", |it| it.card.as_mut().unwrap().pin_block = None, Reason::PinRequired),
        ("no number", |it| it.card.as_mut().unwrap().pan.clear(), Reason::CardNumberLength),
        ("an id that is none", |it| it.card_ids = vec!["7".to_owned()], Reason::IdMalformed),
        ("too many cards", |it| it.card_ids = vec![it.card_ids[0].clone(); 51], Reason::TooManyItems),
    ];
    for (name, change, wanted) in table {
        let mut request = unknown.clone();
        change(&mut request);
        assert_eq!(Typed::read(&request).err(), Some(wanted), "{name}");
    }
    trial.end().await;
}
