//! The operators' commands: `bank`, `merchant`, `till`, `person`, `account`, `payment`, `overview`.

use std::path::PathBuf;

use clap::{Args, FromArgMatches, Subcommand};
use domain::{AccountId, BankId, CardId, Currency, MerchantId, Money, PaymentId, PersonId, PhoneNumber, TerminalId};
use proto::counter as counter_pb;
use proto::operator as pb;
use serde_json::{Value, json};

use super::people::{FindArgs, find};
use super::{NewCreditAccount, NewMerchant, NewTerminal, Operator, identity};
use crate::error::CliError;
use crate::output::Output;
use crate::profile::OperatorProfile;
use crate::typed;

/// What all operators' commands have in common.
#[derive(Clone, Debug, Args)]
pub struct OperatorArgs<C: Subcommand + FromArgMatches + Clone + std::fmt::Debug> {
    /// The operator's profile, as `bankhub init operator` writes it.
    #[arg(long = "as", global = true, value_name = "FILE", default_value = "operator.toml")]
    pub profile: PathBuf,
    #[command(subcommand)]
    pub command: C,
}

impl<C: Subcommand + FromArgMatches + Clone + std::fmt::Debug> OperatorArgs<C> {
    pub(super) fn connect(&self) -> Result<Operator, CliError> {
        Ok(Operator::connect(&OperatorProfile::load(&self.profile, &[])?)?)
    }
}

#[derive(Clone, Debug, Subcommand)]
pub enum BankCommand {
    /// Add a bank, or move it to another address.
    Add {
        /// The bank's name in its certificate.
        #[arg(value_parser = typed::bank_id)]
        id: BankId,
        /// What people call it.
        name: String,
        /// Where its adapter is, https://host:port; or the line to a card network over which it is reached, iso8583://line.
        endpoint: String,
    },
    /// List the banks.
    List,
}

#[derive(Clone, Debug, Subcommand)]
pub enum MerchantCommand {
    /// Add a merchant.
    Add {
        #[arg(value_parser = typed::merchant_id)]
        id: MerchantId,
        /// What people call it.
        name: String,
        /// The merchant category code of ISO 18245, four digits.
        category: String,
    },
}

#[derive(Clone, Debug, Subcommand)]
pub enum TillCommand {
    /// Add a merchant's terminal.
    Add {
        /// The terminal's name in its certificate.
        #[arg(value_parser = typed::terminal_id)]
        id: TerminalId,
        #[arg(long, value_parser = typed::merchant_id)]
        merchant: MerchantId,
        /// What people call the place.
        #[arg(long, default_value = "")]
        place: String,
        /// LATITUDE,LONGITUDE in degrees of WGS 84.
        #[arg(long, value_parser = typed::location, allow_hyphen_values = true)]
        location: Option<(f64, f64)>,
    },
    /// Stop a terminal from taking payments.
    Suspend {
        #[arg(value_parser = typed::terminal_id)]
        id: TerminalId,
    },
    /// Let a suspended terminal go on.
    Resume {
        #[arg(value_parser = typed::terminal_id)]
        id: TerminalId,
    },
    /// Share a key with a terminal's software PIN pad, for the transaction passwords that are typed there.
    PinPad {
        #[arg(value_parser = typed::terminal_id)]
        id: TerminalId,
        /// The file with the pad's key, made if it is not there; `hub_pin_key` in terminal.toml names it.
        #[arg(long)]
        key: std::path::PathBuf,
    },
}

#[derive(Clone, Debug, Subcommand)]
pub enum PersonCommand {
    /// Add a person with the number that they pay with.
    Add {
        #[arg(value_name = "PHONE", value_parser = typed::phone_number)]
        phone: PhoneNumber,
        name: String,
    },
    /// Bind an account at a bank to a person.
    Bind {
        #[arg(value_parser = typed::person_id)]
        person: PersonId,
        #[arg(value_parser = typed::bank_id)]
        bank: BankId,
        #[arg(value_parser = typed::account_id)]
        account: AccountId,
        /// Pay from this account from now on.
        #[arg(long)]
        default: bool,
    },
    /// Bind a card to a person, who then hears of what is done with it.
    BindCard {
        #[arg(value_parser = typed::person_id)]
        person: PersonId,
        #[arg(value_parser = typed::bank_id)]
        bank: BankId,
        #[arg(value_parser = typed::card_id)]
        card: CardId,
        /// Pay with this card by phone number from now on.
        #[arg(long)]
        default: bool,
        /// Read the card's number from standard input, for a bank that takes part only through a card network.
        #[arg(long)]
        number_stdin: bool,
    },
    /// Look one person up, by id or by the whole phone number. It is counted and logged, and the person is told.
    Find(FindArgs),
    /// Freeze everything that a person has bound, after something was reported as lost. Only the person sets it free.
    Freeze {
        #[arg(value_parser = typed::person_id)]
        person: PersonId,
        /// Why, for the log.
        #[arg(long)]
        why: String,
    },
    /// Make a new enrolment code, to hand to the person; it is shown this once.
    Code {
        #[arg(value_parser = typed::person_id)]
        person: PersonId,
    },
}

#[derive(Clone, Debug, Subcommand)]
pub enum AccountCommand {
    /// Open a deposit account at a bank.
    Open {
        #[arg(value_parser = typed::bank_id)]
        bank: BankId,
        /// The holder's name.
        holder: String,
        #[arg(long, value_parser = typed::currency, default_value = "CNY")]
        currency: Currency,
        /// The most that one payment may take, in major units; none when it is not given.
        #[arg(long, value_name = "AMOUNT")]
        limit: Option<String>,
    },
    /// Open a credit account at a bank, by the usual terms: 20 days to pay and 3 of grace, 0.05 % interest a day.
    OpenCredit {
        #[arg(value_parser = typed::bank_id)]
        bank: BankId,
        /// The holder's name.
        holder: String,
        /// The most that may be owed.
        #[arg(value_parser = typed::amount)]
        limit: Money,
        /// How much of it as cash, in major units; nothing when it is not given.
        #[arg(long, value_name = "AMOUNT", value_parser = typed::amount)]
        cash: Option<Money>,
        /// The day of the month on which statements are closed.
        #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..=31))]
        close_day: u8,
        /// The deposit account that repays it on the due day.
        #[arg(long, value_parser = typed::account_id)]
        repay_from: Option<AccountId>,
    },
    /// Pay cash in at the counter.
    Deposit {
        #[arg(value_parser = typed::bank_id)]
        bank: BankId,
        #[arg(value_parser = typed::account_id)]
        account: AccountId,
        #[arg(value_parser = typed::amount)]
        amount: Money,
    },
    /// Show an account's balances.
    Show {
        #[arg(value_parser = typed::bank_id)]
        bank: BankId,
        #[arg(value_parser = typed::account_id)]
        account: AccountId,
    },
    /// Freeze an account: money can come in, none can go out.
    Freeze {
        #[arg(value_parser = typed::bank_id)]
        bank: BankId,
        #[arg(value_parser = typed::account_id)]
        account: AccountId,
    },
    /// Unfreeze an account.
    Unfreeze {
        #[arg(value_parser = typed::bank_id)]
        bank: BankId,
        #[arg(value_parser = typed::account_id)]
        account: AccountId,
    },
}

#[derive(Clone, Debug, Subcommand)]
pub enum PaymentCommand {
    /// Show any payment with its steps.
    Inspect {
        #[arg(value_parser = typed::payment_id)]
        payment: PaymentId,
    },
}

#[derive(Clone, Debug, Args)]
pub struct OverviewArgs {
    /// The operator's profile, as `bankhub init operator` writes it.
    #[arg(long = "as", value_name = "FILE", default_value = "operator.toml")]
    pub profile: PathBuf,
}

pub async fn bank(args: &OperatorArgs<BankCommand>, out: &Output) -> Result<(), CliError> {
    let operator = args.connect()?;
    let banks = match &args.command {
        BankCommand::Add { id, name, endpoint } => vec![operator.register_bank(id, name, endpoint).await?],
        BankCommand::List => operator.banks().await?,
    };
    let rows: Vec<Vec<String>> = banks
        .iter()
        .map(|bank| {
            let state = if bank.suspended { "suspended" } else { "takes part" };
            vec![bank.bank_id.clone(), bank.display_name.clone(), bank.endpoint.clone(), state.to_owned()]
        })
        .collect();
    let value = banks.iter().map(bank_value).collect();
    out.table(&["bank", "name", "address", ""], &rows, &value);
    Ok(())
}

fn bank_value(bank: &pb::Bank) -> Value {
    json!({
        "bank_id": bank.bank_id,
        "display_name": bank.display_name,
        "endpoint": bank.endpoint,
        "suspended": bank.suspended,
    })
}

pub async fn merchant(args: &OperatorArgs<MerchantCommand>, out: &Output) -> Result<(), CliError> {
    let MerchantCommand::Add { id, name, category } = &args.command;
    let new = NewMerchant { id: id.clone(), name: name.clone(), category: category.clone() };
    let merchant = args.connect()?.register_merchant(&new).await?;
    out.record(
        &[
            ("merchant", merchant.merchant_id.clone()),
            ("name", merchant.display_name.clone()),
            ("category", merchant.category_code.clone()),
        ],
        &json!({
            "merchant_id": merchant.merchant_id,
            "display_name": merchant.display_name,
            "category_code": merchant.category_code,
        }),
    );
    Ok(())
}

pub async fn till(args: &OperatorArgs<TillCommand>, out: &Output) -> Result<(), CliError> {
    let operator = args.connect()?;
    let terminal = match &args.command {
        TillCommand::Add { id, merchant, place, location } => {
            let new =
                NewTerminal { id: id.clone(), merchant: merchant.clone(), place: place.clone(), location: *location };
            operator.register_terminal(&new).await?
        }
        TillCommand::Suspend { id } => operator.suspend_terminal(id, true).await?,
        TillCommand::Resume { id } => operator.suspend_terminal(id, false).await?,
        TillCommand::PinPad { id, key } => {
            let version = operator.set_pin_pad_key(id, &crate::hsm::pad_key(key)?).await?;
            out.record(
                &[("terminal", id.to_string()), ("key version", version.to_string())],
                &json!({ "terminal_id": id.to_string(), "key_version": version }),
            );
            return Ok(());
        }
    };
    let state = if terminal.suspended { "suspended" } else { "takes payments" };
    out.record(
        &[
            ("terminal", terminal.terminal_id.clone()),
            ("merchant", terminal.merchant_id.clone()),
            ("place", terminal.place.clone()),
            ("state", state.to_owned()),
        ],
        &json!({
            "terminal_id": terminal.terminal_id,
            "merchant_id": terminal.merchant_id,
            "place": terminal.place,
            "suspended": terminal.suspended,
        }),
    );
    Ok(())
}

pub async fn person(args: &OperatorArgs<PersonCommand>, out: &Output) -> Result<(), CliError> {
    let operator = args.connect()?;
    match &args.command {
        PersonCommand::Add { phone, name } => {
            let id = operator.register_person(phone, name).await?.to_string();
            let fields = [("person", id.clone()), ("phone", phone.masked())];
            out.record(&fields, &json!({ "person_id": id, "phone_number_masked": phone.masked() }));
        }
        PersonCommand::Bind { person, bank, account, default } => {
            let masked = operator.bind_account(*person, bank, *account, *default).await?;
            let fields = [("person", person.to_string()), ("account", format!("{bank} {masked}"))];
            let (person_id, bank_id) = (person.to_string(), bank.as_str());
            let value = json!({ "person_id": person_id, "bank_id": bank_id, "account_masked": masked });
            out.record(&fields, &value);
        }
        PersonCommand::BindCard { person, bank, card, default, number_stdin } => {
            let masked = identity::bind_card(&operator, (*person, bank), (*card, *number_stdin), *default).await?;
            let fields = [("person", person.to_string()), ("card", format!("{bank} {masked}"))];
            let (person_id, bank_id) = (person.to_string(), bank.as_str());
            out.record(&fields, &json!({ "person_id": person_id, "bank_id": bank_id, "card_masked": masked }));
        }
        PersonCommand::Find(args) => find(&operator, args, out).await?,
        PersonCommand::Freeze { person, why } => identity::freeze(&operator, *person, why, out).await?,
        PersonCommand::Code { person } => {
            let issued = operator.enrolment_code(*person).await?;
            let seconds = issued.expires_at.as_ref().map_or(0, |at| at.seconds);
            let until = jiff::Timestamp::from_second(seconds).map(|at| at.to_string()).unwrap_or_default();
            let fields =
                [("person", person.to_string()), ("code", issued.enrolment_code.clone()), ("until", until.clone())];
            let person_id = person.to_string();
            let value = json!({ "person_id": person_id, "enrolment_code": issued.enrolment_code, "expires_at": until });
            out.record(&fields, &value);
        }
    }
    Ok(())
}

pub async fn account(args: &OperatorArgs<AccountCommand>, out: &Output) -> Result<(), CliError> {
    let operator = args.connect()?;
    let (bank, account) = match &args.command {
        AccountCommand::Open { bank, holder, currency, limit } => {
            let limit = limit.as_ref().map(|limit| Money::parse_major(*currency, limit)).transpose();
            let limit = limit.map_err(|reason| CliError::Usage(reason.english().to_owned()))?;
            let limit_minor = limit.map_or(0, |limit| limit.minor);
            (bank, operator.counter(bank).await?.open_account(holder, *currency, limit_minor).await?)
        }
        AccountCommand::OpenCredit { bank, holder, limit, cash, close_day, repay_from } => {
            let new = NewCreditAccount {
                holder: holder.clone(),
                currency: limit.currency,
                limit_minor: limit.minor,
                cash_limit_minor: cash.map_or(0, |cash| cash.minor),
                close_day: *close_day,
                repay_from: *repay_from,
            };
            (bank, operator.counter(bank).await?.open_credit_account(&new).await?)
        }
        AccountCommand::Deposit { bank, account, amount } => {
            (bank, operator.counter(bank).await?.deposit(*account, *amount).await?)
        }
        AccountCommand::Show { bank, account } => (bank, operator.counter(bank).await?.account(*account).await?),
        AccountCommand::Freeze { bank, account } => (bank, operator.counter(bank).await?.freeze(*account, true).await?),
        AccountCommand::Unfreeze { bank, account } => {
            (bank, operator.counter(bank).await?.freeze(*account, false).await?)
        }
    };
    print_account(bank, &account, out);
    Ok(())
}

pub(super) fn money(amount: Option<&proto::common::Money>) -> String {
    amount
        .and_then(|amount| Some(Money::new(Currency::parse(&amount.currency_code).ok()?, amount.minor_units)))
        .map(|amount| amount.to_string())
        .unwrap_or_default()
}

fn print_account(bank: &BankId, account: &counter_pb::Account, out: &Output) {
    let state = if account.frozen { "frozen: money can come in, none can go out" } else { "open" };
    let minor = |amount: &Option<proto::common::Money>| amount.as_ref().map(|amount| amount.minor_units);
    out.record(
        &[
            ("account", account.account_id.clone()),
            ("number", format!("{bank} {}", account.account_masked)),
            ("available", money(account.available.as_ref())),
            ("balance", money(account.balance.as_ref())),
            ("state", state.to_owned()),
        ],
        &json!({
            "bank_id": bank.as_str(),
            "account_id": account.account_id,
            "account_masked": account.account_masked,
            "currency_code": account.balance.as_ref().map(|balance| balance.currency_code.as_str()),
            "available_minor": minor(&account.available),
            "balance_minor": minor(&account.balance),
            "frozen": account.frozen,
            "payment_limit_minor": account.payment_limit_minor,
        }),
    );
}

pub async fn payment(args: &OperatorArgs<PaymentCommand>, out: &Output) -> Result<(), CliError> {
    let PaymentCommand::Inspect { payment } = &args.command;
    let found = args.connect()?.inspect(*payment).await?;
    let at = |step: &pb::PaymentStep| {
        let micros = step.occurred_at.as_ref().map_or(0, |at| proto::from_timestamp(at).micros());
        jiff::Timestamp::from_microsecond(micros).map(|at| at.to_string()).unwrap_or_default()
    };
    out.line(&format!(
        "{} {} at {}, {} {}",
        found.state,
        money(found.amount.as_ref()),
        found.terminal_id,
        found.bank_id,
        found.leg_id
    ));
    let rows: Vec<Vec<String>> =
        found.steps.iter().map(|step| vec![at(step), step.state.clone(), step.reason.clone()]).collect();
    let value = json!({
        "payment_id": found.payment_id,
        "state": found.state,
        "terminal_id": found.terminal_id,
        "bank_id": found.bank_id,
        "leg_id": found.leg_id,
        "steps": found.steps.iter().map(|step| json!({
            "occurred_at": at(step),
            "state": step.state,
            "reason": step.reason,
        })).collect::<Vec<_>>(),
    });
    out.table(&["when", "state", "reason"], &rows, &value);
    Ok(())
}

pub async fn overview(args: &OverviewArgs, out: &Output) -> Result<(), CliError> {
    let operator = Operator::connect(&OperatorProfile::load(&args.profile, &[])?)?;
    let found = operator.overview().await?;
    let mut states: Vec<(String, i64)> = found.payments_by_state.into_iter().collect();
    states.sort();
    let rows: Vec<Vec<String>> = states.iter().map(|(state, count)| vec![state.clone(), count.to_string()]).collect();
    let oldest = found.oldest_unsettled_seconds;
    let by_state: serde_json::Map<String, Value> =
        states.iter().map(|(state, count)| (state.clone(), Value::from(*count))).collect();
    out.table(
        &["state", "payments"],
        &rows,
        &json!({ "payments_by_state": by_state, "oldest_unsettled_seconds": oldest }),
    );
    if oldest > 0 {
        out.line(&format!("The oldest payment that a bank still has to hear about is {oldest} s old."));
    }
    Ok(())
}
