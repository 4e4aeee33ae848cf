//! What waits for a second person.

use domain::operator::{Decision, ProposalState};
use domain::{PaymentId, Reason};
use maud::html;
use proto::operator::proposed_act::Act as Proposable;
use uuid::Uuid;

use super::answer::Asked;
use super::payments::time;
use super::table::{Line, Page, button};
use crate::operators::{AskedFor, Proposed};
use crate::pages::response::Outcome;

const PAGE: i64 = 50;

/// Why, where a page does not ask for it.
pub(super) const ASKED_HERE: &str = "asked for at the console";

/// Has an act done by whoever has signed in, or proposed where a second person is needed.
pub(super) async fn ask_for(asked: &Asked<'_>, act: Proposable, why: &str) -> Result<AskedFor, Reason> {
    let parts = &asked.console.inner.parts;
    let id = parts.ids.uuid().map_err(|_| Reason::Fault)?;
    parts.api.ask_for(&parts.operators, asked.session.operator_id.clone(), (id, act, why)).await
}

/// The same, and back to a page that says by `done` what became of it.
pub(super) async fn ask_on(asked: &Asked<'_>, page: &str, act: Proposable, why: &str) -> Result<Outcome, Reason> {
    let done = match ask_for(asked, act, why).await? {
        AskedFor::Done => "1",
        AskedFor::Waits => "waits",
    };
    Ok(Outcome::Go(format!("{page}?done={done}")))
}

pub(super) async fn page(asked: &Asked<'_>) -> Result<Outcome, Reason> {
    let with_decided = asked.query("all") == "1";
    let before = match asked.query("page") {
        "" => None,
        token => Some(PaymentId::parse(token).map_err(|_| Reason::PageTokenMalformed)?.uuid()),
    };
    let (found, next) = asked.console.inner.parts.operators.proposals(with_decided, before, PAGE).await?;
    let page = Page {
        title: asked.frame.say("Approvals", "复核"),
        command: "bankhub operator proposals --as operator.toml; bankhub operator approve PROPOSAL --as operator.toml"
            .to_owned(),
        above: html! {
            p {
                @if with_decided { a href="/approvals" { (asked.frame.say("Only what waits", "仅看待复核")) } }
                @else { a href="/approvals?all=1" { (asked.frame.say("What was decided, too", "包括已决定的")) } }
            }
        },
        columns: &[
            ("proposed_at", "When", "时间"),
            ("proposal_id", "Proposal", "申请"),
            ("summary", "What", "内容"),
            ("why", "Why", "原因"),
            ("proposed_by", "By", "申请人"),
            ("state", "State", "状态"),
            ("decided_by", "Decided by", "复核人"),
        ],
        lines: found.iter().map(|it| line(asked, it)).collect(),
        filters: &["all"],
        next: next.map(|it| it.hyphenated().to_string()),
    };
    page.tell(asked)
}

fn line(asked: &Asked<'_>, it: &Proposed) -> Line {
    let id = it.proposal_id.hyphenated().to_string();
    let is_open = it.proposal.state == ProposalState::Proposed;
    let is_mine = it.proposal.proposed_by == asked.session.operator_id;
    let may = asked.may(it.proposal.act).is_ok();
    let action = html! {
        @if !is_mine { (button(asked, &format!("/approvals/{id}/approve"), &[], ("Approve", "批准"))) }
        (button(asked, &format!("/approvals/{id}/refuse"), &[], if is_mine { ("Take back", "撤回") } else { ("Refuse", "拒绝") }))
    };
    let state = [it.proposal.state.as_str(), it.failure.as_deref().unwrap_or_default()].join(" ");
    Line {
        cells: vec![
            time(asked, it.proposed_at).into(),
            id.into(),
            it.summary.clone().into(),
            it.why.clone().into(),
            it.proposal.proposed_by.to_string().into(),
            state.trim().to_owned().into(),
            it.proposal.decided_by.as_ref().map(ToString::to_string).unwrap_or_default().into(),
        ],
        action: (is_open && may).then_some(action),
    }
}

pub(super) async fn approve(asked: &Asked<'_>, id: Uuid) -> Result<Outcome, Reason> {
    let parts = &asked.console.inner.parts;
    parts.api.approve(&parts.operators, asked.session.operator_id.clone(), id).await?;
    Ok(Outcome::Go("/approvals?all=1".to_owned()))
}

pub(super) async fn refuse(asked: &Asked<'_>, id: Uuid) -> Result<Outcome, Reason> {
    let by = asked.session.operator_id.clone();
    asked.console.inner.parts.operators.decide(id, by, Decision::Refuse).await?;
    Ok(Outcome::Go("/approvals?all=1".to_owned()))
}
