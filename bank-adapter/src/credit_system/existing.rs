//! An existing credit system, over its line.

use std::fmt;
use std::future::Future;
use std::pin::Pin as Pinned;
use std::sync::{Arc, Weak};

use domain::card::Pan;
use domain::ledger::CreditLeft;
use domain::purchase::CategoryCode;
use domain::{CardId, Currency, Reason};
use server_kit::keystore::{KeyName as StoreKey, SharedKeyStore};
use server_kit::rng::IdMaker;
use tokio::sync::Notify;
use zeroize::Zeroizing;

use super::Asked;
use super::link::{Link, LinkError};
use super::message::{AdviceMessage, Request, StatusMessage, Told as What};
use super::order::{CreditHold, HoldAnswer, Kind, Order};
use super::pin::{ChangeId, NewPin, PinChange};
use super::reference::Reference;
use super::response::Verdict;
use super::sql::Due;
use super::steps::Sent;
use crate::hsm::{Hsm, KeyId, PanDigits, PinBlock, PinBlockFormat, PinTarget};

/// What an asynchronous method of a trait that is used as an object gives.
pub type Answered<'a, T> = Pinned<Box<dyn Future<Output = T> + Send + 'a>>;

/// Who knows the numbers of cards. They stay sealed where cards are kept and are opened when a message needs one.
pub trait CardNumbers: Send + Sync + fmt::Debug {
    /// The number of a card. `Err` with `CardUnknown`, or with why it cannot be read now.
    fn pan(&self, card_id: CardId) -> Answered<'_, Result<Pan, Reason>>;
}

/// The credit system at the other end of a line.
#[derive(Clone, Debug)]
pub struct ExistingCreditSystem(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    link: Link,
    cards: Arc<dyn CardNumbers>,
    hsm: Arc<dyn Hsm>,
    /// The zone whose key the PIN blocks go out under; none where PINs are not shared.
    zone: Option<KeyId>,
    keys: SharedKeyStore,
    ids: IdMaker,
    wake: Notify,
    wake_pins: Notify,
}

/// Wakes a credit system as long as there is one. The ledger's writer has it, which must not keep the line open when everything
/// else has let go of it.
#[derive(Clone, Debug)]
pub struct Bell(Weak<Inner>);

impl Bell {
    pub fn ring(&self) {
        if let Some(inner) = self.0.upgrade() {
            ExistingCreditSystem(inner).wake();
        }
    }
}

/// What an existing credit system is reached with.
#[derive(Debug)]
pub struct ExistingParts {
    pub link: Link,
    pub cards: Arc<dyn CardNumbers>,
    pub hsm: Arc<dyn Hsm>,
    pub zone: Option<KeyId>,
    pub keys: SharedKeyStore,
    pub ids: IdMaker,
}

impl ExistingCreditSystem {
    pub fn new(parts: ExistingParts) -> Self {
        let ExistingParts { link, cards, hsm, zone, keys, ids } = parts;
        Self(Arc::new(Inner { link, cards, hsm, zone, keys, ids, wake: Notify::new(), wake_pins: Notify::new() }))
    }

    pub fn bell(&self) -> Bell {
        Bell(Arc::downgrade(&self.0))
    }

    pub fn link(&self) -> &Link {
        &self.0.link
    }

    pub(super) async fn woken(&self) {
        self.0.wake.notified().await;
    }

    pub(super) async fn woken_for_pins(&self) {
        self.0.wake_pins.notified().await;
    }

    /// Says that advices or changes of PINs were queued and committed, so that nobody waits until they are looked for.
    pub fn wake(&self) {
        self.0.wake.notify_one();
        self.0.wake_pins.notify_one();
    }

    /// What the credit line of a card has left. `Err` with the refusal of the credit system, or with `BankAway` or `TooBusy` when
    /// it cannot be known now.
    pub async fn left(&self, card_id: CardId, currency: Currency) -> Result<CreditLeft, Reason> {
        let card = self.0.cards.pan(card_id).await?;
        let id = self.0.ids.uuid().map_err(|_| Reason::Fault)?;
        let (reference, reserved) = (Reference::of(id), self.0.link.reserve()?);
        let request = Request::Balance { card, currency, reference };
        let answer = self.0.link.exchange(request, reserved).await.map_err(reason_of)?;
        match answer.verdict(reference, None) {
            Verdict::Approved => answer.left(currency).ok_or(Reason::BankAway),
            Verdict::Refused(reason) => Err(reason),
            Verdict::Unclear(_) => Err(Reason::BankAway),
        }
    }

    /// The numbers under which a hold will be asked for, to be stored before it is. `Err` with `TooBusy`.
    pub fn reserve(&self) -> Result<Asked, Reason> {
        self.0.link.reserve().map(Asked)
    }

    /// Asks for the credit part of a leg. An unclear verdict says that the hold may stand or not.
    pub async fn hold(&self, hold: CreditHold, category: Option<CategoryCode>, Asked(reserved): Asked) -> HoldAnswer {
        let refused = |reason| HoldAnswer { verdict: Verdict::Refused(reason), approval_code: None };
        let card = match self.0.cards.pan(hold.card_id).await {
            Ok(card) => card,
            Err(reason) => return refused(reason),
        };
        let reference = Reference::of(hold.leg_id.uuid());
        let CreditHold { amount, is_cash, .. } = hold;
        let request = Request::Hold { card, amount, is_cash, category, reference };
        match self.0.link.exchange(request, reserved).await {
            Ok(answer) => {
                let verdict = match answer.verdict(reference, Some(amount.minor)) {
                    // Nothing is asked for twice, so nobody can say what the peer takes it for.
                    Verdict::Refused(Reason::IdTaken) => Verdict::Unclear(Reason::Fault),
                    verdict => verdict,
                };
                HoldAnswer { verdict, approval_code: answer.approval_code }
            }
            Err(LinkError::NotSent(reason)) => refused(reason),
            Err(LinkError::NoAnswer) => HoldAnswer { verdict: Verdict::Unclear(Reason::BankAway), approval_code: None },
        }
    }

    /// Tells an advice whose sending is durable.
    pub(super) async fn tell(&self, due: &Due, sent: &Sent) -> Verdict {
        let Some(reserved) = self.0.link.claim(sent.trace) else {
            return Verdict::Unclear(Reason::TooBusy);
        };
        let request = match self.message(due, sent.tries > 1).await {
            Ok(request) => request,
            Err(reason) => {
                tracing::error!(?reason, key = ?sent.key, "an advice cannot be written");
                return Verdict::Unclear(reason);
            }
        };
        match self.0.link.exchange(request, reserved).await {
            Ok(answer) => match (answer.verdict(due.reference(), None), due) {
                // The record that cannot be found is that of the card.
                (Verdict::Refused(Reason::LegUnknown), Due::Card(_)) => Verdict::Refused(Reason::CardUnknown),
                (verdict, _) => verdict,
            },
            Err(error) => Verdict::Unclear(reason_of(error)),
        }
    }

    /// The message of an advice. `Err` when a card cannot be read.
    async fn message(&self, due: &Due, is_repeat: bool) -> Result<Request, Reason> {
        match due {
            Due::Leg(order, original) => Ok(Request::Advice(AdviceMessage {
                what: what(order).ok_or(Reason::Fault)?,
                card: self.0.cards.pan(order.card_id).await?,
                amount: order.amount,
                is_repeat,
                original: *original,
                approval_code: order.approval_code.clone(),
                reference: order.reference,
            })),
            Due::Card(advice) => Ok(Request::Status(StatusMessage {
                card: self.0.cards.pan(advice.key.card_id).await?,
                status: advice.status,
                expiry: advice.expiry,
                replaced_by: match advice.replaced_by {
                    Some(successor) => Some(self.0.cards.pan(successor).await?),
                    None => None,
                },
                is_repeat,
                reference: advice.reference(),
            })),
        }
    }

    /// What is stored of a new PIN until both sides have it: the block for the credit system under the key of the zone, in
    /// format 0, sealed; and what the front compares it with. `block` is as a terminal or the counter sent it.
    pub async fn new_pin(&self, id: ChangeId, block: PinBlock, card: &Pan) -> Result<NewPin, Reason> {
        let zone = self.0.zone.clone().ok_or(Reason::NatureUnsupported)?;
        let (hsm, keys, pan) = (self.0.hsm.clone(), self.0.keys.clone(), PanDigits::from(card));
        let make = move || {
            let value = hsm.set_pin(&block, &pan).map_err(|error| error.reason())?;
            let target = PinTarget { zone, format: PinBlockFormat::Iso0 };
            let translated = hsm.translate_pin(&block, &pan, &target).map_err(|error| error.reason())?;
            let bytes = Zeroizing::new(translated.bytes);
            let sealed_block = keys.seal(StoreKey::SealedPayload, &context(id), &bytes).map_err(|_| Reason::Fault)?;
            Ok(NewPin { sealed_block, value })
        };
        tokio::task::spawn_blocking(make).await.unwrap_or(Err(Reason::Fault))
    }

    /// Asks for a change of a PIN whose asking is durable.
    pub(super) async fn ask_pin(&self, change: &PinChange, is_repeat: bool) -> Verdict {
        let Some(new) = &change.new else { return Verdict::Unclear(Reason::Fault) };
        let opened = self.0.keys.open(StoreKey::SealedPayload, &context(change.id), &new.sealed_block);
        let block = opened.ok().map(Zeroizing::new).and_then(|block| block.as_slice().try_into().ok());
        let Some(block) = block.map(Zeroizing::new) else {
            tracing::error!(change_id = %change.id, "the PIN block of a change cannot be opened");
            return Verdict::Unclear(Reason::Fault);
        };
        let (card, reserved) = match (self.0.cards.pan(change.card_id).await, self.0.link.reserve()) {
            (Ok(card), Ok(reserved)) => (card, reserved),
            (Err(reason), _) | (_, Err(reason)) => return Verdict::Unclear(reason),
        };
        let reference = change.id.reference();
        let request = Request::ChangePin { card, block, is_repeat, reference };
        match self.0.link.exchange(request, reserved).await {
            Ok(answer) => answer.verdict(reference, None),
            Err(error) => Verdict::Unclear(reason_of(error)),
        }
    }
}

fn what(order: &Order) -> Option<What> {
    let is_cash = order.is_cash;
    match order.key.kind {
        Kind::Hold => None,
        Kind::Post => Some(What::Post { is_cash }),
        Kind::Void => Some(What::Void { is_cash }),
        Kind::Refund => Some(What::Refund),
        Kind::Repayment => Some(What::Repayment),
        Kind::Reversal => Some(What::Reversal),
    }
}

const fn reason_of(error: LinkError) -> Reason {
    match error {
        LinkError::NotSent(reason) => reason,
        LinkError::NoAnswer => Reason::BankAway,
    }
}

/// Which row and column the sealed block stands in.
fn context(id: ChangeId) -> Vec<u8> {
    [b"pin_changes.sealed_block ".as_slice(), id.uuid().as_bytes()].concat()
}
