//! What operators see of the budgets, and how they fill one up.

use domain::lookup::Scope;
use domain::text::Line;
use domain::{BankId, CarrierId, MerchantId, Reason, TerminalId, Timestamp};
use proto::operator as pb;
use server_kit::store::StoreError;

use super::steps::Step;
use super::{Budget, Lookups, sql};
use crate::operators::page_size;

/// A budget as operators see it.
#[derive(Clone, Debug)]
pub(crate) struct Listed {
    pub(crate) budget: Budget,
    /// Tokens that no replica has drawn; none where the configuration has no budget for the scope any more.
    pub(crate) left: Option<u32>,
    pub(crate) burst: u32,
    pub(crate) dry_since: Option<Timestamp>,
    pub(crate) dry_times: i64,
    pub(crate) drawn_at: Timestamp,
}

/// Whose budget is named. `Err` with `FieldUnknown` or `NameMalformed`.
pub(crate) fn budget(scope: &str, id: &str) -> Result<Budget, Reason> {
    let scope = Scope::parse(scope)?;
    let id = match scope {
        Scope::Terminal => TerminalId::parse(id)?.to_string(),
        Scope::Merchant => MerchantId::parse(id)?.to_string(),
        Scope::Carrier => CarrierId::parse(id)?.to_string(),
        Scope::Bank => BankId::parse(id)?.to_string(),
        // Links are named in the configuration and have no ids of their own.
        Scope::Link => Line::parse(id).map_err(|_| Reason::NameMalformed)?.to_string(),
    };
    Ok(Budget { scope, id })
}

impl Lookups {
    /// A page of the budgets from which something was drawn.
    pub(crate) async fn list(&self, dry: bool, after: &str, most: i64) -> Result<Vec<Listed>, StoreError> {
        let now = self.inner.clock.now();
        let listed = |kept: sql::Kept| {
            let rate = self.inner.config.rate(kept.budget.scope);
            Listed {
                left: rate.map(|rate| kept.bucket.left(rate, now)),
                burst: rate.map_or(0, |rate| rate.burst.get()),
                budget: kept.budget,
                dry_since: kept.dry_since,
                dry_times: kept.dry_times,
                drawn_at: kept.drawn_at,
            }
        };
        Ok(sql::list(&self.inner.store, dry, after, most).await?.into_iter().map(listed).collect())
    }

    /// Fills a budget up in somebody's name; other replicas that found it dry see it within seconds.
    pub(crate) async fn fill(&self, budget: Budget, by: &str) -> Result<Result<(), Reason>, StoreError> {
        let step = Step::Fill { budget: budget.clone(), by: by.to_owned() };
        let filled = self.inner.writer.write(step).await?;
        if let Some(held) = self.inner.held.get(&budget) {
            held.allowance().ask_again();
        }
        Ok(filled.map(drop))
    }

    /// As the contract has it. `Err` inside with `PageSizeOutOfRange` or `PageTokenMalformed`.
    pub(crate) async fn list_page(
        &self,
        request: &pb::ListLookupBudgetsRequest,
    ) -> Result<Result<pb::ListLookupBudgetsResponse, Reason>, StoreError> {
        let size = match page_size(request.page_size) {
            Ok(size) => size,
            Err(reason) => return Ok(Err(reason)),
        };
        let after = match request.page_token.split_once(' ').map(|(scope, id)| budget(scope, id)) {
            None if request.page_token.is_empty() => String::new(),
            Some(Ok(after)) => after.to_string(),
            _ => return Ok(Err(Reason::PageTokenMalformed)),
        };
        let size = usize::try_from(size).unwrap_or(0);
        // One more than the page has, to know whether there is another page.
        let mut found = self.list(request.only_dry, &after, i64::try_from(size + 1).unwrap_or(i64::MAX)).await?;
        let is_more = found.len() > size;
        found.truncate(size);
        let next = found.last().filter(|_| is_more).map(|last| last.budget.to_string());
        let budgets = found.iter().map(to_pb).collect();
        Ok(Ok(pb::ListLookupBudgetsResponse { budgets, next_page_token: next.unwrap_or_default() }))
    }
}

fn to_pb(listed: &Listed) -> pb::LookupBudget {
    pb::LookupBudget {
        scope: listed.budget.scope.as_str().to_owned(),
        id: listed.budget.id.clone(),
        left: listed.left.unwrap_or_default().into(),
        burst: listed.burst.into(),
        dry_since: listed.dry_since.map(proto::to_timestamp),
        dry_times: listed.dry_times,
        drawn_at: Some(proto::to_timestamp(listed.drawn_at)),
    }
}
