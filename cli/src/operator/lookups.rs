//! Budgets for look-ups of people by their number: `operator lookups`.

use clap::{Subcommand, ValueEnum};
use proto::operator as pb;
use serde_json::{Value, json};

use super::operators::at;
use super::{Operator, OperatorError, answer, bounded};
use crate::error::CliError;
use crate::output::Output;

/// The most that the hub gives on one page.
const PAGE: i32 = 200;

#[derive(Clone, Debug, Subcommand)]
pub enum LookupsCommand {
    /// List the budgets from which something was drawn; any other is full.
    List {
        /// Only those that are dry.
        #[arg(long)]
        dry: bool,
        /// At most this many.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=10_000))]
        most: u16,
    },
    /// Fill a budget up.
    Fill {
        #[arg(value_enum)]
        scope: ScopeWord,
        /// Whose it is, as the list shows it.
        id: String,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ScopeWord {
    Terminal,
    Merchant,
    Link,
    Carrier,
    Bank,
}

impl ScopeWord {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Terminal => "TERMINAL",
            Self::Merchant => "MERCHANT",
            Self::Link => "LINK",
            Self::Carrier => "CARRIER",
            Self::Bank => "BANK",
        }
    }
}

impl Operator {
    /// The first so many look-up budgets.
    pub async fn lookup_budgets(&self, only_dry: bool, most: u16) -> Result<Vec<pb::LookupBudget>, OperatorError> {
        let (mut found, mut page_token) = (Vec::new(), String::new());
        loop {
            let request = bounded(pb::ListLookupBudgetsRequest { only_dry, page_size: PAGE, page_token });
            let page = answer(self.hub.clone().list_lookup_budgets(request)).await?;
            found.extend(page.budgets);
            page_token = page.next_page_token;
            if page_token.is_empty() || found.len() >= usize::from(most) {
                found.truncate(usize::from(most));
                return Ok(found);
            }
        }
    }

    /// Fills a look-up budget up.
    pub async fn fill_lookups(&self, scope: &str, id: &str) -> Result<(), OperatorError> {
        let request = bounded(pb::FillLookupBudgetRequest { scope: scope.to_owned(), id: id.to_owned() });
        answer(self.hub.clone().fill_lookup_budget(request)).await.map(drop)
    }
}

pub async fn lookups(operator: &Operator, command: &LookupsCommand, out: &Output) -> Result<(), CliError> {
    match command {
        LookupsCommand::List { dry, most } => print(&operator.lookup_budgets(*dry, *most).await?, out),
        LookupsCommand::Fill { scope, id } => {
            operator.fill_lookups(scope.as_str(), id).await?;
            let scope = scope.as_str();
            out.record(&[("filled up", format!("{scope} {id}"))], &json!({ "scope": scope, "id": id }));
        }
    }
    Ok(())
}

fn print(budgets: &[pb::LookupBudget], out: &Output) {
    let row = |it: &pb::LookupBudget| {
        let dry = at(it.dry_since.as_ref());
        vec![
            it.scope.clone(),
            it.id.clone(),
            format!("{} of {}", it.left, it.burst),
            dry,
            it.dry_times.to_string(),
            at(it.drawn_at.as_ref()),
        ]
    };
    let value = |it: &pb::LookupBudget| {
        json!({
            "scope": it.scope,
            "id": it.id,
            "left": it.left,
            "burst": it.burst,
            "dry_since": at(it.dry_since.as_ref()),
            "dry_times": it.dry_times,
            "drawn_at": at(it.drawn_at.as_ref()),
        })
    };
    let rows: Vec<_> = budgets.iter().map(row).collect();
    let head = ["whose", "name", "left", "dry since", "times dry", "last used"];
    out.table(&head, &rows, &budgets.iter().map(value).collect::<Value>());
}
