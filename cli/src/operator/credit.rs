//! The operators' commands about credit: what a bank's existing credit system refuses to take note of, and what the hub knows of a
//! person's credit history: `credit`.

use clap::{Subcommand, ValueEnum};
use domain::{BankId, LegId};
use proto::counter as pb;
use serde_json::{Value, json};

use super::command::{OperatorArgs, money};
use super::inquiry::{self, InquireArgs};
use crate::error::CliError;
use crate::output::Output;
use crate::typed;

#[derive(Clone, Debug, Subcommand)]
pub enum CreditCommand {
    /// Ask the hub for the credit history of a person who applies for something at the bank, under the person's consent.
    Inquire(InquireArgs),
    /// List what the bank's existing credit system refuses to take note of, the oldest first.
    Stuck {
        #[arg(value_parser = typed::bank_id)]
        bank: BankId,
    },
    /// Have it told again, after the cause was seen to.
    Retell {
        #[arg(value_parser = typed::bank_id)]
        bank: BankId,
        /// What it is about.
        kind: AdviceKind,
        /// The leg, or for a card's status the card, as the list shows it.
        #[arg(value_parser = typed::leg_id)]
        id: LegId,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AdviceKind {
    /// A hold has become a charge.
    Post,
    /// A hold is released.
    Void,
    /// Money of a charge goes back.
    Refund,
    /// Money pays back what is owed.
    Repayment,
    /// A part of a repayment is taken back.
    Reversal,
    /// Where a card stands.
    Card,
}

impl From<AdviceKind> for pb::AdviceKind {
    fn from(kind: AdviceKind) -> Self {
        match kind {
            AdviceKind::Post => Self::Post,
            AdviceKind::Void => Self::Void,
            AdviceKind::Refund => Self::Refund,
            AdviceKind::Repayment => Self::Repayment,
            AdviceKind::Reversal => Self::Reversal,
            AdviceKind::Card => Self::Card,
        }
    }
}

pub async fn credit(args: &OperatorArgs<CreditCommand>, out: &Output) -> Result<(), CliError> {
    let operator = args.connect()?;
    match &args.command {
        CreditCommand::Inquire(asked) => inquiry::inquire(&operator.counter(&asked.bank).await?, asked, out).await,
        CreditCommand::Stuck { bank } => {
            print_stuck(&operator.counter(bank).await?.stuck_advices().await?, out);
            Ok(())
        }
        CreditCommand::Retell { bank, kind, id } => {
            let kind = pb::AdviceKind::from(*kind);
            let (leg_id, card_id) = match kind {
                pb::AdviceKind::Card => (String::new(), id.to_string()),
                _ => (id.to_string(), String::new()),
            };
            let request = pb::RetellAdviceRequest { kind: kind.into(), leg_id, card_id };
            let told = operator.counter(bank).await?.retell(request).await?;
            let again = if told.told_again { "yes" } else { "no: it is not stuck, and nothing was changed" };
            let fields = [
                ("advice", format!("{} {id}", kind_of(kind))),
                ("told again", again.to_owned()),
                ("state", word(told.state().as_str_name(), "ADVICE_STATE_")),
            ];
            out.record(&fields, &json!({ "told_again": told.told_again, "state": told.state().as_str_name() }));
            Ok(())
        }
    }
}

/// The value of an enum as people read it.
fn word(name: &str, prefix: &str) -> String {
    name.trim_start_matches(prefix).to_lowercase().replace('_', "-")
}

fn kind_of(kind: pb::AdviceKind) -> String {
    word(kind.as_str_name(), "ADVICE_KIND_")
}

fn print_stuck(advices: &[pb::StuckAdvice], out: &Output) {
    let at = |at: &Option<prost_types::Timestamp>| {
        let micros = at.as_ref().map_or(0, |at| proto::from_timestamp(at).micros());
        jiff::Timestamp::from_microsecond(micros).map(|at| at.to_string()).unwrap_or_default()
    };
    let row = |it: &pb::StuckAdvice| {
        vec![
            kind_of(it.kind()),
            if it.leg_id.is_empty() { it.card_id.clone() } else { it.leg_id.clone() },
            it.card_masked.clone(),
            if it.card_status.is_empty() { money(it.amount.as_ref()) } else { it.card_status.to_lowercase() },
            it.reason.clone(),
            at(&it.refused_at),
            it.tries.to_string(),
        ]
    };
    let value = |it: &pb::StuckAdvice| {
        json!({
            "kind": it.kind().as_str_name(),
            "leg_id": it.leg_id,
            "card_id": it.card_id,
            "card_masked": it.card_masked,
            "card_status": it.card_status,
            "amount_minor": it.amount.as_ref().map(|amount| amount.minor_units),
            "currency_code": it.amount.as_ref().map(|amount| amount.currency_code.as_str()),
            "reason": it.reason,
            "queued_at": at(&it.queued_at),
            "refused_at": at(&it.refused_at),
            "tries": it.tries,
        })
    };
    let rows: Vec<_> = advices.iter().map(row).collect();
    let head = ["advice", "id", "card", "what", "reason", "since", "tries"];
    out.table(&head, &rows, &advices.iter().map(value).collect::<Value>());
}
