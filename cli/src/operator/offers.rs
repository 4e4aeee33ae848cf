//! Offers: `offers`. A bank's are filed at its own counter, and let run at the hub.

use clap::{Args, Subcommand, ValueEnum};
use domain::{BankId, Money, OfferId, Timestamp};
use proto::operator as hub_pb;
use proto::{common, counter as pb};
use serde_json::{Value, json};
use server_kit::clock::{Clock as _, SystemClock};

use super::command::OperatorArgs;
use super::{Counter, Operator, OperatorError, answer, bounded};
use crate::error::CliError;
use crate::output::Output;
use crate::typed;

const DAY_MICROS: i64 = 86_400_000_000;

#[derive(Clone, Debug, Subcommand)]
pub enum OffersCommand {
    /// File an offer of a bank, at the bank's counter. Somebody at the hub looks at it before it runs.
    File(Box<FileArgs>),
    /// Take an offer of a bank back, at the bank's counter.
    Withdraw {
        #[arg(value_parser = typed::bank_id)]
        bank: BankId,
        #[arg(value_parser = typed::offer_id)]
        offer: OfferId,
    },
    /// List a bank's offers, at the bank's counter; with --offer one of them, with those who accepted it.
    List {
        #[arg(value_parser = typed::bank_id)]
        bank: BankId,
        #[arg(long, value_parser = typed::offer_id)]
        offer: Option<OfferId>,
    },
    /// List the offers of all banks at the hub.
    All {
        /// Only those in this state, such as those that wait to be looked at.
        #[arg(long, value_enum)]
        state: Option<StateWord>,
    },
    /// Let an offer run, at the hub.
    Start {
        #[arg(value_parser = typed::offer_id)]
        offer: OfferId,
    },
    /// Take an offer out of the hub, whosever it is.
    Stop {
        #[arg(value_parser = typed::offer_id)]
        offer: OfferId,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StateWord {
    Filed,
    Running,
    Withdrawn,
    UsedUp,
}

#[derive(Clone, Debug, Args)]
pub struct FileArgs {
    #[arg(value_parser = typed::bank_id)]
    pub bank: BankId,
    /// What it is called, in English …
    #[arg(long)]
    pub title: String,
    /// … and in Chinese.
    #[arg(long)]
    pub title_zh: String,
    /// What it says, in English …
    #[arg(long)]
    pub text: String,
    /// … and in Chinese.
    #[arg(long)]
    pub text_zh: String,
    /// Only purchases of this kind: group:groceries, or code:5411.
    #[arg(long, default_value = "")]
    pub target: String,
    /// How many of the last days are looked at.
    #[arg(long, default_value_t = 28)]
    pub within_days: u32,
    /// At least so many purchases.
    #[arg(long, required_unless_present = "sum")]
    pub count: Option<u32>,
    /// Purchases for at least so much.
    #[arg(long, value_parser = typed::amount)]
    pub sum: Option<Money>,
    /// Only purchases on this weekday, such as friday.
    #[arg(long, default_value = "")]
    pub weekday: String,
    /// In this cell, too, something was bought.
    #[arg(long, default_value = "")]
    pub cell: String,
    /// To how many people at most.
    #[arg(long)]
    pub budget: u32,
    /// From when on, such as 2026-12-01T00:00:00+08:00; now when it is not given.
    #[arg(long, value_name = "TIME")]
    pub from: Option<jiff::Timestamp>,
    /// For how many days.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(i64).range(1..=3650))]
    pub days: i64,
    /// The offer: the same one filed twice is one. A new one when it is not given.
    #[arg(long, value_parser = typed::offer_id)]
    pub id: Option<OfferId>,
}

impl FileArgs {
    fn filing(&self, counter: &Counter) -> Result<common::OfferFiling, CliError> {
        let new_id = || counter.ids.uuid().map(OfferId::from_uuid).map_err(OperatorError::from);
        let from = self.from.map_or_else(|| SystemClock.now(), |at| Timestamp::from_micros(at.as_microsecond()));
        let until = Timestamp::from_micros(from.micros().saturating_add(self.days.saturating_mul(DAY_MICROS)));
        let words = |en: &str, zh: &str| Some(common::Wording { text_en: en.to_owned(), text_zh: zh.to_owned() });
        let rule = common::OfferRule {
            target: self.target.clone(),
            within_days: self.within_days,
            least_count: self.count,
            least_sum: self.sum.map(proto::to_money),
            weekday: self.weekday.to_ascii_uppercase(),
            cell: self.cell.clone(),
        };
        Ok(common::OfferFiling {
            offer_id: self.id.map_or_else(new_id, Ok)?.to_string(),
            title: words(&self.title, &self.title_zh),
            text: words(&self.text, &self.text_zh),
            rule: Some(rule),
            valid_from: Some(proto::to_timestamp(from)),
            valid_until: Some(proto::to_timestamp(until)),
            budget: self.budget,
        })
    }
}

fn there(offer: Option<common::Offer>) -> Result<common::Offer, OperatorError> {
    offer.ok_or(OperatorError::Incomplete("the offer"))
}

impl Counter {
    /// Files an offer of this bank at the hub.
    pub async fn file_offer(&self, filing: common::OfferFiling) -> Result<common::Offer, OperatorError> {
        let request = bounded(pb::FileOfferRequest { filing: Some(filing) });
        there(answer(self.counter.clone().file_offer(request)).await?.offer)
    }

    /// Takes an offer of this bank back.
    pub async fn withdraw_offer(&self, offer: OfferId) -> Result<common::Offer, OperatorError> {
        let request = bounded(pb::WithdrawOfferRequest { offer_id: offer.to_string() });
        there(answer(self.counter.clone().withdraw_offer(request)).await?.offer)
    }

    /// The offers of this bank, all pages.
    pub async fn offers(&self) -> Result<Vec<common::Offer>, OperatorError> {
        let (mut offers, mut page_token) = (Vec::new(), String::new());
        loop {
            let request = bounded(pb::ListOffersRequest { page_size: 200, page_token });
            let page = answer(self.counter.clone().list_offers(request)).await?;
            offers.extend(page.offers);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return Ok(offers);
            }
        }
    }

    /// One offer of this bank, and all who accepted it.
    pub async fn offer(&self, offer: OfferId) -> Result<(common::Offer, Vec<common::OfferAcceptance>), OperatorError> {
        let (mut accepted, mut page_token) = (Vec::new(), String::new());
        loop {
            let request = bounded(pb::GetOfferRequest { offer_id: offer.to_string(), page_size: 200, page_token });
            let page = answer(self.counter.clone().get_offer(request)).await?;
            accepted.extend(page.acceptances);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return Ok((there(page.offer)?, accepted));
            }
        }
    }
}

impl Operator {
    /// Lets an offer run.
    pub async fn start_offer(&self, offer: OfferId) -> Result<common::Offer, OperatorError> {
        let request = bounded(hub_pb::StartOfferRequest { offer_id: offer.to_string() });
        there(answer(self.hub.clone().start_offer(request)).await?.offer)
    }

    /// Takes an offer out of the hub.
    pub async fn stop_offer(&self, offer: OfferId) -> Result<common::Offer, OperatorError> {
        let request = bounded(hub_pb::WithdrawOfferRequest { offer_id: offer.to_string() });
        there(answer(self.hub.clone().withdraw_offer(request)).await?.offer)
    }

    /// The offers of all banks, in one state or in any.
    pub async fn offers(&self, state: common::OfferState) -> Result<Vec<common::Offer>, OperatorError> {
        let (mut offers, mut page_token) = (Vec::new(), String::new());
        loop {
            let request = bounded(hub_pb::ListOffersRequest { state: state.into(), page_size: 200, page_token });
            let page = answer(self.hub.clone().list_offers(request)).await?;
            offers.extend(page.offers);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return Ok(offers);
            }
        }
    }
}

pub async fn offers(args: &OperatorArgs<OffersCommand>, out: &Output) -> Result<(), CliError> {
    let operator = args.connect()?;
    match &args.command {
        OffersCommand::File(file) => {
            let counter = operator.counter(&file.bank).await?;
            print(&[counter.file_offer(file.filing(&counter)?).await?], out);
        }
        OffersCommand::Withdraw { bank, offer } => {
            print(&[operator.counter(bank).await?.withdraw_offer(*offer).await?], out);
        }
        OffersCommand::List { bank, offer: None } => print(&operator.counter(bank).await?.offers().await?, out),
        OffersCommand::List { bank, offer: Some(offer) } => {
            let (offer, accepted) = operator.counter(bank).await?.offer(*offer).await?;
            print_accepted(&offer, &accepted, out);
        }
        OffersCommand::All { state } => {
            let state = match state {
                None => common::OfferState::Unspecified,
                Some(StateWord::Filed) => common::OfferState::Filed,
                Some(StateWord::Running) => common::OfferState::Running,
                Some(StateWord::Withdrawn) => common::OfferState::Withdrawn,
                Some(StateWord::UsedUp) => common::OfferState::UsedUp,
            };
            print(&operator.offers(state).await?, out);
        }
        OffersCommand::Start { offer } => print(&[operator.start_offer(*offer).await?], out),
        OffersCommand::Stop { offer } => print(&[operator.stop_offer(*offer).await?], out),
    }
    Ok(())
}

fn about(offer: &common::Offer) -> (String, String) {
    let filing = offer.filing.clone().unwrap_or_default();
    (filing.offer_id, filing.title.map(|title| title.text_en).unwrap_or_default())
}

fn word(offer: &common::Offer) -> String {
    offer.state().as_str_name().trim_start_matches("OFFER_STATE_").to_lowercase().replace('_', " ")
}

fn value(offer: &common::Offer) -> Value {
    let (offer_id, title) = about(offer);
    json!({
        "offer_id": offer_id,
        "bank_id": offer.bank_id,
        "title": title,
        "state": offer.state().as_str_name(),
        "budget": offer.filing.as_ref().map(|filing| filing.budget),
        "delivered_at_least": offer.delivered_at_least,
        "accepted": offer.accepted_count,
    })
}

fn print(offers: &[common::Offer], out: &Output) {
    let row = |offer: &common::Offer| {
        let (offer_id, title) = about(offer);
        let delivered = match offer.delivered_at_least {
            0 => "few or none".to_owned(),
            least => format!("{least} or more"),
        };
        vec![offer_id, offer.bank_id.clone(), title, word(offer), delivered, offer.accepted_count.to_string()]
    };
    let rows: Vec<_> = offers.iter().map(row).collect();
    let head = ["offer", "bank", "title", "state", "delivered to", "accepted"];
    out.table(&head, &rows, &offers.iter().map(value).collect::<Value>());
}

fn print_accepted(offer: &common::Offer, accepted: &[common::OfferAcceptance], out: &Output) {
    let row = |it: &common::OfferAcceptance| {
        vec![it.account_ids.join(" "), it.card_ids.join(" "), it.name.clone(), it.phone_number.clone()]
    };
    let shown = |it: &common::OfferAcceptance| json!({ "account_ids": it.account_ids, "card_ids": it.card_ids, "name": it.name, "phone_number": it.phone_number });
    let (offer_id, title) = about(offer);
    let state = word(offer);
    out.line(&format!("{offer_id} {title}: {state}, accepted by {}", offer.accepted_count));
    let rows: Vec<_> = accepted.iter().map(row).collect();
    let value = json!({ "offer": value(offer), "acceptances": accepted.iter().map(shown).collect::<Value>() });
    out.table(&["accounts", "cards", "name", "number"], &rows, &value);
}
