//! What is read of operators, proposals and the log.

use domain::operator::ProposalState;
use domain::{Reason, Timestamp};
use proto::operator as pb;
use server_kit::audit::find::{Filter, Found, Place, find};
use uuid::Uuid;

use super::sql::{self, Kept, Proposed};
use super::{Operators, machinery, wire};

/// The proposal before which a page begins.
pub(crate) type Before = Option<Uuid>;

impl Operators {
    pub(crate) async fn list(&self) -> Result<Vec<Kept>, Reason> {
        sql::read_operators(&self.parts.store).await.map_err(|error| machinery(&error))
    }

    /// A page of proposals, newest first, and before which one the next page begins. One whose time is over is shown as expired,
    /// whether or not anybody has tried to decide it since.
    pub(crate) async fn proposals(
        &self,
        with_decided: bool,
        before: Before,
        size: i64,
    ) -> Result<(Vec<Proposed>, Before), Reason> {
        let found = sql::read_proposals(&self.parts.store, with_decided, before, size.saturating_add(1)).await;
        let mut found = found.map_err(|error| machinery(&error))?;
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let is_more = found.len() > size;
        found.truncate(size);
        let next = found.last().filter(|_| is_more).map(|last| last.proposal_id);
        let now = self.parts.clock.now();
        for it in &mut found {
            if it.proposal.state == ProposalState::Proposed && it.proposal.expires_at <= now {
                it.proposal.state = ProposalState::Expired;
            }
        }
        if !with_decided {
            found.retain(|it| !it.proposal.state.is_final());
        }
        Ok((found, next))
    }

    /// A page of the log, newest first.
    pub(crate) async fn log(&self, filter: &Filter, from: Option<Place>, size: usize) -> Result<Found, Reason> {
        find(&self.parts.store, filter, from, size).await.map_err(|error| machinery(&error))
    }
}

/// What of the log is asked for. `Err` with `IdMalformed`, `TextMalformed`, `PageSizeOutOfRange` or `PageTokenMalformed`.
pub(super) fn filter(request: &pb::FindLogLinesRequest) -> Result<(Filter, Option<Place>, usize), Reason> {
    let time = |at: &Option<prost_types::Timestamp>| at.as_ref().map(proto::from_timestamp);
    let (from, until): (Option<Timestamp>, Option<Timestamp>) = (time(&request.from_time), time(&request.until_time));
    let filter = log_filter(&request.subject_id, &request.by, &request.kind, (from, until))?;
    let place = Some(request.page_token.as_str()).filter(|token| !token.is_empty());
    let place = place.map(|token| Place::parse(token).ok_or(Reason::PageTokenMalformed)).transpose()?;
    let size = usize::try_from(wire::page_size(request.page_size)?).unwrap_or(usize::MAX);
    Ok((filter, place, size))
}

/// The same from words that were typed. `Err` with `IdMalformed` or `TextMalformed`.
pub(crate) fn log_filter(
    subject: &str,
    by: &str,
    kind: &str,
    (from, until): (Option<Timestamp>, Option<Timestamp>),
) -> Result<Filter, Reason> {
    let word = |text: &str| match text {
        "" => Ok(None),
        text if text.len() <= 100 && !text.chars().any(|c| c.is_whitespace() || c.is_control()) => {
            Ok(Some(text.to_owned()))
        }
        _ => Err(Reason::TextMalformed),
    };
    let subject = Some(subject).filter(|text| !text.is_empty());
    let subject = subject.map(|text| Uuid::try_parse(text).map_err(|_| Reason::IdMalformed)).transpose()?;
    Ok(Filter { subject, by: word(by)?, kind: word(kind)?, from, until })
}

pub(super) fn lines(found: &Found) -> pb::FindLogLinesResponse {
    let line = |line: &server_kit::audit::find::Line| pb::LogLine {
        chain: line.chain.clone(),
        sequence: line.seq,
        occurred_at: Some(proto::to_timestamp(line.logged.occurred_at)),
        kind: line.logged.kind.clone(),
        subject_id: line.logged.subject.to_string(),
        content: line.logged.content.clone(),
    };
    pb::FindLogLinesResponse {
        lines: found.lines.iter().map(line).collect(),
        next_page_token: found.next.as_ref().map(ToString::to_string).unwrap_or_default(),
    }
}
