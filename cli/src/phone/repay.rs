//! `bankhub phone repay` and `repayments`.

use std::sync::Arc;

use bankhub_mobile::{InstrumentId, InstrumentName, RepaymentProposal};
use clap::{ArgGroup, Args};
use domain::bill::Cover;
use domain::payment::Instrument;
use domain::repayment::End;
use domain::{AccountId, BankId, CardId, Currency, Money, Reason};
use proto::cardholder as pb;
use serde_json::{Value, json};

use super::show::{money, money_value, time};
use super::{Phone, PhoneError, PhoneFolder};
use crate::error::CliError;
use crate::output::Output;
use crate::typed;

#[derive(Clone, Debug, Args)]
#[command(group = ArgGroup::new("much").args(["amount", "minimum", "statement", "resume"]).required(true))]
pub struct RepayArgs {
    /// Where the money comes from: a bank, or a bank and the number or id of an account or card, as `instruments` shows them.
    #[arg(long, value_name = "BANK[/NUMBER]", value_parser = place, required_unless_present = "resume")]
    pub from: Option<Place>,
    /// The card to repay, in the same way.
    #[arg(long, value_name = "BANK[/NUMBER]", value_parser = place, required_unless_present = "resume")]
    pub to: Option<Place>,
    /// How much.
    #[arg(long, value_parser = typed::amount)]
    pub amount: Option<Money>,
    /// What is left to pay of the minimum of the last bill.
    #[arg(long)]
    pub minimum: bool,
    /// All that is left to pay of the last bill.
    #[arg(long)]
    pub statement: bool,
    /// Ask again for what was signed before and has got no final answer; make nothing new.
    #[arg(long, conflicts_with_all = ["from", "to"])]
    pub resume: bool,
}

#[derive(Clone, Debug, Args)]
pub struct RepaymentsArgs {
    /// At most so many, the last one first.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(i32).range(1..=200))]
    pub most: i32,
}

/// An account or a card as it is typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    bank: BankId,
    /// Its number as it is shown, or its id; empty when the bank has but one that fits.
    which: String,
}

fn place(text: &str) -> Result<Place, String> {
    let (bank, which) = text.split_once('/').unwrap_or((text, ""));
    Ok(Place { bank: typed::bank_id(bank)?, which: which.to_owned() })
}

/// What is bound, and fits what was typed.
struct Found {
    end: End,
    masked: String,
}

impl Place {
    /// `cards_only` for what is repaid.
    fn find(&self, bound: &[pb::Instrument], cards_only: bool) -> Result<Found, CliError> {
        let fits = |it: &&pb::Instrument| {
            let (id, is_card) = match &it.instrument {
                Some(pb::instrument::Instrument::AccountId(id)) => (id.as_str(), false),
                Some(pb::instrument::Instrument::CardId(id)) => (id.as_str(), true),
                None => ("", false),
            };
            let named = self.which.is_empty() || it.masked == self.which || id == self.which;
            it.bank_id == self.bank.as_str() && named && (is_card || !cards_only)
        };
        let mut fitting = bound.iter().filter(fits);
        let (Some(found), more) = (fitting.next(), fitting.next()) else {
            return Err(CliError::Usage(format!("{self} is not bound; see `bankhub phone instruments`")));
        };
        if more.is_some() {
            return Err(CliError::Usage(format!(
                "{self} may be several; name one as `bankhub phone instruments` shows it"
            )));
        }
        let unreadable = |_| CliError::from(PhoneError::Unreadable("the id of an account"));
        let instrument = match &found.instrument {
            Some(pb::instrument::Instrument::AccountId(id)) => {
                Instrument::Account(AccountId::parse(id).map_err(unreadable)?)
            }
            Some(pb::instrument::Instrument::CardId(id)) => Instrument::Card(CardId::parse(id).map_err(unreadable)?),
            None => return Err(PhoneError::Unreadable("the sort of an account").into()),
        };
        Ok(Found { end: End { bank_id: self.bank.clone(), instrument }, masked: found.masked.clone() })
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.which.as_str() {
            "" => write!(f, "{}", self.bank),
            which => write!(f, "{}/{which}", self.bank),
        }
    }
}

/// How much a bill says, of the card that is to be repaid.
async fn billed(phone: &Phone, to: &Found, cover: Cover) -> Result<Money, CliError> {
    let asked = pb::ListBillsRequest { bank_id: to.end.bank_id.to_string(), account_id: String::new(), most: 1 };
    let accounts = phone.bills(asked).await?.accounts;
    let of_card = |bill: &&pb::Bill| match to.end.instrument {
        Instrument::Card(id) if !bill.card_id.is_empty() => bill.card_id == id.to_string(),
        _ => bill.account_masked == to.masked,
    };
    let bills: Vec<&pb::Bill> = accounts.iter().filter_map(|account| account.bills.first()).filter(of_card).collect();
    let [bill] = bills.as_slice() else {
        let what = if bills.is_empty() { "no bill" } else { "more than one bill" };
        return Err(CliError::Usage(format!("there is {what} of {} {}; say --amount", to.end.bank_id, to.masked)));
    };
    let minor = if cover == Cover::Minimum { bill.minimum_left_minor } else { bill.left_minor };
    let closing = bill.closing.as_ref().ok_or(PhoneError::Unreadable("a bill"))?;
    let currency = Currency::parse(&closing.currency_code).map_err(|_| PhoneError::Unreadable("a currency"))?;
    match minor {
        1.. => Ok(Money::new(currency, minor)),
        _ => Err(CliError::Usage("by the bank's last word there is nothing left to pay".to_owned())),
    }
}

async fn proposal(phone: &Phone, args: &RepayArgs) -> Result<Arc<RepaymentProposal>, CliError> {
    let (Some(from), Some(to)) = (&args.from, &args.to) else {
        return Err(CliError::Usage("say --from and --to".to_owned()));
    };
    let bound = phone.instruments().await?;
    let (from, to) = (from.find(&bound, false)?, to.find(&bound, true)?);
    let amount = match args.amount {
        Some(amount) => amount,
        None => billed(phone, &to, if args.minimum { Cover::Minimum } else { Cover::Full }).await?,
    };
    let amount = bankhub_mobile::Money { currency_code: amount.currency.code().to_owned(), minor_units: amount.minor };
    let proposed = phone.sdk().propose_repayment(name_of(&from.end), name_of(&to.end), amount);
    Ok(proposed.map_err(PhoneError::from)?)
}

/// The name as the SDK has it.
fn name_of(end: &End) -> InstrumentName {
    let id = match end.instrument {
        Instrument::Account(id) => InstrumentId::Account { account_id: id.to_string() },
        Instrument::Card(id) => InstrumentId::Card { card_id: id.to_string() },
    };
    InstrumentName { bank_id: end.bank_id.to_string(), id }
}

pub(super) async fn repay(folder: &PhoneFolder, args: &RepayArgs, out: &Output) -> Result<(), CliError> {
    let phone = folder.open().await?;
    let _held = folder.hold_repayments()?;
    let waiting = phone.sdk().open_repayment().await.map_err(PhoneError::from)?;
    if args.resume {
        return if waiting.is_some() {
            send(&phone, out).await
        } else {
            out.note("Nothing waits for an answer.");
            Ok(())
        };
    }
    if waiting.is_some() {
        // Whoever types the same once more after a cut means the same repayment, not a second one.
        let words = "a repayment has got no final answer yet: `bankhub phone repay --resume` asks for it";
        return Err(CliError::Usage(words.to_owned()));
    }
    let proposal = proposal(&phone, args).await?;
    server_kit::fault::point("D0.before");
    phone.sdk().keep_repayment(proposal).await.map_err(PhoneError::from)?;
    server_kit::fault::point("D0.after");
    send(&phone, out).await
}

/// Sends what is written down, and shows the answer; the SDK forgets it when the answer is final.
async fn send(phone: &Phone, out: &Output) -> Result<(), CliError> {
    let repayment = match phone.sdk().resend_repayment().await {
        Ok(Some(repayment)) => repayment,
        Ok(None) => return Ok(()),
        Err(error) => {
            // What the hub has refused for good is forgotten; what is still kept may have been done.
            let Some(open) = phone.sdk().open_repayment().await.map_err(PhoneError::from)? else {
                return Err(PhoneError::from(error).into());
            };
            let id = open.repayment_id;
            let words =
                format!("repayment {id} has got no answer ({error}); `bankhub phone repay --resume` asks again");
            return Err(CliError::Unknown(words));
        }
    };
    out.record(&fields(&repayment), &value(&repayment));
    match repayment.state() {
        pb::RepaymentState::Approved => Ok(()),
        pb::RepaymentState::Declined => {
            let refusal = repayment.refusal.clone().unwrap_or_default();
            let by = side(&repayment).map(|party| format!(" ({} {})", party.bank_id, party.masked)).unwrap_or_default();
            Err(CliError::Declined {
                reason: Reason::from_code(&refusal.reason),
                words: format!("{}{by}", refusal.message_en),
            })
        }
        pb::RepaymentState::Pending | pb::RepaymentState::Unspecified => {
            let words = "a bank has not answered yet; `bankhub phone repay --resume` asks again";
            Err(CliError::Unknown(words.to_owned()))
        }
    }
}

/// Whose bank it was.
fn side(repayment: &pb::Repayment) -> Option<&pb::RepaymentParty> {
    match repayment.refused_by() {
        pb::RepaymentSide::Paying => repayment.from.as_ref(),
        pb::RepaymentSide::Receiving => repayment.to.as_ref(),
        pb::RepaymentSide::Unspecified => None,
    }
}

fn party(party: Option<&pb::RepaymentParty>) -> String {
    party.map(|party| format!("{} {}", party.bank_id, party.masked)).unwrap_or_default()
}

fn state(repayment: &pb::Repayment) -> &'static str {
    match repayment.state() {
        pb::RepaymentState::Unspecified => "",
        pb::RepaymentState::Pending => "pending",
        pb::RepaymentState::Approved => "approved",
        pb::RepaymentState::Declined => "declined",
    }
}

fn fields(it: &pb::Repayment) -> [(&'static str, String); 5] {
    [
        ("repayment", it.repayment_id.clone()),
        ("state", state(it).to_owned()),
        ("amount", money(it.amount.as_ref())),
        ("from", party(it.from.as_ref())),
        ("to", party(it.to.as_ref())),
    ]
}

fn value(it: &pb::Repayment) -> Value {
    let refusal = it.refusal.as_ref();
    json!({
        "repayment_id": it.repayment_id,
        "state": it.state().as_str_name(),
        "amount": money_value(it.amount.as_ref()),
        "from": party(it.from.as_ref()),
        "to": party(it.to.as_ref()),
        "created_at": it.created_at.as_ref().map(|at| time(Some(at))),
        "decided_at": it.decided_at.as_ref().map(|at| time(Some(at))),
        "reason": refusal.map(|refusal| refusal.reason.clone()),
        "refused_by": it.refused_by().as_str_name(),
    })
}

pub(super) async fn repayments(phone: &Phone, args: &RepaymentsArgs, out: &Output) -> Result<(), CliError> {
    let found = phone.repayments(args.most, "").await?.repayments;
    let row = |it: &pb::Repayment| {
        let reason = it.refusal.as_ref().map(|refusal| refusal.reason.clone()).unwrap_or_default();
        vec![
            time(it.created_at.as_ref()),
            money(it.amount.as_ref()),
            party(it.from.as_ref()),
            party(it.to.as_ref()),
            state(it).to_owned(),
            reason,
            it.repayment_id.clone(),
        ]
    };
    let rows: Vec<Vec<String>> = found.iter().map(row).collect();
    let value = Value::Array(found.iter().map(value).collect());
    out.table(&["made (UTC)", "amount", "from", "to", "state", "why", "repayment"], &rows, &value);
    Ok(())
}
