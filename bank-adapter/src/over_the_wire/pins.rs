//! A PIN that is changed at the counter, where a credit system has it too (C4).

use proto::common::PresentedCard;
use proto::counter::{PinChange, SetPinRequest};

use super::credit_system::Peered;
use super::*;
use crate::card::tests::trial::typed;

/// The PIN that the issuer has at first.
pub(super) const FIRST_PIN: &str = "123456";

impl Peered {
    fn typed(&self, pin: &str) -> proto::common::PinBlock {
        typed(&self.pad, &domain::card::Pan::parse(&self.face.pan).unwrap(), pin)
    }

    /// Where the change stands, as whoever asks for it is told.
    pub(super) async fn set_pin(&mut self, change_id: &str, pin: &str, current: &str) -> Result<PinChange, Status> {
        let request = SetPinRequest {
            change_id: change_id.to_owned(),
            card_id: self.card_id.clone(),
            pin_pad_id: "till-1".to_owned(),
            new_pin: Some(self.typed(pin)),
            current_pin: (!current.is_empty()).then(|| self.typed(current)),
        };
        Ok(self.trial.counter.set_pin(request).await?.into_inner().change())
    }

    /// Sends the same change until it is over.
    pub(super) async fn sees_through(&mut self, change_id: &str, pin: &str, current: &str) {
        let changing = async {
            loop {
                match self.set_pin(change_id, pin, current).await.unwrap() {
                    PinChange::Pending => tokio::time::sleep(PAUSE).await,
                    change => return assert_eq!(change, PinChange::Done),
                }
            }
        };
        tokio::time::timeout(NEVER, changing).await.expect("the change is over");
    }

    /// Sets the PIN that the issuer has already.
    pub(super) async fn first_pin(&mut self) {
        let change_id = self.trial.id();
        self.sees_through(&change_id, FIRST_PIN, "").await;
    }

    /// Whether the node takes this for the PIN of the card.
    async fn takes(&mut self, pin: &str) -> bool {
        let card = PresentedCard {
            pan: self.face.pan.clone(),
            track2: self.face.track2.clone(),
            pin_block: Some(self.typed(pin)),
            ..PresentedCard::default()
        };
        let at_terminal = CardAtTerminal { card: Some(card), terminal_id: "till-1".to_owned() };
        let request = InquireBalanceRequest { card: Some(at_terminal) };
        let asking = async {
            loop {
                match self.trial.hub.inquire_balance(request.clone()).await.map_err(|status| reason_of(&status)) {
                    Ok(_) => return true,
                    Err(Some(Reason::BankAway)) => {}
                    Err(reason) => {
                        assert_eq!(reason, Some(Reason::CardNotVerified));
                        return false;
                    }
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(20), asking).await.expect("the node tells")
    }

    /// The issuer's PIN of the card, and how many changes have had an effect there.
    pub(super) async fn pin_at_issuer(&mut self) -> (String, i64) {
        let state = self.issuer.state().await;
        let pin = state["accounts"][self.face.pan.as_str()]["pin"].as_str().unwrap();
        (pin.to_owned(), state["effects"]["pin"].as_i64().unwrap_or(0))
    }

    /// The node accepts exactly the PIN that the issuer has.
    pub(super) async fn both_have(&mut self, pin: &str, not: &str) {
        assert_eq!(self.pin_at_issuer().await.0, pin, "C4: both or neither");
        assert!(self.takes(pin).await, "{pin}");
        assert!(!self.takes(not).await, "{not}");
        assert!(self.takes(pin).await, "a right one forgets a wrong one");
    }
}

#[tokio::test]
async fn c4_a_change_is_pending_while_the_answer_of_the_credit_system_is_out_and_done_afterwards() {
    let Some(mut peered) = Peered::start().await else { return };
    peered.first_pin().await;
    let (_, before) = peered.pin_at_issuer().await;
    // However often it is asked, it has changed the PIN once and its answers are on their way.
    for _ in 0..200 {
        peered.issuer.fault("pin", "park").await;
    }
    let change_id = peered.trial.id();
    assert_eq!(peered.set_pin(&change_id, "654321", FIRST_PIN).await.unwrap(), PinChange::Pending);
    assert_eq!(peered.pin_at_issuer().await, ("654321".to_owned(), before + 1));
    assert!(peered.takes(FIRST_PIN).await, "the node goes by the PIN before it");
    let other = peered.trial.id();
    let refused = peered.set_pin(&other, "777777", FIRST_PIN).await.unwrap_err();
    assert_eq!(reason_of(&refused), Some(Reason::PinChangePending));
    peered.issuer.tell("clear").await;
    peered.issuer.tell("release").await;
    peered.sees_through(&change_id, "654321", FIRST_PIN).await;
    peered.both_have("654321", FIRST_PIN).await;
    assert_eq!(peered.pin_at_issuer().await.1, before + 1, "once");
    peered.trial.node.stop().await.unwrap();
}
