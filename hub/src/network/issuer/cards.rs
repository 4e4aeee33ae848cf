//! Cards of banks without an adapter by which people pay without showing them: the number is kept sealed, and found by its keyed hash.

use domain::card::Pan;
use domain::{BankId, CardId, Reason};
use server_kit::keystore::{KeyError, KeyName, KeyStore};
use server_kit::rotation;
use server_kit::store::{StoreError, Tx};
use zeroize::Zeroizing;

use super::Issuers;
use super::sql::{self, CardRow, NewCard};
use super::steps::{Outcome, Step};

fn fault(error: &KeyError) -> StoreError {
    StoreError::Refused(format!("the key store does not answer: {error}"))
}

impl Issuers {
    /// Keeps a card under an id. The same again is the same card. `Err(CardTaken)` when the id or the number is another card's.
    pub(crate) async fn register_card(&self, bank: &BankId, id: CardId, pan: &Pan) -> Result<String, Reason> {
        let row = self.new_card(bank, id, pan).map_err(|error| {
            tracing::error!(%error, "a card cannot be sealed");
            Reason::Fault
        })?;
        match self.step(Step::Card(Box::new(row))).await {
            Ok(Outcome::Card(registered)) => registered,
            Ok(_) => Err(Reason::Fault),
            Err(error) => {
                tracing::error!(%error, "a card cannot be kept");
                Err(error.reason())
            }
        }
    }

    fn new_card(&self, bank: &BankId, id: CardId, pan: &Pan) -> Result<NewCard, KeyError> {
        let keys = &self.inner.keys;
        let indexes = keys.mac_both(KeyName::CardIndex, &[pan.reveal().as_bytes()])?;
        let row = CardRow {
            card: id,
            bank: bank.clone(),
            sealed_pan: keys.seal(KeyName::CardNumber, id.uuid().as_bytes(), pan.reveal().as_bytes())?,
            masked: pan.masked(),
        };
        Ok(NewCard { row, indexes })
    }

    /// The same row with the hashes of this moment, of which that is first under which it is written; until the end of the transaction
    /// nobody writes under another version of the key.
    pub(super) async fn pinned(tx: &mut Tx, keys: &dyn KeyStore, card: &NewCard) -> Result<NewCard, StoreError> {
        rotation::pin(tx, keys, KeyName::CardIndex).await?;
        let number = keys.open(KeyName::CardNumber, card.row.card.uuid().as_bytes(), &card.row.sealed_pan);
        let number = Zeroizing::new(number.map_err(|error| fault(&error))?);
        let indexes = keys.mac_both(KeyName::CardIndex, &[number.as_slice()]).map_err(|error| fault(&error))?;
        Ok(NewCard { indexes, ..card.clone() })
    }

    /// How a card of this bank is shown. `Err(CardUnknown)` for one that is not kept.
    pub(crate) async fn masked(&self, bank: &BankId, id: CardId) -> Result<String, Reason> {
        match sql::read_card(&self.inner.store, id).await {
            Ok(Some(card)) if card.bank == *bank => Ok(card.masked),
            Ok(_) => Err(Reason::CardUnknown),
            Err(error) => Err(error.reason()),
        }
    }

    /// The number of a card of this bank.
    pub(crate) async fn number_of(&self, bank: &BankId, id: CardId) -> Result<Option<Pan>, StoreError> {
        let Some(card) = sql::read_card(&self.inner.store, id).await?.filter(|card| card.bank == *bank) else {
            return Ok(None);
        };
        let opened = self.inner.keys.open(KeyName::CardNumber, id.uuid().as_bytes(), &card.sealed_pan);
        let opened = Zeroizing::new(opened.map_err(|error| fault(&error))?);
        let text = std::str::from_utf8(&opened).unwrap_or_default();
        Ok(Pan::parse(text).ok())
    }

    /// Which card this number is, if it is kept. Whose card it is decides whether it may be paid with, so not knowing is no answer.
    pub(super) async fn registered(&self, pan: &Pan) -> Result<Option<CardId>, StoreError> {
        let indexes = self.inner.keys.mac_both(KeyName::CardIndex, &[pan.reveal().as_bytes()]);
        let indexes = indexes.map_err(|error| fault(&error))?;
        Ok(sql::read_card_by_number(&self.inner.store, &indexes).await?.map(|card| card.card))
    }
}
