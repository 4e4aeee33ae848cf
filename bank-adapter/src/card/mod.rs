//! Cards: issued, changed, verified (C1, C3, C5, C9).
//!
//! [`Cards`] is the door. What a card is and may is for [`domain::card`] to say, what is stored of it for the ledger's one writer;
//! here are the number, which is found by its keyed hash and kept sealed, and the key store, which alone knows CVVs and PINs.

pub(crate) mod answers;
mod issue;
mod numbers;
mod presented;
mod prove;
mod register;
pub(crate) mod sql;
#[cfg(test)]
pub(crate) mod tests;

use std::io;
use std::sync::Arc;

use domain::card::{BinRange, BinTable, Card, CvvKey, Pan, PinCheck};
use domain::{CardId, Reason, Timestamp};
use server_kit::clock::{SharedClock, Stopwatch};
use server_kit::identity::Principal;
use server_kit::keystore::{KeyError, KeyName, SharedKeyStore};
use server_kit::rng::SharedRng;
use server_kit::shutdown;
use server_kit::store::StoreError;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::call::CallError;
use crate::credit::Calendar;
use crate::credit_system::{ChangeId, PinState};
use crate::hsm::{Check, Hsm, HsmError, PanDigits, PinBlock, PinVerificationValue, Side};
use crate::ledger::card_steps::{CardChange, PinOrder};
use crate::ledger::credit_steps::PinIntent;
use crate::ledger::{CreditHolds, Ledger};

use answers::PinSent;
pub(crate) use issue::{Face, Issuing};
pub(crate) use presented::{Presented, pin_block};
pub(crate) use prove::Typed;
pub(crate) use register::register_ranges;
use sql::KnownCard;

/// What the bank's cards are like.
#[derive(Debug)]
pub(crate) struct CardRules {
    /// The numbers that the bank issues.
    pub(crate) ranges: BinTable,
    /// How long a card is valid.
    pub(crate) valid_years: u8,
    /// The largest purchase by the card alone, in minor units.
    pub(crate) without_pin_minor: i64,
}

/// What cards are made of.
#[derive(Debug)]
pub(crate) struct CardParts {
    pub(crate) ledger: Ledger,
    pub(crate) hsm: Arc<dyn Hsm>,
    pub(crate) keys: SharedKeyStore,
    pub(crate) rng: SharedRng,
    pub(crate) clock: SharedClock,
    pub(crate) calendar: Calendar,
    pub(crate) rules: CardRules,
}

/// The bank's cards. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Cards {
    parts: Arc<CardParts>,
}

/// A PIN to set.
#[derive(Debug)]
pub(crate) struct PinSetting {
    /// Of the card and of the change.
    pub(crate) ids: (CardId, Uuid),
    pub(crate) new: PinBlock,
    /// The PIN before it, when its holder changes it.
    pub(crate) current: Option<PinBlock>,
}

impl Cards {
    pub(crate) fn new(parts: CardParts) -> Self {
        Self { parts: Arc::new(parts) }
    }

    /// All ranges of the bank.
    pub(crate) fn ranges(&self) -> Vec<BinRange> {
        self.parts.rules.ranges.ranges().cloned().collect()
    }

    /// What the bank's clock says.
    pub(crate) fn now(&self) -> Timestamp {
        self.parts.clock.now()
    }

    /// The card as it stands, and whether it has a PIN.
    pub(crate) async fn card(&self, id: CardId) -> Result<(Card, bool), CallError> {
        let known = self.known(id).await?;
        Ok((known.card, known.pin.is_some()))
    }

    /// Takes a card through one of its transitions; gives the card afterwards, and when that was stored.
    pub(crate) async fn change(
        &self,
        id: CardId,
        change: CardChange,
        by: Principal,
    ) -> Result<(Card, Timestamp), CallError> {
        Ok(self.parts.ledger.change_card(id, change, by).await?)
    }

    /// Sets a PIN in the ledger alone.
    pub(crate) async fn set_pin(&self, setting: PinSetting, by: Principal) -> Result<Card, CallError> {
        let PinSetting { ids: (id, change_id), new, current } = setting;
        let known = self.known(id).await?;
        let pan = self.pan_of(&known)?;
        let (value, current) = self
            .ask(move |hsm| {
                let digits = PanDigits::from(&pan);
                let found = current.map(|block| known.tell_current(hsm, &block, &digits)).transpose()?;
                Ok((hsm.set_pin(&new, &digits)?, found))
            })
            .await?;
        let sent = PinSent::new((id, change_id), &value, current.as_ref().map(|(_, value)| value));
        let order = PinOrder { sent, current: current.map(|(check, _)| check), value };
        Ok(self.parts.ledger.set_pin(order, by).await?.0)
    }

    /// As [`Self::set_pin`], where an existing credit system has the PIN too: both get it, or neither. Says how far the
    /// change is. A card without a credit side is of no concern to that system.
    pub(crate) async fn set_shared_pin(
        &self,
        holds: &CreditHolds,
        setting: PinSetting,
        by: Principal,
    ) -> Result<PinState, CallError> {
        let known = self.known(setting.ids.0).await?;
        if known.card.sides.credit().is_none() {
            return self.set_pin(setting, by).await.map(|_| PinState::Done);
        }
        let PinSetting { ids: (id, change_id), new, current } = setting;
        let pan = self.pan_of(&known)?;
        let digits = PanDigits::from(&pan);
        let current = match current {
            None => None,
            Some(block) => Some(self.ask(move |hsm| known.tell_current(hsm, &block, &digits)).await?),
        };
        let new = holds.system().new_pin(ChangeId::from_uuid(change_id), new, &pan).await?;
        let sent = PinSent::new((id, change_id), &new.value, current.as_ref().map(|(_, value)| value));
        let intent = PinIntent { sent, current: current.map(|(check, _)| check), new };
        Ok(holds.change_pin(intent, by).await?)
    }

    async fn known(&self, id: CardId) -> Result<KnownCard, CallError> {
        Ok(sql::find(self.parts.ledger.store(), id).await?.ok_or(Reason::CardUnknown)?)
    }

    async fn find(&self, pan: &Pan) -> Result<Option<KnownCard>, CallError> {
        Ok(sql::find_by_hash(self.parts.ledger.store(), self.hashes(pan)?).await?)
    }

    /// The keyed hashes under which a number is found.
    fn hashes(&self, pan: &Pan) -> Result<[[u8; 32]; 2], CallError> {
        self.parts.keys.mac_both(KeyName::CardIndex, &[pan.reveal().as_bytes()]).map_err(unusable)
    }

    fn seal(&self, id: CardId, pan: &Pan) -> Result<Vec<u8>, CallError> {
        self.parts.keys.seal(KeyName::CardNumber, &row_of(id), pan.reveal().as_bytes()).map_err(unusable)
    }

    fn pan_of(&self, known: &KnownCard) -> Result<Pan, CallError> {
        let digits = self.parts.keys.open(KeyName::CardNumber, &row_of(known.card.id), &known.pan_sealed);
        let digits = zeroize::Zeroizing::new(digits.map_err(unusable)?);
        let text = std::str::from_utf8(&digits).map_err(|_| Reason::Fault)?;
        Ok(Pan::parse(text).map_err(|_| Reason::Fault)?)
    }

    /// Sees keys that somebody else has put into the store, whenever the process is told to by SIGHUP, until `stop`.
    pub(crate) async fn reload_on_hangup(self, stop: CancellationToken) -> io::Result<()> {
        let mut requests = shutdown::reload_requests()?;
        while let Some(Some(())) = stop.run_until_cancelled(requests.recv()).await {
            match self.ask(|hsm| hsm.reload()).await {
                Ok(()) => tracing::info!("the key store for cards was read again"),
                Err(error) => tracing::error!(?error, "the key store for cards could not be read again"),
            }
        }
        Ok(())
    }

    /// Asks the key store from a thread that may wait for it.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&dyn Hsm) -> Result<T, HsmError> + Send + 'static,
    ) -> Result<T, CallError> {
        let hsm = self.parts.hsm.clone();
        let watch = Stopwatch::start();
        let answer = tokio::task::spawn_blocking(move || question(&*hsm)).await;
        let answer = answer.map_err(|_| Reason::Fault)?;
        // With the wait for a thread, since whoever pays waits for that, too.
        let result = if answer.is_ok() { "answered" } else { "failed" };
        metrics::histogram!("bankhub_hsm_seconds", "result" => result).record(watch.elapsed());
        Ok(answer?)
    }
}

/// The row that a sealed number belongs to.
fn row_of(id: CardId) -> Vec<u8> {
    [b"cards.pan\n".as_slice(), id.uuid().as_bytes()].concat()
}

fn unusable(error: KeyError) -> CallError {
    CallError::Store(StoreError::Refused(format!("a key cannot be used: {error}")))
}

const fn side_of(key: CvvKey) -> Side {
    match key {
        CvvKey::Credit => Side::Credit,
        CvvKey::Debit => Side::Debit,
    }
}

impl KnownCard {
    /// Whether this is its PIN. That of a locked card is not asked about: how long the answer takes could tell.
    fn tell_pin(&self, hsm: &dyn Hsm, block: &PinBlock, digits: &PanDigits) -> Result<PinCheck, HsmError> {
        let stored = self.pin.as_ref().filter(|_| !self.card.tries.is_locked());
        Ok(match stored.map(|stored| hsm.verify_pin(block, digits, stored)).transpose()? {
            Some(Check::Matches) => PinCheck::Right,
            Some(Check::Differs) | None => PinCheck::Wrong,
        })
    }

    /// The same, with what makes this try the same one when it is sent again.
    fn tell_current(
        &self,
        hsm: &dyn Hsm,
        block: &PinBlock,
        digits: &PanDigits,
    ) -> Result<(PinCheck, PinVerificationValue), HsmError> {
        Ok((self.tell_pin(hsm, block, digits)?, hsm.set_pin(block, digits)?))
    }
}
