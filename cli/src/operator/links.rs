//! Links, who of them routes payments by itself, and the totals of their days: `operator links`.

use clap::Subcommand;
use domain::Reason;
use proto::operator as pb;
use proto::operator::proposed_act::Act;
use serde_json::{Value, json};

use super::operators::{at, print_proposals};
use super::{Operator, OperatorError, answer, bounded};
use crate::error::CliError;
use crate::output::Output;

/// The most that the hub gives on one page.
const PAGE: i32 = 200;

#[derive(Clone, Debug, Subcommand)]
pub enum LinksCommand {
    /// List the links, and which of them route payments by themselves.
    List,
    /// Let a link's network charge payments by phone number by itself. Where second persons are asked for, this proposes it.
    AllowRouting {
        link: String,
        #[arg(long)]
        why: String,
    },
    /// End that at once.
    SuspendRouting { link: String },
    /// List the totals of business days that were compared, or are to be.
    Totals {
        /// Only those that are not in balance.
        #[arg(long)]
        troubled: bool,
        /// At most this many.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=10_000))]
        most: u16,
    },
}

impl Operator {
    pub async fn links(&self) -> Result<Vec<pb::Link>, OperatorError> {
        Ok(answer(self.hub.clone().list_links(bounded(pb::ListLinksRequest {}))).await?.links)
    }

    /// Lets a link's network charge payments by itself.
    pub async fn allow_routing(&self, link: &str) -> Result<(), OperatorError> {
        let request = bounded(pb::AllowRoutingRequest { link: link.to_owned() });
        answer(self.hub.clone().allow_routing(request)).await.map(drop)
    }

    /// Ends that.
    pub async fn suspend_routing(&self, link: &str) -> Result<(), OperatorError> {
        let request = bounded(pb::SuspendRoutingRequest { link: link.to_owned() });
        answer(self.hub.clone().suspend_routing(request)).await.map(drop)
    }

    /// The totals of the last days, the last day first.
    pub async fn day_totals(&self, only_troubled: bool, most: u16) -> Result<Vec<pb::DayTotals>, OperatorError> {
        let (mut found, mut page_token) = (Vec::new(), String::new());
        loop {
            let request = bounded(pb::ListDayTotalsRequest { only_troubled, page_size: PAGE, page_token });
            let page = answer(self.hub.clone().list_day_totals(request)).await?;
            found.extend(page.day_totals);
            page_token = page.next_page_token;
            if page_token.is_empty() || found.len() >= usize::from(most) {
                found.truncate(usize::from(most));
                return Ok(found);
            }
        }
    }
}

pub async fn links(operator: &Operator, command: &LinksCommand, out: &Output) -> Result<(), CliError> {
    match command {
        LinksCommand::List => {}
        LinksCommand::Totals { troubled, most } => return totals(operator, (*troubled, *most), out).await,
        LinksCommand::SuspendRouting { link } => operator.suspend_routing(link).await?,
        LinksCommand::AllowRouting { link, why } => match operator.allow_routing(link).await {
            Ok(()) => {}
            Err(error) if error.reason() == Some(Reason::SecondPersonNeeded) => {
                let act = Act::AllowRouting(pb::AllowRoutingRequest { link: link.clone() });
                print_proposals(&[operator.propose(act, why).await?], out);
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        },
    }
    print_links(&operator.links().await?, out);
    Ok(())
}

async fn totals(operator: &Operator, (troubled, most): (bool, u16), out: &Output) -> Result<(), CliError> {
    let found = operator.day_totals(troubled, most).await?;
    let side = |it: &pb::DayTotals| if it.asked_by_hub { "hub" } else { "peer" };
    let rows: Vec<_> = found
        .iter()
        .map(|it| {
            vec![
                it.business_day.clone(),
                it.link.clone(),
                side(it).to_owned(),
                it.currency_code.clone(),
                state(it).to_owned(),
                it.ours.clone(),
                it.theirs.clone(),
            ]
        })
        .collect();
    let value = |it: &pb::DayTotals| {
        json!({
            "business_day": it.business_day,
            "link": it.link,
            "asked_by": side(it),
            "currency": it.currency_code,
            "state": state(it),
            "ours": it.ours,
            "theirs": it.theirs,
            "tries": it.tries,
            "changed_at": at(it.changed_at.as_ref()),
        })
    };
    let head = ["day", "link", "asked by", "currency", "state", "hub", "other side"];
    out.table(&head, &rows, &found.iter().map(value).collect::<Value>());
    Ok(())
}

const fn word(state: pb::DayTotalsState) -> &'static str {
    match state {
        pb::DayTotalsState::Unspecified => "",
        pb::DayTotalsState::Open => "open",
        pb::DayTotalsState::InBalance => "in balance",
        pb::DayTotalsState::OutOfBalance => "OUT OF BALANCE",
        pb::DayTotalsState::Refused => "REFUSED",
    }
}

fn state(it: &pb::DayTotals) -> &'static str {
    word(it.state())
}

fn print_links(links: &[pb::Link], out: &Output) {
    let yes = |flag: bool| if flag { "yes" } else { "no" }.to_owned();
    let row = |it: &pb::Link| {
        vec![it.link.clone(), yes(it.tls), yes(it.routes), at(it.changed_at.as_ref()), it.changed_by.clone()]
    };
    let value = |it: &pb::Link| {
        json!({
            "link": it.link,
            "tls": it.tls,
            "routes": it.routes,
            "changed_at": at(it.changed_at.as_ref()),
            "changed_by": it.changed_by,
        })
    };
    let rows: Vec<_> = links.iter().map(row).collect();
    out.table(&["link", "tls", "routes", "changed", "by"], &rows, &links.iter().map(value).collect::<Value>());
}
