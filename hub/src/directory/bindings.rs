//! What people pay with: BindAccount, BindCard.

use domain::card::Pan;
use domain::payment::Instrument;
use domain::{AccountId, BankId, CardId, PersonId, Reason, Timestamp};
use proto::operator as pb;
use server_kit::store::{StoreError, Tx};
use tonic::Status;
use zeroize::Zeroizing;

use super::OperatorApi;
use super::changes::{Done, Log};
use super::sql::{self, Binding, Stored};

/// The account or the card that an operator speaks of, before the bank is asked about it.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) person_id: PersonId,
    pub(super) bank_id: BankId,
    pub(super) instrument: Instrument,
    pub(super) make_default: bool,
}

impl Asked {
    pub(super) fn account(request: &pb::BindAccountRequest) -> Result<Self, Reason> {
        Ok(Self {
            person_id: PersonId::parse(&request.person_id)?,
            bank_id: BankId::parse(&request.bank_id)?,
            instrument: Instrument::Account(AccountId::parse(&request.account_id)?),
            make_default: request.make_default,
        })
    }

    pub(super) fn card(request: &pb::BindCardRequest) -> Result<Self, Reason> {
        Ok(Self {
            person_id: PersonId::parse(&request.person_id)?,
            bank_id: BankId::parse(&request.bank_id)?,
            instrument: Instrument::Card(CardId::parse(&request.card_id)?),
            make_default: request.make_default,
        })
    }
}

impl OperatorApi {
    /// Keeps the number of a card, if it was given: its bank is reached over a card network, which knows cards by nothing else.
    pub(super) async fn keep_number(&self, asked: &Asked, number: Zeroizing<String>) -> Result<(), Status> {
        let Instrument::Card(card) = asked.instrument else { return Ok(()) };
        if number.is_empty() {
            return Ok(());
        }
        let pan = Pan::parse(&number).map_err(proto::status)?;
        self.instruments.register_card(&asked.bank_id, card, &pan).await.map_err(proto::status)
    }
}

/// Binds an account or a card that its bank knows to a person.
#[derive(Debug)]
pub(super) struct Bind {
    pub(super) asked: Asked,
    /// What the bank shows of it.
    pub(super) masked: String,
    /// Whether it pays at once. What an operator binds does; what a carrier has had opened for a new person waits to be activated.
    pub(super) active: bool,
}

impl Bind {
    pub(super) async fn apply(&self, tx: &mut Tx, log: &mut Log<'_>) -> Result<Result<Done, Reason>, StoreError> {
        let Asked { person_id, bank_id, instrument, make_default } = &self.asked;
        if !sql::is_person(tx, *person_id).await? {
            return Ok(Err(Reason::PersonUnknown));
        }
        if sql::load_bank(tx, bank_id).await?.is_none() {
            return Ok(Err(Reason::BankUnknown));
        }
        let (taken, bound, made_default) = match instrument {
            Instrument::Account(_) => (Reason::AccountTaken, "ACCOUNT_BOUND", "ACCOUNT_MADE_DEFAULT"),
            Instrument::Card(_) => (Reason::CardTaken, "CARD_BOUND", "CARD_MADE_DEFAULT"),
        };
        let known = sql::load_binding(tx, bank_id, *instrument).await?;
        let ours = |known: &Binding| known.person_id == *person_id && known.instrument == *instrument;
        if known.as_ref().is_some_and(|known| !ours(&known.value)) {
            return Ok(Err(taken));
        }
        let default = sql::load_default_binding(tx, *person_id).await?;
        let is_new = known.is_none();
        let before = known.unwrap_or_else(|| self.unbound(tx.now()));
        let becomes_default = !before.value.is_default && (*make_default || default.is_none());
        if !is_new && !becomes_default {
            return Ok(Ok(Done::Binding { masked: before.value.masked }));
        }
        if becomes_default && let Some(default) = default {
            // First the old one lets go: there is never more than one default, not even between two statements.
            let binding = Binding { is_default: false, ..default.value };
            sql::put_binding(tx, &binding, default.version + 1).await?;
        }
        let binding = Binding { is_default: before.value.is_default || becomes_default, ..before.value };
        sql::put_binding(tx, &binding, before.version + 1).await?;
        let content = format!("bank={bank_id} account={} default={}", binding.masked, binding.is_default);
        log.add(if is_new { bound } else { made_default }, person_id.uuid(), &content);
        Ok(Ok(Done::Binding { masked: binding.masked }))
    }

    fn unbound(&self, now: Timestamp) -> Stored<Binding> {
        let value = Binding {
            bank_id: self.asked.bank_id.clone(),
            instrument: self.asked.instrument,
            person_id: self.asked.person_id,
            masked: self.masked.clone(),
            active: self.active,
            is_default: false,
            bound_at: now,
        };
        Stored { version: 0, value }
    }
}
