//! What the person pays with: accounts and cards that are bound, whether money goes out of them, and stopping it.

use std::time::SystemTime;

use domain::freeze::Unfreeze;
use domain::payment::{FrozenInstrument, Instrument as Bound};
use domain::{AccountId, BankId, CardId, Reason, TransactionPassword};
use proto::cardholder as pb;
use zeroize::Zeroizing;

use crate::cache::Freshness;
use crate::error::{Failure, SdkError};
use crate::mirror::mirror;
use crate::orders::{Order, Wish};
use crate::phone::{Inner, Phone};
use crate::purchase::optional_time;
use crate::session::Hub;

/// Under which name the list is kept for offline reads.
const LIST: &str = "instruments";

mirror! {
    /// Whether money goes out of an account or a card.
    FreezeState = pb::FreezeState {
        Free,
        /// The hub lets nothing out any more; the bank has not confirmed yet that it does not either, and is told until it does.
        Freezing,
        /// It does not, confirmed by the bank. Money can come in.
        Frozen,
        /// The bank has not confirmed yet that it lets money out again; until then it may refuse.
        Unfreezing,
        /// The bank has no such account or card any more: nothing goes out through the hub.
        Ended,
    }
}

/// An account or a card, by its bank's id.
#[derive(Clone, Debug, PartialEq, Eq, Hash, uniffi::Enum)]
pub enum InstrumentId {
    Account {
        account_id: String,
    },
    Card {
        card_id: String,
    },
    /// A sort that this version does not know; naming it is `FIELD_UNKNOWN`.
    Unknown,
}

/// Names an account or a card.
#[derive(Clone, Debug, PartialEq, Eq, Hash, uniffi::Record)]
pub struct InstrumentName {
    /// Whose it is.
    pub bank_id: String,
    pub id: InstrumentId,
}

/// An account or a card that the person has bound.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Instrument {
    pub name: InstrumentName,
    /// What people call the bank.
    pub bank_name: String,
    /// Its number as a receipt may show it.
    pub masked: String,
    /// Whether the person's phone number pays with it.
    pub is_default: bool,
    pub freeze_state: FreezeState,
    /// Since when it is frozen, by the bank's clock: no debit is authorised later than this. None unless it is frozen.
    pub frozen_since: Option<SystemTime>,
    /// When it was last ordered to be frozen or set free; none when it never was.
    pub ordered_at: Option<SystemTime>,
}

/// The default first, then in the order in which they were bound.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct InstrumentList {
    pub instruments: Vec<Instrument>,
    pub freshness: Freshness,
}

/// What a bank has said to a freeze of everything.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct BankFreeze {
    pub bank_id: String,
    /// What people call it.
    pub bank_name: String,
    /// Whether the bank has confirmed all of them. Otherwise the hub lets nothing out of them, tells the bank until it confirms, and news
    /// of it comes in the feed.
    pub is_confirmed: bool,
    pub instruments: Vec<Instrument>,
}

impl InstrumentName {
    /// As the domain has it. `Err` with `NameMalformed`, `IdMalformed` or `FieldUnknown`.
    pub(crate) fn read(&self) -> Result<FrozenInstrument, Reason> {
        let instrument = match &self.id {
            InstrumentId::Account { account_id } => Bound::Account(AccountId::parse(account_id)?),
            InstrumentId::Card { card_id } => Bound::Card(CardId::parse(card_id)?),
            InstrumentId::Unknown => return Err(Reason::FieldUnknown),
        };
        Ok(FrozenInstrument { bank_id: BankId::parse(&self.bank_id)?, instrument })
    }
}

fn message(name: &FrozenInstrument) -> pb::InstrumentName {
    use pb::instrument_name::Instrument as Named;
    let instrument = Some(match name.instrument {
        Bound::Account(id) => Named::AccountId(id.to_string()),
        Bound::Card(id) => Named::CardId(id.to_string()),
    });
    pb::InstrumentName { bank_id: name.bank_id.to_string(), instrument }
}

fn instrument_of(it: pb::Instrument) -> Instrument {
    use pb::instrument::Instrument as Named;
    let id = match it.instrument {
        Some(Named::AccountId(account_id)) => InstrumentId::Account { account_id },
        Some(Named::CardId(card_id)) => InstrumentId::Card { card_id },
        None => InstrumentId::Unknown,
    };
    Instrument {
        name: InstrumentName { bank_id: it.bank_id, id },
        bank_name: it.bank_name,
        masked: it.masked,
        is_default: it.is_default,
        freeze_state: FreezeState::read(it.freeze_state),
        frozen_since: optional_time(it.frozen_since.as_ref()),
        ordered_at: optional_time(it.ordered_at.as_ref()),
    }
}

fn all_of(instruments: Vec<pb::Instrument>) -> Vec<Instrument> {
    instruments.into_iter().map(instrument_of).collect()
}

/// Each bank once, in the order of what it has.
fn by_bank(instruments: Vec<Instrument>) -> Vec<BankFreeze> {
    let mut banks: Vec<BankFreeze> = Vec::new();
    for instrument in instruments {
        let is_confirmed = instrument.freeze_state == FreezeState::Frozen;
        match banks.iter_mut().find(|bank| bank.bank_id == instrument.name.bank_id) {
            Some(bank) => {
                bank.is_confirmed &= is_confirmed;
                bank.instruments.push(instrument);
            }
            None => banks.push(BankFreeze {
                bank_id: instrument.name.bank_id.clone(),
                bank_name: instrument.bank_name.clone(),
                is_confirmed,
                instruments: vec![instrument],
            }),
        }
    }
    banks
}

/// What is named, each once and at least one.
fn named(names: &[InstrumentName]) -> Result<Vec<FrozenInstrument>, Reason> {
    let mut read: Vec<FrozenInstrument> = Vec::new();
    for name in names {
        let name = name.read()?;
        if !read.contains(&name) {
            read.push(name);
        }
    }
    if read.is_empty() { Err(Reason::FieldMissing) } else { Ok(read) }
}

impl Inner {
    pub(crate) async fn instruments(&self) -> Result<InstrumentList, Failure> {
        let call = |mut hub: Hub, request| async move { hub.list_instruments(request).await };
        let (answer, freshness) = self.read(LIST, pb::ListInstrumentsRequest {}, call).await?;
        Ok(InstrumentList { instruments: all_of(answer.instruments), freshness })
    }

    /// What was kept of how everything stands is older than the order that is sent now.
    fn forget_list(&self) -> Result<(), Failure> {
        Ok(self.forget_read(LIST, &pb::ListInstrumentsRequest {})?)
    }

    /// Freezes these; everything where none is named.
    pub(crate) async fn freeze(&self, names: Vec<FrozenInstrument>) -> Result<Vec<pb::Instrument>, Failure> {
        self.bound()?;
        // A freeze is not held up by a disk that is full.
        let _ = self.forget_list();
        let wish = Wish::freeze(&names);
        let order = self.order(&wish)?;
        let stands = self.send_freeze(&wish, order, &names).await?;
        let is_loose = |it: &pb::Instrument| {
            matches!(FreezeState::read(it.freeze_state), FreezeState::Free | FreezeState::Unfreezing)
        };
        if order.is_again && stands.iter().any(is_loose) {
            // That order had been followed, and what it froze was set free since; this wish is a new one.
            let order = self.order(&wish)?;
            return self.send_freeze(&wish, order, &names).await;
        }
        Ok(stands)
    }

    async fn send_freeze(
        &self,
        wish: &Wish,
        order: Order,
        names: &[FrozenInstrument],
    ) -> Result<Vec<pb::Instrument>, Failure> {
        if let Err(trouble) = self.keep_order(wish, order) {
            self.log_order_not_kept(trouble);
        }
        let request = pb::FreezeInstrumentsRequest {
            order_id: order.id.to_string(),
            instruments: names.iter().map(message).collect(),
        };
        let call = |mut hub: Hub, request| async move { hub.freeze_instruments(request).await };
        let answered = self.insist(request, call).await;
        self.forget_order_if_final(wish, order, answered.as_ref().err());
        Ok(answered?.instruments)
    }

    pub(crate) async fn unfreeze(
        &self,
        names: Vec<FrozenInstrument>,
        password: Zeroizing<String>,
    ) -> Result<Vec<pb::Instrument>, Failure> {
        // A typing error costs no try.
        TransactionPassword::parse(&password)?;
        self.bound()?;
        let wish = Wish::unfreeze(&names);
        let order = self.order(&wish)?;
        let now = self.clock.now();
        let unfreeze = Unfreeze { order_id: order.id, signed_at: now, instruments: names };
        let text = unfreeze.text();
        Unfreeze::parse(&text, now)?;
        let (_, signature) = self.sign_text("bankhub.v1.unfreeze", &text).await?;
        self.keep_order(&wish, order)?;
        self.forget_list()?;
        let request = pb::UnfreezeInstrumentsRequest { text, signature, transaction_password: password.to_string() };
        let call = |mut hub: Hub, request| async move { hub.unfreeze_instruments(request).await };
        let answered = self.insist(request, call).await;
        self.forget_order_if_final(&wish, order, answered.as_ref().err());
        Ok(answered?.instruments)
    }
}

#[uniffi::export]
impl Phone {
    /// What the person pays with, and whether money goes out of it; what the hub said last when it cannot be reached, except when something
    /// was ordered since.
    pub async fn instruments(&self) -> Result<InstrumentList, SdkError> {
        self.run(|inner| async move { inner.instruments().await }).await
    }

    /// Stops money from going out of these, 1 to 50: at the hub when this returns, at each bank when it has confirmed, which is waited for two
    /// seconds. It asks for no password and no signature. When no answer comes, the same call again within the hour is the same order.
    pub async fn freeze(&self, instruments: Vec<InstrumentName>) -> Result<Vec<Instrument>, SdkError> {
        self.run(|inner| async move { Ok(all_of(inner.freeze(named(&instruments)?).await?)) }).await
    }

    /// Stops money from going out of everything that the person has bound, also by another phone a moment ago; tells bank by bank.
    pub async fn freeze_all(&self) -> Result<Vec<BankFreeze>, SdkError> {
        self.run(|inner| async move { Ok(by_bank(all_of(inner.freeze(Vec::new()).await?))) }).await
    }

    /// Lets money go out of these again, 1 to 50. The key signs what is set free, and the transaction password, six digits, is asked for;
    /// a wrong one counts like one at a terminal. When no answer comes, the same call again within the hour is the same order: it sets
    /// nothing free that was frozen since.
    pub async fn unfreeze(
        &self,
        instruments: Vec<InstrumentName>,
        transaction_password: String,
    ) -> Result<Vec<Instrument>, SdkError> {
        let password = Zeroizing::new(transaction_password);
        self.run(|inner| async move { Ok(all_of(inner.unfreeze(named(&instruments)?, password).await?)) }).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instrument(bank: &str, last: u8, freeze_state: FreezeState) -> Instrument {
        let account_id = format!("0192f0c1-7a6b-7c3d-8e4f-5a6b7c8d9e{last:02x}");
        Instrument {
            name: InstrumentName { bank_id: bank.to_owned(), id: InstrumentId::Account { account_id } },
            bank_name: bank.to_uppercase(),
            masked: format!("****{last:04}"),
            is_default: false,
            freeze_state,
            frozen_since: None,
            ordered_at: None,
        }
    }

    #[test]
    fn s2_a_bank_has_confirmed_when_it_has_confirmed_all() {
        use FreezeState::{Ended, Freezing, Frozen};
        let banks = by_bank(vec![
            instrument("bank-b", 1, Frozen),
            instrument("bank-a", 2, Frozen),
            instrument("bank-b", 3, Freezing),
            instrument("bank-c", 4, Ended),
        ]);
        let told: Vec<_> =
            banks.iter().map(|bank| (bank.bank_id.as_str(), bank.is_confirmed, bank.instruments.len())).collect();
        assert_eq!(told, [("bank-b", false, 2), ("bank-a", true, 1), ("bank-c", false, 1)]);
        assert_eq!(by_bank(Vec::new()), []);
    }

    #[test]
    fn s2_what_names_nothing_is_refused_before_it_is_sent() {
        let good = instrument("bank-a", 1, FreezeState::Free).name;
        assert_eq!(named(&[good.clone(), good.clone()]).map(|names| names.len()), Ok(1), "each once");
        let of = |bank: &str, id: InstrumentId| InstrumentName { bank_id: bank.to_owned(), id };
        let long = "7".repeat(10 << 20);
        let table = [
            (vec![], Reason::FieldMissing),
            (vec![of("Bank A", good.id.clone())], Reason::NameMalformed),
            (vec![of(&long, good.id.clone())], Reason::NameMalformed),
            (vec![good, of("bank-a", InstrumentId::Card { card_id: "4".to_owned() })], Reason::IdMalformed),
            (vec![of("bank-a", InstrumentId::Card { card_id: long.clone() })], Reason::IdMalformed),
            (vec![of("bank-a", InstrumentId::Unknown)], Reason::FieldUnknown),
        ];
        for (names, reason) in table {
            assert_eq!(named(&names), Err(reason));
        }
    }
}
