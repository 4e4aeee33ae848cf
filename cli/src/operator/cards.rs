//! The operators' commands at a bank's counter that are about cards and credit: `card`, `adapter explain`, `adapter close-days`,
//! `adapter statements`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use domain::card::Pan;
use domain::{AccountId, BankId, CardId, LegId};
use proto::counter as pb;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::{Counter, Operator, PinTyped};
use crate::error::CliError;
use crate::output::Output;
use crate::profile::{OperatorProfile, TerminalProfile};
use crate::typed;

#[derive(Clone, Debug, Subcommand)]
pub enum CardCommand {
    /// Issue a card over accounts that are there; what is printed and encoded on it is shown for its maker.
    Issue {
        #[arg(value_parser = typed::bank_id)]
        bank: BankId,
        /// The first digits of its number.
        bin: String,
        #[arg(long, value_parser = typed::account_id)]
        debit: Option<AccountId>,
        #[arg(long, value_parser = typed::account_id)]
        credit: Option<AccountId>,
    },
    /// Show a card.
    Show(CardArgs),
    /// The holder has the card in hand.
    Activate(CardArgs),
    /// Freeze a card: money can come in, none can go out.
    Freeze(CardArgs),
    /// Unfreeze a card.
    Unfreeze(CardArgs),
    /// The card is lost or stolen; it is never used again.
    Lost(CardArgs),
    /// Issue a card that takes over the accounts of another one.
    Replace(CardArgs),
    /// The card is no longer wanted.
    Close(CardArgs),
    /// Set a card's PIN, which is read from standard input: the card's number on the first line, the new PIN on the second, and, when
    /// its holder changes it, the PIN before it on the third.
    Pin {
        #[command(flatten)]
        card: CardArgs,
        /// The profile of a terminal with a PIN pad whose key the bank has.
        #[arg(long, value_name = "FILE")]
        pad: PathBuf,
    },
}

#[derive(Clone, Debug, Args)]
pub struct CardArgs {
    #[arg(value_parser = typed::bank_id)]
    pub bank: BankId,
    #[arg(value_parser = typed::card_id)]
    pub card: CardId,
}

/// What an operator asks of a bank's node.
#[derive(Clone, Debug, Subcommand)]
pub enum NodeCommand {
    /// Say why a leg was split, or refused: what was known then, what was decided, and what the same facts give now.
    Explain {
        #[arg(value_parser = typed::bank_id)]
        bank: BankId,
        #[arg(value_parser = typed::leg_id)]
        leg: LegId,
        #[command(flatten)]
        who: Who,
    },
    /// Close the days of credit accounts that are over: interest, late fees, repayments, statements. Run again it changes nothing.
    CloseDays {
        #[arg(value_parser = typed::bank_id)]
        bank: BankId,
        /// The last day to close, YYYY-MM-DD; yesterday when it is not given.
        #[arg(default_value = "")]
        through: String,
        #[command(flatten)]
        who: Who,
    },
    /// Show the statements of a credit account, the latest first.
    Statements {
        #[arg(value_parser = typed::bank_id)]
        bank: BankId,
        #[arg(value_parser = typed::account_id)]
        account: AccountId,
        #[command(flatten)]
        who: Who,
    },
}

#[derive(Clone, Debug, Args)]
pub struct Who {
    /// The operator's profile, as `bankhub init operator` writes it.
    #[arg(long = "as", value_name = "FILE", default_value = "operator.toml")]
    pub profile: PathBuf,
}

impl Who {
    async fn counter(&self, bank: &BankId) -> Result<Counter, CliError> {
        let operator = Operator::connect(&OperatorProfile::load(&self.profile, &[])?)?;
        Ok(operator.counter(bank).await?)
    }
}

pub async fn card(args: &super::command::OperatorArgs<CardCommand>, out: &Output) -> Result<(), CliError> {
    let operator = args.connect()?;
    let at = async |args: &CardArgs| -> Result<(Counter, CardId), CliError> {
        Ok((operator.counter(&args.bank).await?, args.card))
    };
    let card = match &args.command {
        CardCommand::Issue { bank, bin, debit, credit } => {
            let (card, face) = operator.counter(bank).await?.issue_card(bin, *debit, *credit).await?;
            print_new(&card, &face, out);
            return Ok(());
        }
        CardCommand::Replace(args) => {
            let (counter, id) = at(args).await?;
            let (card, face) = counter.replace_card(id).await?;
            print_new(&card, &face, out);
            return Ok(());
        }
        CardCommand::Show(args) => {
            let (counter, id) = at(args).await?;
            counter.card(id).await?
        }
        CardCommand::Activate(args) => {
            let (counter, id) = at(args).await?;
            counter.activate_card(id).await?
        }
        CardCommand::Freeze(args) => {
            let (counter, id) = at(args).await?;
            counter.freeze_card(id, true).await?
        }
        CardCommand::Unfreeze(args) => {
            let (counter, id) = at(args).await?;
            counter.freeze_card(id, false).await?
        }
        CardCommand::Lost(args) => {
            let (counter, id) = at(args).await?;
            counter.report_card_lost(id).await?
        }
        CardCommand::Close(args) => {
            let (counter, id) = at(args).await?;
            counter.close_card(id).await?
        }
        CardCommand::Pin { card, pad } => {
            let (counter, id) = at(card).await?;
            set_pin(&counter, id, pad).await?
        }
    };
    out.record(&fields(&card), &value(&card));
    Ok(())
}

async fn set_pin(counter: &Counter, card: CardId, profile: &std::path::Path) -> Result<pb::Card, CliError> {
    let profile = TerminalProfile::load(profile, &[])?;
    let pad = profile.pad()?.ok_or_else(|| CliError::Usage(format!("{} has no pin_key", profile.id)))?;
    let pan = Pan::parse(secret()?.expose_secret().trim());
    let pan = pan.map_err(|reason| CliError::Usage(reason.english().to_owned()))?;
    let new = pad.block(&pan, &secret()?)?;
    let before = secret()?;
    let current = if before.expose_secret().is_empty() { None } else { Some(pad.block(&pan, &before)?) };
    let set = counter.set_pin(card, PinTyped { pad: profile.id, new, current }).await?;
    match set.change() {
        pb::PinChange::Refused => Err(CliError::CheckFailed("the credit system refuses the PIN".to_owned())),
        pb::PinChange::Pending => Err(CliError::Unknown("the credit system has not answered yet".to_owned())),
        pb::PinChange::Done | pb::PinChange::Unspecified => {
            set.card.ok_or(CliError::Operator(super::OperatorError::Incomplete("the card")))
        }
    }
}

fn secret() -> Result<secrecy::SecretString, CliError> {
    typed::secret_from_stdin().map_err(|source| CliError::System { what: "standard input".to_owned(), source })
}

fn state(card: &pb::Card) -> String {
    let state = card.state().as_str_name().trim_start_matches("CARD_STATE_").to_lowercase();
    let marks = [
        (card.frozen, "frozen"),
        (card.locked, "locked"),
        (card.pin_only, "with its PIN alone"),
        (!card.has_pin, "without a PIN"),
    ];
    let marks = marks.into_iter().filter(|(is, _)| *is).map(|(_, mark)| mark);
    std::iter::once(state.as_str()).chain(marks).collect::<Vec<_>>().join(", ")
}

fn fields(card: &pb::Card) -> Vec<(&'static str, String)> {
    vec![
        ("card", card.card_id.clone()),
        ("number", card.card_masked.clone()),
        ("valid until", card.expiry.clone()),
        ("state", state(card)),
        ("debit account", card.debit_account_id.clone()),
        ("credit account", card.credit_account_id.clone()),
    ]
}

fn value(card: &pb::Card) -> Value {
    json!({
        "card_id": card.card_id,
        "card_masked": card.card_masked,
        "state": card.state().as_str_name(),
        "frozen": card.frozen,
        "locked": card.locked,
        "has_pin": card.has_pin,
        "pin_only": card.pin_only,
        "expiry": card.expiry,
        "debit_account_id": card.debit_account_id,
        "credit_account_id": card.credit_account_id,
        "replaced_by_card_id": card.replaced_by_card_id,
    })
}

/// A new card with what is printed on it.
fn print_new(card: &pb::Card, face: &pb::CardFace, out: &Output) {
    let mut shown = fields(card);
    shown.extend([("whole number", face.pan.clone()), ("CVV2", face.cvv2.clone()), ("track 2", face.track2.clone())]);
    let mut value = value(card);
    if let Some(object) = value.as_object_mut() {
        object.insert("face".to_owned(), json!({ "pan": face.pan, "cvv2": face.cvv2, "track2": face.track2 }));
    }
    out.record(&shown, &value);
}

pub async fn node(command: &NodeCommand, out: &Output) -> Result<(), CliError> {
    match command {
        NodeCommand::Explain { bank, leg, who } => {
            let told = who.counter(bank).await?.explain(*leg).await?;
            let same = told.decided == told.decided_again || told.facts.is_empty();
            let again =
                if told.facts.is_empty() { "nothing was known of it".to_owned() } else { told.decided_again.clone() };
            let fields = [("known", told.facts.clone()), ("decided", told.decided.clone()), ("decided again", again)];
            let (facts, decided) = (told.facts, told.decided);
            out.record(&fields, &json!({ "facts": facts, "decided": decided, "decided_again": told.decided_again }));
            if same {
                Ok(())
            } else {
                Err(CliError::CheckFailed("the same facts give another decision now".to_owned()))
            }
        }
        NodeCommand::CloseDays { bank, through, who } => {
            let done = who.counter(bank).await?.close_days(through).await?;
            let number = |number: i64| number.to_string();
            let fields = [
                ("closed through", done.through.clone()),
                ("accounts", number(done.accounts)),
                ("days", number(done.days)),
                ("statements", number(done.statements)),
                ("booked", number(done.bookings)),
            ];
            let value = json!({
                "through": done.through,
                "accounts": done.accounts,
                "days": done.days,
                "statements": done.statements,
                "bookings": done.bookings,
            });
            out.record(&fields, &value);
            Ok(())
        }
        NodeCommand::Statements { bank, account, who } => {
            print_statements(&who.counter(bank).await?.statements(*account).await?, out);
            Ok(())
        }
    }
}

fn print_statements(statements: &[pb::Statement], out: &Output) {
    let row = |it: &pb::Statement| {
        let missed = it.missed_minor.map(|minor| minor.to_string()).unwrap_or_default();
        vec![
            it.number.to_string(),
            format!("{} to {}", it.from, it.closed_on),
            it.due_on.clone(),
            it.closing_minor.to_string(),
            it.minimum_due_minor.to_string(),
            missed,
        ]
    };
    let value = |it: &pb::Statement| {
        json!({
            "number": it.number,
            "from": it.from,
            "closed_on": it.closed_on,
            "due_on": it.due_on,
            "opening_minor": it.opening_minor,
            "purchases_minor": it.purchases_minor,
            "cash_advances_minor": it.cash_advances_minor,
            "fees_minor": it.fees_minor,
            "interest_on_purchases_minor": it.interest_on_purchases_minor,
            "interest_on_cash_minor": it.interest_on_cash_minor,
            "repayments_minor": it.repayments_minor,
            "refunds_minor": it.refunds_minor,
            "closing_minor": it.closing_minor,
            "minimum_due_minor": it.minimum_due_minor,
            "missed_minor": it.missed_minor,
        })
    };
    let rows: Vec<_> = statements.iter().map(row).collect();
    let head = ["", "cycle", "due", "owed", "minimum due", "missed"];
    out.table(&head, &rows, &statements.iter().map(value).collect::<Value>());
}
