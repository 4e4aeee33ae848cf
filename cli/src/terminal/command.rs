//! `bankhub terminal`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use domain::card::{Pan, Track2};
use domain::ledger::Nature;
use domain::{Currency, Money, PaymentId, PhoneNumber, Reason};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use server_kit::trace::{Kind, Span};

use super::errand::command::{ErrandArgs, PasswordCommand, TopUpArgs};
use super::{Balance, Card, CardOrder, Order, Payment, PaymentState, Proof, Terminal, TerminalError};
use super::{errand, prices};
use crate::error::CliError;
use crate::output::{Output, Tone};
use crate::profile::TerminalProfile;
use crate::typed;

const EXAMPLES: &str = "\
Examples:
  bankhub terminal pay +8613800138000 36.80 --item \"Beef noodles=28\" --item \"Tea=8.80\"
  bankhub terminal pay +8613800138000 36.80 --code 123456 --password-stdin < password
  bankhub terminal pay +8613800138000 36.80 --in-app
  bankhub terminal pay +8613800138000 36.80 --begin-only
  bankhub terminal resume 0192f0c1-7a6b-7c3d-8e4f-5a6b7c8d9e0f --code 123456 --password-stdin < password
  bankhub terminal refund 0192f0c1-7a6b-7c3d-8e4f-5a6b7c8d9e0f 8.80
  bankhub terminal reverse 0192f0c1-7a6b-7c3d-8e4f-5a6b7c8d9e0f
  bankhub terminal card purchase 36.80 < card-and-pin
  bankhub terminal complete 0192f0c1-7a6b-7c3d-8e4f-5a6b7c8d9e0f 30.00
  bankhub terminal prices \"Beef noodles=28\" \"Tea=8.80\"
  bankhub terminal flush

Every id is written to the journal and flushed to disk before it is sent. When no answer comes the terminal asks; when it
must give up it stores a reversal and forwards it, at every start and with `flush`, until the hub has acknowledged it.";

#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct TerminalArgs {
    /// The terminal's profile, as `bankhub init terminal` writes it.
    #[arg(long, global = true, value_name = "FILE", default_value = "terminal.toml")]
    pub config: PathBuf,
    /// One setting over file and environment, such as patience=10s.
    #[arg(long = "set", global = true, value_name = "KEY=VALUE", value_parser = typed::setting)]
    pub settings: Vec<(String, String)>,
    #[command(subcommand)]
    pub command: TerminalCommand,
}

#[derive(Clone, Debug, Subcommand)]
pub enum TerminalCommand {
    /// Take a payment: the payer's phone gets a code, and code and password are typed here.
    Pay(PayArgs),
    /// Hand in code and password of a payment that still waits for them, as after a restart.
    Resume {
        #[arg(value_parser = typed::payment_id)]
        payment: PaymentId,
        #[command(flatten)]
        proof: ProofArgs,
    },
    /// Show a payment.
    Get {
        #[arg(value_parser = typed::payment_id)]
        payment: PaymentId,
    },
    /// Follow a payment until it is final.
    Watch {
        #[arg(value_parser = typed::payment_id)]
        payment: PaymentId,
    },
    /// Send the payer a new code.
    Resend {
        #[arg(value_parser = typed::payment_id)]
        payment: PaymentId,
    },
    /// Give up a payment that waits for its code.
    Cancel {
        #[arg(value_parser = typed::payment_id)]
        payment: PaymentId,
    },
    /// Take a payment back whole, whatever state it is in.
    Reverse {
        #[arg(value_parser = typed::payment_id)]
        payment: PaymentId,
        /// The amount of the payment; asked from the hub when it is not given.
        #[arg(value_parser = typed::amount)]
        amount: Option<Money>,
    },
    /// Give a part of an approved payment back.
    Refund {
        #[arg(value_parser = typed::payment_id)]
        payment: PaymentId,
        /// How much, in major units.
        #[arg(value_parser = typed::amount)]
        amount: Money,
    },
    /// Do something with a card. The card is read from standard input: on the first line its track 2, or its number, expiry (YYMM)
    /// and CVV2 with spaces between, or its number alone for money that comes in; on the second line the PIN, or nothing.
    Card {
        /// purchase, cash-withdrawal, transfer-out, pre-authorisation, deposit, top-up, transfer-in or repayment.
        #[arg(value_parser = typed::nature)]
        nature: Nature,
        /// How much, in major units.
        #[arg(value_parser = typed::amount)]
        amount: Money,
    },
    /// End a pre-authorisation with what was really used.
    Complete {
        #[arg(value_parser = typed::payment_id)]
        payment: PaymentId,
        /// How much, in major units; at most what is reserved.
        #[arg(value_parser = typed::amount)]
        amount: Money,
    },
    /// Show what a card may spend; the card is read as by `card`.
    Balance,
    /// Say what the shop asks for its goods, so that people nearby can compare.
    Prices {
        /// NAME=PRICE for one unit, or NAME=0 for what is not sold any more.
        #[arg(required = true, value_name = "PRICE", value_parser = prices::typed)]
        prices: Vec<(String, String)>,
        /// The currency.
        #[arg(long, default_value = "CNY", value_parser = typed::currency)]
        currency: domain::Currency,
    },
    /// Activate what was opened for a number, so that it pays from now on.
    Activate(ErrandArgs),
    /// Set, change or reset the transaction password of a number.
    #[command(subcommand)]
    Password(PasswordCommand),
    /// Pay cash in to what a number pays with.
    TopUp(TopUpArgs),
    /// Send what is owed, and ask about what was never answered.
    Flush,
}

#[derive(Clone, Debug, Args)]
pub struct PayArgs {
    /// Who pays, in international form.
    #[arg(value_name = "PHONE", value_parser = typed::phone_number)]
    pub phone: PhoneNumber,
    /// How much, in major units: 12.50 for yuan, "12.50 EUR" for another currency.
    #[arg(value_parser = typed::amount)]
    pub amount: Money,
    /// What is bought: NAME=PRICE or NAME*QUANTITY=PRICE. May be given several times.
    #[arg(long = "item", value_name = "ITEM", value_parser = typed::item)]
    pub items: Vec<(String, i64, String)>,
    /// The merchant's own reference.
    #[arg(long, default_value = "")]
    pub reference: String,
    /// Only begin it and print it; `resume` hands in code and password.
    #[arg(long, conflicts_with_all = ["code", "password_stdin"])]
    pub begin_only: bool,
    /// Ask for no code: wait until the payer has answered in the app, or the code has ended.
    #[arg(long, conflicts_with_all = ["code", "password_stdin", "begin_only"])]
    pub in_app: bool,
    #[command(flatten)]
    pub proof: ProofArgs,
}

/// Where code and password come from; asked at the terminal, unseen, when they are not given.
#[derive(Clone, Default, Args)]
pub struct ProofArgs {
    /// The code from the payer's phone.
    #[arg(long)]
    pub code: Option<String>,
    /// Read the transaction password from the first line of standard input.
    #[arg(long)]
    pub password_stdin: bool,
}

impl std::fmt::Debug for ProofArgs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProofArgs").field("password_stdin", &self.password_stdin).finish_non_exhaustive()
    }
}

/// Runs a command as a trace of its own: a payment that is taken in one is in one trace, from here to its bank.
pub async fn run(args: &TerminalArgs, out: &Output) -> Result<(), CliError> {
    let profile = TerminalProfile::load(&args.config, &args.settings)?;
    let traces = profile.traces()?;
    let span = Span::begin("terminal", Kind::Internal);
    let done = Box::pin(span.run(run_command(&profile, args, out))).await;
    if done.is_err() {
        span.fail();
    }
    drop(span);
    traces.finish().await;
    done
}

async fn run_command(profile: &TerminalProfile, args: &TerminalArgs, out: &Output) -> Result<(), CliError> {
    let terminal = profile.open()?;
    if !matches!(args.command, TerminalCommand::Flush) {
        flush_first(&terminal, out).await?;
    }
    match &args.command {
        TerminalCommand::Pay(pay) => take(&terminal, pay, out).await,
        TerminalCommand::Resume { payment, proof } => {
            let waiting = terminal.get(*payment).await?;
            finish(&terminal, waiting, proof, out).await
        }
        TerminalCommand::Get { payment } => {
            print(&terminal.get(*payment).await?, out);
            Ok(())
        }
        TerminalCommand::Watch { payment } => {
            let show = |payment: &Payment| out.event(&sentence(payment, out), &value(payment));
            Ok(terminal.watch(*payment, show).await?)
        }
        TerminalCommand::Resend { payment } => {
            print(&terminal.resend(*payment).await?, out);
            Ok(())
        }
        TerminalCommand::Cancel { payment } => {
            print(&terminal.cancel(*payment).await?, out);
            Ok(())
        }
        TerminalCommand::Reverse { payment, amount } => {
            let amount = match amount {
                Some(amount) => *amount,
                None => terminal.get(*payment).await?.amount,
            };
            print(&terminal.reverse(*payment, amount).await?, out);
            Ok(())
        }
        TerminalCommand::Refund { payment, amount } => verdict(&terminal.refund(*payment, *amount).await?, out),
        TerminalCommand::Card { nature, amount } => {
            let order = CardOrder::new(read_card(profile)?, *nature, *amount);
            verdict(&terminal.card_payment(&order).await?, out)
        }
        TerminalCommand::Complete { payment, amount } => verdict(&terminal.complete(*payment, *amount).await?, out),
        TerminalCommand::Balance => {
            print_balance(&terminal.balance(&read_card(profile)?).await?, out);
            Ok(())
        }
        TerminalCommand::Prices { prices, currency } => prices::publish(&terminal, prices, *currency, out).await,
        TerminalCommand::Activate(args) => {
            errand::command::run(&terminal, profile, (domain::errand::ErrandKind::Activate, args), out).await
        }
        TerminalCommand::Password(command) => errand::command::password(&terminal, profile, command, out).await,
        TerminalCommand::TopUp(args) => verdict(&terminal.top_up(&args.order()).await?, out),
        TerminalCommand::Flush => flush(&terminal, out).await,
    }
}

/// A card and its PIN from standard input.
fn read_card(profile: &TerminalProfile) -> Result<Card, CliError> {
    const FORM: &str = "a card is its track 2, its NUMBER YYMM CVV2, or its NUMBER";
    let line =
        || typed::secret_from_stdin().map_err(|source| CliError::System { what: "standard input".to_owned(), source });
    let (read, pin) = (line()?, line()?);
    let usage = |reason: Reason| CliError::Usage(reason.english().to_owned());
    let text = read.expose_secret().trim();
    let (pan, card) = if text.contains(['=', 'D']) {
        let track = Track2::parse(text).map_err(usage)?;
        (track.pan.clone(), Card::by_track(&SecretString::from(text)))
    } else {
        let words: Vec<_> = text.split_whitespace().collect();
        match words.as_slice() {
            [number] => {
                let pan = Pan::parse(number).map_err(usage)?;
                let card = Card::by_number(&pan);
                (pan, card)
            }
            [number, expiry, cvv2] => {
                let pan = Pan::parse(number).map_err(usage)?;
                let card = Card::by_cvv2(&pan, expiry, &SecretString::from(*cvv2));
                (pan, card)
            }
            _ => return Err(CliError::Usage(FORM.to_owned())),
        }
    };
    if pin.expose_secret().is_empty() {
        return Ok(card);
    }
    let pad = profile.pad()?.ok_or_else(|| CliError::Usage("this terminal has no PIN pad: set pin_key".to_owned()))?;
    Ok(card.with_pin(pad.block(&pan, &pin)?))
}

fn print_balance(balance: &Balance, out: &Output) {
    let money = |amount: &Option<proto::common::Money>| {
        let amount = amount.as_ref();
        let read = amount.and_then(|it| Some(Money::new(Currency::parse(&it.currency_code).ok()?, it.minor_units)));
        read.map(|amount| amount.to_string()).unwrap_or_default()
    };
    let minor = |amount: &Option<proto::common::Money>| amount.as_ref().map(|amount| amount.minor_units);
    out.record(
        &[
            ("card", format!("{} {}", balance.bank_id, balance.card_masked)),
            ("debit", money(&balance.debit)),
            ("credit", money(&balance.credit)),
            ("of it as cash", money(&balance.cash_advance)),
        ],
        &json!({
            "bank_id": balance.bank_id,
            "card_masked": balance.card_masked,
            "debit_available_minor": minor(&balance.debit),
            "credit_available_minor": minor(&balance.credit),
            "cash_advance_available_minor": minor(&balance.cash_advance),
        }),
    );
}

/// What is owed goes out before anything new; but nothing new waits for a hub that is away.
async fn flush_first(terminal: &Terminal, out: &Output) -> Result<(), CliError> {
    let owed: Vec<_> = terminal.open_payments().into_iter().filter(|(_, open)| open.is_owed()).collect();
    if owed.is_empty() {
        return Ok(());
    }
    out.note(&format!("{} owed reversals and completions are being sent first", owed.len()));
    let flushed = terminal.flush().await?;
    if !flushed.left.is_empty() {
        out.note(&format!("{} are still owed; `bankhub terminal flush` sends them", flushed.left.len()));
    }
    Ok(())
}

async fn take(terminal: &Terminal, pay: &PayArgs, out: &Output) -> Result<(), CliError> {
    let items = pay.items.iter().map(|item| typed::priced(item, pay.amount.currency));
    let items = items.collect::<Result<Vec<_>, _>>().map_err(CliError::Usage)?;
    let order = Order { phone: pay.phone.clone(), amount: pay.amount, items, reference: pay.reference.clone() };
    let begun = terminal.begin(&order).await?;
    if pay.begin_only && begun.state == PaymentState::AwaitingCode {
        print(&begun, out);
        return Ok(());
    }
    out.note(&format!("payment {}: {}", begun.id, sentence(&begun, out)));
    if pay.in_app && begun.state == PaymentState::AwaitingCode {
        return verdict(&terminal.outcome(begun.id).await?, out);
    }
    finish(terminal, begun, &pay.proof, out).await
}

async fn finish(terminal: &Terminal, begun: Payment, proof: &ProofArgs, out: &Output) -> Result<(), CliError> {
    let mut payment = begun;
    // A code on the command line is one try; at a terminal the payer may try for as long as the hub lets them.
    let mut given = proof.code.clone();
    let is_asked = given.is_none();
    let mut password = if proof.password_stdin { Some(typed::secret_from_stdin().map_err(asking)?) } else { None };
    while payment.state == PaymentState::AwaitingCode {
        let code = match given.take() {
            Some(code) => SecretString::from(code),
            None if is_asked => typed::hidden("code from the phone: ").map_err(asking)?,
            None => break,
        };
        let password = match password.take() {
            Some(password) => password,
            None => typed::hidden("transaction password: ").map_err(asking)?,
        };
        payment = terminal.authorize(payment.id, &Proof { code, password }).await?;
        if payment.state == PaymentState::AwaitingCode {
            out.note(&sentence(&payment, out));
        }
    }
    verdict(&payment, out)
}

fn asking(source: std::io::Error) -> CliError {
    CliError::System { what: "code and password cannot be asked for".to_owned(), source }
}

/// Prints the payment, and makes of it the outcome of the command.
fn verdict(payment: &Payment, out: &Output) -> Result<(), CliError> {
    print(payment, out);
    match payment.state {
        PaymentState::Approved | PaymentState::Authorised => Ok(()),
        PaymentState::Pending => Err(CliError::Terminal(TerminalError::Unknown { payment_id: payment.id })),
        PaymentState::AwaitingCode | PaymentState::Declined | PaymentState::Reversed => {
            let words = payment.refusal.as_ref().map_or("it is not paid", |refusal| refusal.message_en.as_str());
            Err(CliError::Declined { reason: payment.reason(), words: words.to_owned() })
        }
    }
}

async fn flush(terminal: &Terminal, out: &Output) -> Result<(), CliError> {
    let flushed = terminal.flush().await?;
    let texts = |ids: &[PaymentId]| ids.iter().map(ToString::to_string).collect::<Vec<_>>();
    let refused: Vec<String> = flushed.refused.iter().map(|(id, why)| format!("{id} ({why})")).collect();
    let waiting = terminal.open_payments().len().saturating_sub(flushed.left.len());
    out.record(
        &[
            ("settled", flushed.settled.len().to_string()),
            ("refused by the hub", refused.join("\n")),
            ("still owed", texts(&flushed.left).join("\n")),
            ("waiting for payer or bank", waiting.to_string()),
        ],
        &json!({
            "settled": texts(&flushed.settled),
            "refused": refused,
            "left": texts(&flushed.left),
            "waiting": waiting,
        }),
    );
    if !flushed.left.is_empty() {
        return Err(CliError::Unknown("the hub has not acknowledged everything; flush again".to_owned()));
    }
    if !flushed.refused.is_empty() {
        return Err(CliError::CheckFailed("the hub refuses what was owed; a person has to look at it".to_owned()));
    }
    Ok(())
}

fn tone(state: PaymentState) -> Tone {
    match state {
        PaymentState::Approved | PaymentState::Authorised => Tone::Good,
        PaymentState::Declined | PaymentState::Reversed => Tone::Bad,
        PaymentState::AwaitingCode | PaymentState::Pending => Tone::Strong,
    }
}

/// One line about a payment.
fn sentence(payment: &Payment, out: &Output) -> String {
    let state = out.paint(tone(payment.state), payment.state.name());
    let mut text = format!("{state} {}", payment.amount);
    if let Some(refusal) = &payment.refusal {
        text.push_str(&format!(", {}: {}", refusal.reason, refusal.message_en));
    }
    if payment.state == PaymentState::AwaitingCode {
        text.push_str(&format!(" ({} tries left)", payment.attempts_left));
    }
    text
}

fn print(payment: &Payment, out: &Output) {
    let refunded = if payment.refunded_minor > 0 {
        Money::new(payment.amount.currency, payment.refunded_minor).to_string()
    } else {
        String::new()
    };
    let refusal = payment.refusal.as_ref();
    out.record(
        &[
            ("payment", payment.id.to_string()),
            ("state", payment.state.name().to_owned()),
            ("amount", payment.amount.to_string()),
            ("refunded", refunded),
            ("charged at", format!("{} {}", payment.bank_id, payment.account_masked).trim().to_owned()),
            ("refund of", payment.refund_of.clone()),
            ("reason", refusal.map(|refusal| refusal.reason.clone()).unwrap_or_default()),
            (
                "in words",
                refusal.map(|refusal| format!("{}\n{}", refusal.message_en, refusal.message_zh)).unwrap_or_default(),
            ),
        ],
        &value(payment),
    );
}

fn value(payment: &Payment) -> Value {
    json!({
        "payment_id": payment.id.to_string(),
        "state": payment.state.name(),
        "currency_code": payment.amount.currency.code(),
        "amount_minor": payment.amount.minor,
        "refunded_minor": payment.refunded_minor,
        "bank_id": payment.bank_id,
        "account_masked": payment.account_masked,
        "refund_of_payment_id": payment.refund_of,
        "reason": payment.refusal.as_ref().map(|refusal| refusal.reason.as_str()),
        "attempts_left": payment.attempts_left,
    })
}
