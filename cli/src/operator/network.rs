//! A bank's switch, by hand: `network`. Charges that other networks carried are brought to the bank's own counter; files between banks are in
//! `clearing`.

use clap::{Args, Subcommand};
use domain::ledger::Nature;
use domain::{AccountId, BankId, CardId, Currency, Money, PaymentId, Timestamp};
use proto::common;
use proto::counter as pb;
use proto::counter::network_charge::Payer;
use serde_json::{Value, json};
use server_kit::clock::{Clock as _, SystemClock};

use super::clearing::{self, FileCommand};
use super::command::OperatorArgs;
use super::{Counter, OperatorError, answer, bounded};
use crate::error::CliError;
use crate::output::Output;
use crate::terminal::Item;
use crate::typed;

#[derive(Clone, Debug, Subcommand)]
pub enum NetworkCommand {
    /// Reserve the money of a charge that another network carries. The network has verified the card: there is no PIN here.
    Hold(ChargeArgs),
    /// Post a charge that is held, with as much or less; the rest is released.
    Post {
        #[arg(value_parser = typed::bank_id)]
        bank: BankId,
        /// The purchase, as it was held.
        #[arg(value_parser = typed::payment_id)]
        purchase: PaymentId,
        #[arg(value_parser = typed::amount)]
        amount: Money,
    },
    /// Post a charge that was authorised offline and never held.
    Offline(ChargeArgs),
    /// Release a charge that is held, known or not.
    Void {
        #[arg(value_parser = typed::bank_id)]
        bank: BankId,
        #[arg(value_parser = typed::payment_id)]
        purchase: PaymentId,
    },
    /// Give money of a posted charge back, all or a part.
    Refund {
        #[arg(value_parser = typed::bank_id)]
        bank: BankId,
        #[arg(value_parser = typed::payment_id)]
        purchase: PaymentId,
        #[arg(value_parser = typed::amount)]
        amount: Money,
        /// The refund's own id: sent twice it counts once. A new one when it is not given.
        #[arg(long, value_parser = typed::payment_id)]
        id: Option<PaymentId>,
    },
    /// Say how far the hub has taken in what the bank reports, and what it has refused.
    Reports {
        #[arg(value_parser = typed::bank_id)]
        bank: BankId,
    },
    /// Files between banks (ISO 20022): what they owe each other for a day, and others' files held against the books.
    File {
        #[command(subcommand)]
        command: FileCommand,
    },
}

/// A charge as the network tells it.
#[derive(Clone, Debug, Args)]
pub struct ChargeArgs {
    #[arg(value_parser = typed::bank_id)]
    pub bank: BankId,
    #[arg(value_parser = typed::amount)]
    pub amount: Money,
    #[command(flatten)]
    pub payer: PayerArgs,
    /// The acquirer's code for the merchant.
    #[arg(long, value_name = "CODE")]
    pub merchant: String,
    /// What people call the merchant.
    #[arg(long)]
    pub name: String,
    /// The merchant category code of ISO 18245, four digits.
    #[arg(long)]
    pub category: String,
    /// The acquirer's code for the terminal.
    #[arg(long, value_name = "CODE")]
    pub terminal: String,
    /// What people call the place.
    #[arg(long, default_value = "")]
    pub place: String,
    /// LATITUDE,LONGITUDE in degrees of WGS 84.
    #[arg(long, value_parser = typed::location, allow_hyphen_values = true)]
    pub location: Option<(f64, f64)>,
    /// NAME=PRICE or NAME*QUANTITY=PRICE; may be given several times.
    #[arg(long = "item", value_name = "ITEM", value_parser = typed::item)]
    pub items: Vec<(String, i64, String)>,
    /// What sort of transaction it is.
    #[arg(long, value_parser = typed::nature, default_value = "purchase")]
    pub nature: Nature,
    /// When it was bought, such as 2026-03-01T12:30:00+08:00; now when it is not given.
    #[arg(long, value_name = "TIME")]
    pub at: Option<jiff::Timestamp>,
    /// The purchase: the same charge at the same time sent twice counts once. A new one when it is not given.
    #[arg(long, value_parser = typed::payment_id)]
    pub id: Option<PaymentId>,
}

#[derive(Clone, Debug, Args)]
#[group(required = true, multiple = false)]
pub struct PayerArgs {
    /// The card that pays.
    #[arg(long, value_parser = typed::card_id)]
    pub card: Option<CardId>,
    /// The deposit account that pays by itself.
    #[arg(long, value_parser = typed::account_id)]
    pub account: Option<AccountId>,
}

impl ChargeArgs {
    fn message(&self, counter: &Counter) -> Result<pb::NetworkCharge, CliError> {
        let payer = match (self.payer.card, self.payer.account) {
            (Some(card), _) => Payer::CardId(card.to_string()),
            (None, Some(account)) => Payer::AccountId(account.to_string()),
            (None, None) => return Err(CliError::Usage("who pays is a card or an account".to_owned())),
        };
        let at = self.at.map_or_else(|| SystemClock.now(), |at| Timestamp::from_micros(at.as_microsecond()));
        let items = self.items.iter().map(|item| typed::priced(item, self.amount.currency));
        let items = items.collect::<Result<Vec<_>, _>>().map_err(CliError::Usage)?;
        let location = self.location.map(|(latitude, longitude)| common::Location { latitude, longitude });
        Ok(pb::NetworkCharge {
            purchase_id: counter.named(self.id)?,
            payer: Some(payer),
            nature: proto::to_nature(self.nature).into(),
            amount: Some(proto::to_money(self.amount)),
            occurred_at: Some(proto::to_timestamp(at)),
            seller: Some(pb::NetworkSeller {
                merchant_code: self.merchant.clone(),
                display_name: self.name.clone(),
                category_code: self.category.clone(),
                terminal_code: self.terminal.clone(),
                place: self.place.clone(),
                location,
            }),
            items: items.iter().map(Item::to_wire).collect(),
        })
    }
}

impl Counter {
    /// The id that was given, or a new one.
    fn named(&self, id: Option<PaymentId>) -> Result<String, OperatorError> {
        Ok(id.map_or_else(|| self.ids.uuid().map(|id| id.to_string()), |id| Ok(id.to_string()))?)
    }

    /// Reserves the money of a charge that another network carries.
    pub async fn hold_charge(&self, charge: pb::NetworkCharge) -> Result<pb::NetworkChargeStanding, OperatorError> {
        let request = bounded(pb::HoldNetworkChargeRequest { charge: Some(charge) });
        stands(answer(self.counter.clone().hold_network_charge(request)).await?.standing)
    }

    /// Posts a charge that is held.
    pub async fn post_charge(
        &self,
        purchase: PaymentId,
        amount: Money,
    ) -> Result<pb::NetworkChargeStanding, OperatorError> {
        let (purchase_id, amount) = (purchase.to_string(), Some(proto::to_money(amount)));
        let request = bounded(pb::PostNetworkChargeRequest { purchase_id, amount });
        stands(answer(self.counter.clone().post_network_charge(request)).await?.standing)
    }

    /// Posts a charge that was never held.
    pub async fn post_offline_charge(
        &self,
        charge: pb::NetworkCharge,
    ) -> Result<pb::NetworkChargeStanding, OperatorError> {
        let request = bounded(pb::PostOfflineNetworkChargeRequest { charge: Some(charge) });
        stands(answer(self.counter.clone().post_offline_network_charge(request)).await?.standing)
    }

    /// Releases a charge.
    pub async fn void_charge(&self, purchase: PaymentId) -> Result<pb::NetworkChargeStanding, OperatorError> {
        let request = bounded(pb::VoidNetworkChargeRequest { purchase_id: purchase.to_string() });
        stands(answer(self.counter.clone().void_network_charge(request)).await?.standing)
    }

    /// Gives money of a charge back, under a new id unless one is given; the purchase afterwards.
    pub async fn refund_charge(
        &self,
        purchase: PaymentId,
        amount: Money,
        id: Option<PaymentId>,
    ) -> Result<pb::RefundNetworkChargeResponse, OperatorError> {
        let refund_id = self.named(id)?;
        let (purchase_id, amount) = (purchase.to_string(), Some(proto::to_money(amount)));
        let request = bounded(pb::RefundNetworkChargeRequest { refund_id, purchase_id, amount });
        answer(self.counter.clone().refund_network_charge(request)).await
    }

    /// How far the hub has taken in what the bank reports.
    pub async fn reporting(&self) -> Result<pb::GetReportingResponse, OperatorError> {
        answer(self.counter.clone().get_reporting(bounded(pb::GetReportingRequest {}))).await
    }
}

fn stands(standing: Option<pb::NetworkChargeStanding>) -> Result<pb::NetworkChargeStanding, OperatorError> {
    standing.ok_or(OperatorError::Incomplete("the charge"))
}

pub async fn network(args: &OperatorArgs<NetworkCommand>, out: &Output) -> Result<(), CliError> {
    if let NetworkCommand::File { command } = &args.command {
        return clearing::file(|| args.connect(), command, out).await;
    }
    let operator = args.connect()?;
    let standing = match &args.command {
        NetworkCommand::Hold(charge) => {
            let counter = operator.counter(&charge.bank).await?;
            counter.hold_charge(charge.message(&counter)?).await?
        }
        NetworkCommand::Offline(charge) => {
            let counter = operator.counter(&charge.bank).await?;
            counter.post_offline_charge(charge.message(&counter)?).await?
        }
        NetworkCommand::Post { bank, purchase, amount } => {
            operator.counter(bank).await?.post_charge(*purchase, *amount).await?
        }
        NetworkCommand::Void { bank, purchase } => operator.counter(bank).await?.void_charge(*purchase).await?,
        NetworkCommand::Refund { bank, purchase, amount, id } => {
            let refund = operator.counter(bank).await?.refund_charge(*purchase, *amount, *id).await?;
            if let Some(refusal) = refund.refusal {
                return Err(refused(&refusal));
            }
            stands(refund.standing)?
        }
        NetworkCommand::Reports { bank } => {
            print_reporting(&operator.counter(bank).await?.reporting().await?, out);
            return Ok(());
        }
        NetworkCommand::File { .. } => return Ok(()),
    };
    print_standing(&standing, out);
    // What was refused is shown, and is no success.
    standing.refusal.as_ref().map_or(Ok(()), |refusal| Err(refused(refusal)))
}

fn refused(refusal: &common::Refusal) -> CliError {
    let reason = domain::Reason::from_code(&refusal.reason);
    CliError::Operator(OperatorError::Refused { reason, message: refusal.message_en.clone() })
}

fn print_standing(standing: &pb::NetworkChargeStanding, out: &Output) {
    let state = standing.state().as_str_name().trim_start_matches("NETWORK_CHARGE_STATE_");
    let amount = standing
        .amount
        .as_ref()
        .and_then(|amount| Some(Money::new(Currency::parse(&amount.currency_code).ok()?, amount.minor_units)));
    let minor = |minor| amount.map_or_else(String::new, |amount| Money::new(amount.currency, minor).to_string());
    let fields = [
        ("purchase", standing.purchase_id.clone()),
        ("number", standing.masked.clone()),
        ("state", state.to_lowercase()),
        ("amount", amount.map(|amount| amount.to_string()).unwrap_or_default()),
        ("on credit", minor(standing.credit_minor)),
        ("given back", minor(standing.given_back_minor)),
    ];
    let value = json!({
        "purchase_id": standing.purchase_id,
        "masked": standing.masked,
        "state": state,
        "currency_code": amount.map(|amount| amount.currency.code()),
        "amount_minor": amount.map(|amount| amount.minor),
        "credit_minor": standing.credit_minor,
        "given_back_minor": standing.given_back_minor,
        "refusal": standing.refusal.as_ref().map(|refusal| refusal.reason.as_str()),
    });
    out.record(&fields, &value);
}

fn print_reporting(told: &pb::GetReportingResponse, out: &Output) {
    let row = |it: &pb::RefusedPurchaseReport| vec![it.sequence.to_string(), it.purchase_id.clone(), it.reason.clone()];
    let value = |it: &pb::RefusedPurchaseReport| json!({ "sequence": it.sequence, "purchase_id": it.purchase_id, "reason": it.reason });
    out.line(&format!("The hub has taken in {} of {} reports.", told.acknowledged_sequence, told.last_sequence));
    let rows: Vec<_> = told.refused.iter().map(row).collect();
    let bill = |it: &pb::RefusedBillReport| json!({ "account_id": it.account_id, "statement_number": it.statement_number, "reason": it.reason });
    let value = json!({
        "last_sequence": told.last_sequence,
        "acknowledged_sequence": told.acknowledged_sequence,
        "refused": told.refused.iter().map(value).collect::<Value>(),
        "waiting_bills": told.waiting_bills,
        "refused_bills": told.refused_bills.iter().map(bill).collect::<Value>(),
    });
    out.line(&format!("It has yet to take in {} bills as they stand.", told.waiting_bills));
    for it in &told.refused_bills {
        out.line(&format!("It has refused statement {} of {}: {}.", it.statement_number, it.account_id, it.reason));
    }
    out.table(&["refused", "purchase", "reason"], &rows, &value);
}
