//! A bill as the hub is told of it.

use domain::bill::FollowUp;
use domain::credit::Statement;
use domain::credit_history::Standing;
use domain::ledger::{Account, Books};
use domain::{Currency, Reason};
use proto::federation as pb;

use super::Follower;

/// The bill of a statement, as it was closed. Its version and what became of it are said by [`stands`].
pub(super) fn closed(
    books: &Books,
    (account, follower): (&Account, Follower),
    statement: &Statement,
    lines: Vec<pb::BillLine>,
) -> pb::BillReport {
    let card = account.card.and_then(|id| books.card(id));
    pb::BillReport {
        account_id: account.id.to_string(),
        // By the card that is bound the hub finds whose it is, though another one may have taken over.
        card_id: follower.or(account.card).map(|id| id.to_string()).unwrap_or_default(),
        masked: card.map_or_else(|| account.masked(), |card| card.masked.clone()),
        currency_code: account.currency.code().to_owned(),
        version: 0,
        opened_on: statement.from.to_string(),
        closed_on: statement.closed_on.to_string(),
        due_on: statement.due_on.to_string(),
        closing_minor: statement.closing_minor,
        minimum_minor: statement.minimum_due_minor,
        paid_minor: 0,
        standing: pb::BillStanding::Due.into(),
        standing_on: String::new(),
        lines,
        relation_ended_on: String::new(),
    }
}

/// Says what became of it.
pub(super) fn stands(report: &mut pb::BillReport, version: i64, follow: &FollowUp) {
    let (standing, on) = match follow.standing {
        Standing::Due => (pb::BillStanding::Due, None),
        Standing::PaidInTime { on } => (pb::BillStanding::PaidInTime, Some(on)),
        Standing::PaidLate { on } => (pb::BillStanding::PaidLate, Some(on)),
        Standing::Arrears { as_of, .. } => (pb::BillStanding::Arrears, Some(as_of)),
        Standing::Settled { on } => (pb::BillStanding::Settled, Some(on)),
    };
    report.version = version;
    report.paid_minor = follow.paid_minor;
    report.standing = standing.into();
    report.standing_on = on.map(|on| on.to_string()).unwrap_or_default();
}

/// How it stood when it was told of last.
pub(super) fn follow_of(report: &pb::BillReport, standing: Standing) -> Result<FollowUp, Reason> {
    Ok(FollowUp {
        currency: Currency::parse(&report.currency_code)?,
        billed_minor: report.closing_minor.max(0),
        due_on: report.due_on.parse().map_err(|_| Reason::DayMalformed)?,
        paid_minor: report.paid_minor,
        standing,
    })
}
