//! Links and the totals of their days, as the contract says them.

use domain::{OperatorId, Reason};
use proto::operator as pb;
use server_kit::store::StoreError;

use super::Routing;
use super::sql::{self, Kept, Settled};

const USUAL_SIZE: i32 = 50;
const LARGEST_SIZE: i32 = 200;

/// The id of a link has the form of the configuration's. `Err(NameMalformed)`.
fn read_link(link: &str) -> Result<&str, Reason> {
    let is_slug = link.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if (1..=32).contains(&link.len()) && is_slug { Ok(link) } else { Err(Reason::NameMalformed) }
}

/// What is proposed, for people to read.
pub(crate) fn routing_words(request: &pb::AllowRoutingRequest) -> Result<String, Reason> {
    Ok(format!("let the link {} route payments by itself, and name cards over it", read_link(&request.link)?))
}

/// How a settlement stands, for people to read.
pub(crate) const fn state_words(state: pb::DayTotalsState) -> &'static str {
    match state {
        pb::DayTotalsState::Unspecified => "",
        pb::DayTotalsState::Open => "OPEN",
        pb::DayTotalsState::InBalance => "IN_BALANCE",
        pb::DayTotalsState::OutOfBalance => "OUT_OF_BALANCE",
        pb::DayTotalsState::Refused => "REFUSED",
    }
}

fn to_pb(settled: &Settled) -> pb::DayTotals {
    let state = match settled.state.as_str() {
        "IN_BALANCE" => pb::DayTotalsState::InBalance,
        "OUT_OF_BALANCE" => pb::DayTotalsState::OutOfBalance,
        "REFUSED" => pb::DayTotalsState::Refused,
        _ => pb::DayTotalsState::Open,
    };
    pb::DayTotals {
        link: settled.link.clone(),
        asked_by_hub: settled.asked_by_hub,
        business_day: settled.day.clone(),
        currency_code: settled.currency.clone(),
        state: state.into(),
        ours: settled.ours.clone(),
        theirs: settled.theirs.clone(),
        tries: settled.tries,
        changed_at: Some(proto::to_timestamp(settled.changed_at)),
    }
}

impl Routing {
    fn link_to_pb(&self, link: &str, kept: Option<&Kept>) -> pb::Link {
        let tls = self.links.get(link).copied().unwrap_or(false);
        pb::Link {
            link: link.to_owned(),
            tls,
            routes: tls && kept.is_some_and(|kept| kept.allowed),
            changed_at: kept.map(|kept| proto::to_timestamp(kept.changed_at)),
            changed_by: kept.map(|kept| kept.changed_by.clone()).unwrap_or_default(),
        }
    }

    /// Every link of the configuration, and every other of which something was once said.
    pub(crate) async fn list(&self) -> Result<pb::ListLinksResponse, StoreError> {
        let kept = sql::read_all(&self.store).await?;
        let names: std::collections::BTreeSet<&String> = self.links.keys().chain(kept.keys()).collect();
        let links = names.into_iter().map(|link| self.link_to_pb(link, kept.get(link))).collect();
        Ok(pb::ListLinksResponse { links })
    }

    async fn link(&self, link: &str) -> Result<pb::Link, Reason> {
        let all = self.list().await.map_err(|error| error.reason())?;
        all.links.into_iter().find(|it| it.link == link).ok_or(Reason::LinkUnknown)
    }

    pub(crate) async fn allow(
        &self,
        by: OperatorId,
        request: &pb::AllowRoutingRequest,
    ) -> Result<pb::AllowRoutingResponse, Reason> {
        let link = read_link(&request.link)?;
        self.set(by, link, true).await?;
        Ok(pb::AllowRoutingResponse { link: Some(self.link(link).await?) })
    }

    pub(crate) async fn suspend(
        &self,
        by: OperatorId,
        request: &pb::SuspendRoutingRequest,
    ) -> Result<pb::SuspendRoutingResponse, Reason> {
        let link = read_link(&request.link)?;
        self.set(by, link, false).await?;
        Ok(pb::SuspendRoutingResponse { link: Some(self.link(link).await?) })
    }

    /// A page of day_totals. `Err` inside with `PageSizeOutOfRange` or `PageTokenMalformed`.
    pub(crate) async fn day_totals(
        &self,
        request: &pb::ListDayTotalsRequest,
    ) -> Result<Result<pb::ListDayTotalsResponse, Reason>, StoreError> {
        let size = match request.page_size {
            0 => USUAL_SIZE,
            1..=LARGEST_SIZE => request.page_size,
            _ => return Ok(Err(Reason::PageSizeOutOfRange)),
        };
        let after = match request.page_token.split_once(' ') {
            None if request.page_token.is_empty() => None,
            Some((day, place)) if day.len() == 10 && place.len() <= 64 => Some((day.to_owned(), place.to_owned())),
            _ => return Ok(Err(Reason::PageTokenMalformed)),
        };
        let size = usize::try_from(size).unwrap_or(0);
        // One more than the page has, to know whether there is another page.
        let most = i64::try_from(size + 1).unwrap_or(i64::MAX);
        let mut found = sql::settled(&self.store, after, request.only_troubled, most).await?;
        let is_more = found.len() > size;
        found.truncate(size);
        let next = found.last().filter(|_| is_more).map(|last| {
            let (day, place) = last.place();
            format!("{day} {place}")
        });
        let day_totals = found.iter().map(to_pb).collect();
        Ok(Ok(pb::ListDayTotalsResponse { day_totals, next_page_token: next.unwrap_or_default() }))
    }
}
