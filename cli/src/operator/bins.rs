//! Ranges of card numbers, and what is suspended: `operator bins`.

use clap::Subcommand;
use domain::Reason;
use proto::operator as pb;
use proto::operator::proposed_act::Act;
use serde_json::{Value, json};

use super::operators::print_proposals;
use super::{Operator, OperatorError, answer, bounded};
use crate::error::CliError;
use crate::output::Output;

#[derive(Clone, Debug, Subcommand)]
pub enum BinsCommand {
    /// List the ranges of all banks, and what is suspended.
    List,
    /// Take no payment from card numbers that begin so. Where second persons are asked for, this proposes it.
    Suspend {
        /// The first digits of the first of them, 6 to 12.
        first: String,
        /// Those of the last, as many.
        last: String,
        #[arg(long)]
        why: String,
    },
    /// Let what was suspended go on. Where second persons are asked for, this proposes it.
    Resume {
        /// The first digits of the first of them, as they were suspended.
        first: String,
        /// Those of the last.
        last: String,
        #[arg(long)]
        why: String,
    },
}

impl Operator {
    pub async fn bin_ranges(&self) -> Result<pb::ListBinRangesResponse, OperatorError> {
        answer(self.hub.clone().list_bin_ranges(bounded(pb::ListBinRangesRequest {}))).await
    }

    /// Suspends card numbers by their first digits, or lets them go on.
    pub async fn suspend_bins(&self, request: pb::SetBinSuspendedRequest) -> Result<(), OperatorError> {
        answer(self.hub.clone().set_bin_suspended(bounded(request))).await.map(drop)
    }
}

pub async fn bins(operator: &Operator, command: &BinsCommand, out: &Output) -> Result<(), CliError> {
    let (first, last, suspended, why) = match command {
        BinsCommand::List => {
            print(&operator.bin_ranges().await?, out);
            return Ok(());
        }
        BinsCommand::Suspend { first, last, why } => (first, last, true, why),
        BinsCommand::Resume { first, last, why } => (first, last, false, why),
    };
    let request = pb::SetBinSuspendedRequest { first: first.clone(), last: last.clone(), suspended };
    match operator.suspend_bins(request.clone()).await {
        Ok(()) => print(&operator.bin_ranges().await?, out),
        Err(error) if error.reason() == Some(Reason::SecondPersonNeeded) => {
            print_proposals(&[operator.propose(Act::SetBinSuspended(request), why).await?], out);
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

fn print(found: &pb::ListBinRangesResponse, out: &Output) {
    let suspended = found
        .suspensions
        .iter()
        .map(|it| vec!["suspended".to_owned(), it.first.clone(), it.last.clone(), String::new(), String::new()]);
    let ranges = found.ranges.iter().map(|it| {
        vec![it.bank_id.clone(), it.first.clone(), it.last.clone(), it.digits.to_string(), it.product.clone()]
    });
    let rows: Vec<_> = suspended.chain(ranges).collect();
    let span = |it: &pb::BinSuspension| json!({ "first": it.first, "last": it.last });
    let range = |it: &pb::ListedBinRange| {
        json!({
            "bank_id": it.bank_id,
            "first": it.first,
            "last": it.last,
            "digits": it.digits,
            "product": it.product,
        })
    };
    let value = json!({
        "suspensions": found.suspensions.iter().map(span).collect::<Value>(),
        "ranges": found.ranges.iter().map(range).collect::<Value>(),
    });
    out.table(&["bank", "from", "to", "digits", "product"], &rows, &value);
}
