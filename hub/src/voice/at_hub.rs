//! The desk over what the hub has: freezes, safety codes, records, and the banks.

use std::num::NonZeroU32;
use std::sync::Arc;

use domain::card::{Pan, Pin};
use domain::freeze::Channel;
use domain::payment::{FrozenInstrument, Instrument};
use domain::purchase::Purchase;
use domain::record::PurchaseFilter;
use domain::safety_code::SafetyCode;
use domain::{BankId, CardId, OrderId, PersonId, PhoneNumber, Reason};
use server_kit::rng::SharedRng;
use server_kit::store::{Store, StoreError};

use super::desk::{AtBank, BoxFuture, Desk, SpokenPurchase};
use super::limits::CallLimits;
use super::pin_pad::VoicePinPad;
use crate::bank::{Banks, TypedPin};
use crate::directory::Directory;
use crate::freeze::{AtDistance, Freezes, Wish};
use crate::records::page::{PageAsked, read_page};
use crate::safety_code::{CardSetting, NOBODY, SafetyCodes};

/// The most purchases that anybody wants to hear.
const MOST_PURCHASES: usize = 20;

/// What the desk works with.
#[derive(Clone, Debug)]
pub struct HubDeskParts {
    pub store: Store,
    pub directory: Directory,
    pub banks: Banks,
    pub freezes: Freezes,
    pub safety_codes: SafetyCodes,
    pub rng: SharedRng,
    /// Without one no code is set by card and PIN.
    pub pin_pad: Option<Arc<VoicePinPad>>,
    pub calls_per_number_per_minute: NonZeroU32,
    pub calls_in_all_per_minute: NonZeroU32,
}

/// The hub's desk for callers. Cheap to clone.
#[derive(Clone, Debug)]
pub struct HubDesk {
    parts: Arc<HubDeskParts>,
    limits: Arc<CallLimits>,
}

impl HubDesk {
    pub fn new(parts: HubDeskParts) -> Self {
        let limits = CallLimits::new(parts.calls_per_number_per_minute, parts.calls_in_all_per_minute);
        Self { parts: Arc::new(parts), limits: Arc::new(limits) }
    }

    /// Whose number it is, if it is anybody's.
    async fn person(&self, caller: &PhoneNumber) -> Result<Option<PersonId>, Reason> {
        let payer = self.parts.directory.payer_by_phone(caller).await.map_err(|error| machinery(&error))?;
        Ok(payer.map(|payer| payer.person_id))
    }

    async fn order(
        &self,
        caller: &PhoneNumber,
        code: &SafetyCode,
        (order_id, frozen): (OrderId, bool),
    ) -> Result<Vec<AtBank>, Reason> {
        self.limits.check(caller)?;
        let person_id = self.person(caller).await?;
        let who = AtDistance { person_id, channel: Channel::Call, by: by(caller) };
        self.parts.freezes.by_code(who, code.clone(), Wish { order_id, frozen, instruments: Vec::new() }).await
    }

    async fn set(&self, caller: &PhoneNumber, pan: &Pan, pin: &Pin, code: &SafetyCode) -> Result<(), Reason> {
        self.limits.check(caller)?;
        code.may_be_chosen()?;
        let parts = &self.parts;
        let pad = parts.pin_pad.as_ref().ok_or(Reason::SafetyCodeNotSetByCard)?;
        let typed = pad.encipher(pan, pin, &*parts.rng).map_err(|_| Reason::Fault)?;
        let person_id = self.person(caller).await?.unwrap_or(NOBODY);
        let card = self.proved(person_id, &typed).await?;
        let setting = CardSetting { person_id, card, code: code.clone(), by: by(caller) };
        parts.safety_codes.set_by_card(setting).await.map_err(|error| machinery(&error))?
    }

    /// The card that was typed, if it is one of this person's and the PIN is right. The bank is asked for somebody who is not known,
    /// too, and of no card then.
    async fn proved(&self, person_id: PersonId, typed: &TypedPin) -> Result<Option<FrozenInstrument>, Reason> {
        let parts = &self.parts;
        let bins = parts.directory.bin_table().await.map_err(|error| machinery(&error))?;
        let Ok(range) = bins.find(&typed.pan) else { return Ok(None) };
        let bank_id = range.bank_id.clone();
        let cards = cards_of(&parts.store, person_id, &bank_id).await.map_err(|error| machinery(&error))?;
        match parts.banks.prove_card(&bank_id, typed, &cards).await {
            Ok(card) => Ok(Some(FrozenInstrument { bank_id, instrument: Instrument::Card(card) })),
            Err(Reason::CardNotVerified) => Ok(None),
            Err(reason) => Err(reason),
        }
    }

    async fn purchases(
        &self,
        caller: &PhoneNumber,
        code: &SafetyCode,
        at_most: usize,
    ) -> Result<Vec<SpokenPurchase>, Reason> {
        self.limits.check(caller)?;
        let person_id = self.person(caller).await?.unwrap_or(NOBODY);
        let proved = self.parts.safety_codes.prove(person_id, code.clone(), by(caller)).await;
        proved.map_err(|error| machinery(&error))??;
        let size = i32::try_from(at_most.clamp(1, MOST_PURCHASES)).unwrap_or(1);
        let asked = PageAsked::before(size, i64::MAX)?;
        let page = read_page(&self.parts.store, person_id, &PurchaseFilter::default(), asked).await;
        Ok(page.map_err(|error| machinery(&error))?.purchases.iter().take(at_most).map(spoken).collect())
    }
}

impl Desk for HubDesk {
    fn identify<'a>(&'a self, caller: &'a PhoneNumber) -> BoxFuture<'a, Result<(), Reason>> {
        Box::pin(async move { self.limits.check(caller) })
    }

    fn set_safety_code<'a>(
        &'a self,
        caller: &'a PhoneNumber,
        pan: &'a Pan,
        pin: &'a Pin,
        code: &'a SafetyCode,
    ) -> BoxFuture<'a, Result<(), Reason>> {
        Box::pin(self.set(caller, pan, pin, code))
    }

    fn freeze<'a>(
        &'a self,
        caller: &'a PhoneNumber,
        code: &'a SafetyCode,
        order_id: OrderId,
    ) -> BoxFuture<'a, Result<Vec<AtBank>, Reason>> {
        Box::pin(self.order(caller, code, (order_id, true)))
    }

    fn unfreeze<'a>(
        &'a self,
        caller: &'a PhoneNumber,
        code: &'a SafetyCode,
        order_id: OrderId,
    ) -> BoxFuture<'a, Result<Vec<AtBank>, Reason>> {
        Box::pin(self.order(caller, code, (order_id, false)))
    }

    fn last_purchases<'a>(
        &'a self,
        caller: &'a PhoneNumber,
        code: &'a SafetyCode,
        at_most: usize,
    ) -> BoxFuture<'a, Result<Vec<SpokenPurchase>, Reason>> {
        Box::pin(self.purchases(caller, code, at_most))
    }
}

fn by(caller: &PhoneNumber) -> String {
    format!("call/{}", caller.masked())
}

/// What is told of a store that failed; the particulars are for the log.
fn machinery(error: &StoreError) -> Reason {
    tracing::warn!(%error, "the store failed a call");
    error.reason()
}

fn spoken(purchase: &Purchase) -> SpokenPurchase {
    let digits: Vec<char> = purchase.account_masked.chars().filter(char::is_ascii_digit).collect();
    SpokenPurchase {
        amount: purchase.amount,
        merchant: purchase.merchant.name.clone(),
        occurred_at: purchase.occurred_at,
        last_four: digits.iter().skip(digits.len().saturating_sub(4)).collect(),
    }
}

/// The cards that a person has bound at a bank.
async fn cards_of(store: &Store, person_id: PersonId, bank: &BankId) -> Result<Vec<CardId>, StoreError> {
    let sql = "SELECT instrument_id FROM bindings \
               WHERE person_id = $1 AND bank_id = $2 AND instrument = 'CARD' AND active = 1 \
               ORDER BY bound_at, instrument_id LIMIT 50";
    let rows = store.fetch(sql, vec![person_id.uuid().into(), bank.as_str().into()]).await?;
    rows.iter().map(|row| row.id(0).map(CardId::from_uuid)).collect()
}
