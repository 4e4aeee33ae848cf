//! What the person pays with, frozen and set free from the phone.

use clap::Args;
use domain::freeze::Unfreeze;
use domain::payment::{FrozenInstrument, Instrument};
use domain::{AccountId, BankId, CardId, OrderId};
use proto::cardholder as pb;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use super::show::time;
use super::{Phone, PhoneError, bare};
use crate::error::CliError;
use crate::output::Output;
use crate::typed;

/// What is frozen or set free.
#[derive(Clone, Debug, Args)]
#[group(required = true)]
pub struct Which {
    /// Everything that the person has bound.
    #[arg(long, conflicts_with = "numbers")]
    pub all: bool,
    /// The masked number of an account or a card, or the end of it, as `instruments` lists it.
    #[arg(value_name = "NUMBER")]
    pub numbers: Vec<String>,
}

#[derive(Clone, Debug, Args)]
pub struct UnfreezeArgs {
    #[command(flatten)]
    pub which: Which,
    /// Read the transaction password from the first line of standard input; asked when not given.
    #[arg(long)]
    pub password_stdin: bool,
}

impl Phone {
    /// The accounts and cards that the person has bound, and whether money goes out of them.
    pub async fn instruments(&self) -> Result<Vec<pb::Instrument>, PhoneError> {
        let request = pb::ListInstrumentsRequest {};
        let call = self.in_session(request, |mut hub, request| async move { hub.list_instruments(request).await });
        Ok(call.await?.instruments)
    }

    /// Freezes these, or everything. The same order again changes nothing.
    pub async fn freeze(
        &self,
        order_id: OrderId,
        instruments: Vec<pb::InstrumentName>,
    ) -> Result<Vec<pb::Instrument>, PhoneError> {
        let request = pb::FreezeInstrumentsRequest { order_id: order_id.to_string(), instruments };
        let call = self.in_session(request, |mut hub, request| async move { hub.freeze_instruments(request).await });
        Ok(call.await?.instruments)
    }

    /// Sets free what is named, signed by the phone's key.
    pub async fn unfreeze(
        &self,
        unfreeze: &Unfreeze,
        transaction_password: &SecretString,
    ) -> Result<Vec<pb::Instrument>, PhoneError> {
        let text = unfreeze.text();
        let signature = self.sdk.sign("bankhub.v1.unfreeze", &text).await?;
        let transaction_password = transaction_password.expose_secret().to_owned();
        let request = pb::UnfreezeInstrumentsRequest { text, signature, transaction_password };
        let call = self.in_session(request, |mut hub, request| async move { hub.unfreeze_instruments(request).await });
        Ok(call.await?.instruments)
    }
}

/// The name of what is listed.
pub fn name_of(listed: &pb::Instrument) -> Option<FrozenInstrument> {
    use pb::instrument::Instrument as Named;
    let instrument = match listed.instrument.as_ref()? {
        Named::AccountId(id) => Instrument::Account(AccountId::parse(id).ok()?),
        Named::CardId(id) => Instrument::Card(CardId::parse(id).ok()?),
    };
    Some(FrozenInstrument { bank_id: BankId::parse(&listed.bank_id).ok()?, instrument })
}

/// What was meant; all of it for `all`.
async fn chosen(phone: &Phone, which: &Which) -> Result<Vec<FrozenInstrument>, CliError> {
    let listed = phone.instruments().await?;
    let mut names = Vec::new();
    let numbers = which.numbers.iter().map(|number| Some(number.as_str()));
    for number in if which.all { vec![None] } else { numbers.collect() } {
        let meant: Vec<&pb::Instrument> =
            listed.iter().filter(|it| number.is_none_or(|number| it.masked.ends_with(number))).collect();
        match (number, meant.as_slice()) {
            (Some(number), []) => return Err(CliError::Usage(format!("nothing that is bound ends with {number}"))),
            (Some(number), [_, _, ..]) => {
                return Err(CliError::Usage(format!("more than one number ends with {number}")));
            }
            _ => names.extend(meant.into_iter().filter_map(name_of)),
        }
    }
    Ok(names)
}

pub(super) async fn instruments(phone: &Phone, out: &Output) -> Result<(), CliError> {
    show(&phone.instruments().await?, out);
    Ok(())
}

pub(super) async fn freeze(phone: &Phone, which: &Which, out: &Output) -> Result<(), CliError> {
    // Everything is for the hub to say: also what was bound a moment ago.
    let names = if which.all { Vec::new() } else { chosen(phone, which).await? };
    // The SDK makes the order's id, and keeps it until there is an answer: the same command again is the same order.
    show(&phone.sdk().freeze_named(names).await.map_err(PhoneError::from)?, out);
    Ok(())
}

pub(super) async fn unfreeze(phone: &Phone, args: &UnfreezeArgs, out: &Output) -> Result<(), CliError> {
    let instruments = chosen(phone, &args.which).await?;
    let asking = |source| CliError::System { what: "the password cannot be asked for".to_owned(), source };
    let password = if args.password_stdin {
        typed::secret_from_stdin().map_err(asking)?
    } else {
        typed::hidden("transaction password: ").map_err(asking)?
    };
    show(&phone.sdk().unfreeze_named(instruments, bare(&password)).await.map_err(PhoneError::from)?, out);
    Ok(())
}

fn show(instruments: &[pb::Instrument], out: &Output) {
    let state = |it: &pb::Instrument| match it.freeze_state() {
        pb::FreezeState::Unspecified | pb::FreezeState::Free => "",
        pb::FreezeState::Freezing => "frozen at the hub, the bank is being told",
        pb::FreezeState::Frozen => "frozen",
        pb::FreezeState::Unfreezing => "the bank is being told that it is free again",
        pb::FreezeState::Ended => "the bank does not have it any more",
    };
    let default = |it: &pb::Instrument| if it.is_default { "pays" } else { "" }.to_owned();
    let row = |it: &pb::Instrument| {
        let id = match name_of(it).map(|name| name.instrument) {
            Some(Instrument::Account(id)) => format!("account {id}"),
            Some(Instrument::Card(id)) => format!("card {id}"),
            None => String::new(),
        };
        let since = time(it.frozen_since.as_ref());
        vec![it.bank_id.clone(), it.bank_name.clone(), it.masked.clone(), default(it), state(it).to_owned(), since, id]
    };
    let value = |it: &pb::Instrument| {
        json!({
            "bank_id": it.bank_id,
            "bank_name": it.bank_name,
            "instrument": name_of(it).map(|name| name.words()),
            "masked": it.masked,
            "is_default": it.is_default,
            "freeze_state": it.freeze_state().as_str_name(),
            "frozen_since": it.frozen_since.as_ref().map(|at| time(Some(at))),
        })
    };
    let rows: Vec<Vec<String>> = instruments.iter().map(row).collect();
    let value = Value::Array(instruments.iter().map(value).collect());
    out.table(&["bank", "", "number", "", "", "since (UTC)", "id"], &rows, &value);
}
