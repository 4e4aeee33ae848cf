//! Operators help people who have no phone at hand: `identity` lets somebody set a safety code whose identity was checked, and
//! `person freeze` stops money that somebody has reported as lost.

use clap::Subcommand;
use domain::{AccountId, BankId, CardId, OrderId, PersonId};
use prost_types::Timestamp;
use proto::counter::allow_safety_code_request::Instrument;
use proto::{counter, operator as pb};
use secrecy::ExposeSecret as _;
use serde_json::json;
use uuid::Uuid;

use super::command::OperatorArgs;
use super::{Counter, Operator, OperatorError, answer, bounded};
use crate::error::CliError;
use crate::output::Output;
use crate::typed;

#[derive(Clone, Debug, Subcommand)]
pub enum IdentityCommand {
    /// At a bank's counter: who holds this account was checked.
    Account {
        #[arg(value_parser = typed::bank_id)]
        bank: BankId,
        #[arg(value_parser = typed::account_id)]
        account: AccountId,
        /// By what, such as "ID card and photo", without any number of it.
        #[arg(long)]
        how: String,
        /// The person has shown to hold the number, too: codes are sent to it again after a change of SIM card or carrier.
        #[arg(long)]
        holds_number: bool,
    },
    /// At a bank's counter: who holds this card was checked.
    Card {
        #[arg(value_parser = typed::bank_id)]
        bank: BankId,
        #[arg(value_parser = typed::card_id)]
        card: CardId,
        /// By what, such as "ID card and photo", without any number of it.
        #[arg(long)]
        how: String,
        /// The person has shown to hold the number, too: codes are sent to it again after a change of SIM card or carrier.
        #[arg(long)]
        holds_number: bool,
    },
    /// At the hub: who this person is was checked.
    Person {
        #[arg(value_parser = typed::person_id)]
        person: PersonId,
        /// By what, such as "ID card and photo", without any number of it.
        #[arg(long)]
        how: String,
        /// The person has shown to hold the number, too: codes are sent to it again after a change of SIM card or carrier.
        #[arg(long)]
        holds_number: bool,
    },
}

impl Counter {
    /// Tells the hub that the counter has checked whose this is; gives until when that person may set a safety code.
    pub async fn identity_checked(
        &self,
        check_id: Uuid,
        instrument: Instrument,
        how: &str,
    ) -> Result<Timestamp, OperatorError> {
        self.checked(check_id, instrument, (how, false)).await
    }

    /// The same, and whether the person has also shown to hold the number.
    pub async fn checked(
        &self,
        check_id: Uuid,
        instrument: Instrument,
        (how, holds_number): (&str, bool),
    ) -> Result<Timestamp, OperatorError> {
        let request = bounded(counter::AllowSafetyCodeRequest {
            check_id: check_id.to_string(),
            instrument: Some(instrument),
            checked_how: how.to_owned(),
            holds_number,
        });
        let answer = answer(self.counter.clone().allow_safety_code(request)).await?;
        answer.open_until.ok_or(OperatorError::Incomplete("until when"))
    }
}

impl Operator {
    /// Lets a person set a safety code.
    pub async fn identity_checked(
        &self,
        check_id: Uuid,
        person: PersonId,
        how: &str,
    ) -> Result<Timestamp, OperatorError> {
        self.checked(check_id, person, (how, false)).await
    }

    /// The same, and whether the person has also shown to hold the number.
    pub async fn checked(
        &self,
        check_id: Uuid,
        person: PersonId,
        (how, holds_number): (&str, bool),
    ) -> Result<Timestamp, OperatorError> {
        let request = bounded(pb::AllowSafetyCodeRequest {
            check_id: check_id.to_string(),
            person_id: person.to_string(),
            checked_how: how.to_owned(),
            holds_number,
        });
        let answer = answer(self.hub.clone().allow_safety_code(request)).await?;
        answer.open_until.ok_or(OperatorError::Incomplete("until when"))
    }

    /// Freezes everything that a person has bound, and says why.
    pub async fn freeze_lost(
        &self,
        order_id: OrderId,
        person: PersonId,
        why: &str,
    ) -> Result<Vec<pb::FrozenInstrument>, OperatorError> {
        let request = bounded(pb::FreezeInstrumentsRequest {
            order_id: order_id.to_string(),
            person_id: person.to_string(),
            instruments: Vec::new(),
            why: why.to_owned(),
        });
        Ok(answer(self.hub.clone().freeze_instruments(request)).await?.instruments)
    }
}

pub async fn identity(args: &OperatorArgs<IdentityCommand>, out: &Output) -> Result<(), CliError> {
    let operator = args.connect()?;
    let check_id = operator.ids.uuid().map_err(OperatorError::from)?;
    let until = match &args.command {
        IdentityCommand::Account { bank, account, how, holds_number } => {
            let counter = operator.counter(bank).await?;
            counter.checked(check_id, Instrument::AccountId(account.to_string()), (how, *holds_number)).await?
        }
        IdentityCommand::Card { bank, card, how, holds_number } => {
            let counter = operator.counter(bank).await?;
            counter.checked(check_id, Instrument::CardId(card.to_string()), (how, *holds_number)).await?
        }
        IdentityCommand::Person { person, how, holds_number } => {
            operator.checked(check_id, *person, (how, *holds_number)).await?
        }
    };
    let until = time(Some(&until));
    let fields = [("check", check_id.to_string()), ("a safety code may be set until", until.clone())];
    out.record(&fields, &json!({ "check_id": check_id.to_string(), "open_until": until }));
    Ok(())
}

pub(super) async fn freeze(operator: &Operator, person: PersonId, why: &str, out: &Output) -> Result<(), CliError> {
    let order_id = OrderId::from_uuid(operator.ids.uuid().map_err(OperatorError::from)?);
    let frozen = operator.freeze_lost(order_id, person, why).await?;
    let state = |it: &pb::FrozenInstrument| match &it.frozen_since {
        Some(since) => format!("frozen since {}", time(Some(since))),
        None => "frozen at the hub, the bank is being told".to_owned(),
    };
    let row = |it: &pb::FrozenInstrument| vec![it.bank_id.clone(), it.masked.clone(), state(it)];
    let value = |it: &pb::FrozenInstrument| {
        json!({
            "bank_id": it.bank_id,
            "masked": it.masked,
            "frozen_since": it.frozen_since.as_ref().map(|at| time(Some(at))),
        })
    };
    let rows: Vec<Vec<String>> = frozen.iter().map(row).collect();
    out.table(&["bank", "number", ""], &rows, &frozen.iter().map(value).collect());
    Ok(())
}

fn time(at: Option<&Timestamp>) -> String {
    let micros = at.map_or(0, |at| proto::from_timestamp(at).micros());
    jiff::Timestamp::from_microsecond(micros).map(|at| at.to_string()).unwrap_or_default()
}

/// Binds a card; its number comes from standard input where the bank knows its cards by nothing else.
pub(super) async fn bind_card(
    operator: &Operator,
    (person, bank): (PersonId, &BankId),
    (card, number_stdin): (CardId, bool),
    make_default: bool,
) -> Result<String, CliError> {
    let reading = |source| CliError::System { what: "standard input".to_owned(), source };
    let number = if number_stdin { Some(typed::secret_from_stdin().map_err(reading)?) } else { None };
    let number = number.as_ref().map_or("", |number| number.expose_secret().trim());
    Ok(operator.bind_card_with(person, bank, (card, number), make_default).await?)
}
