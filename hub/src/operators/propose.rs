//! Acts that wait for a second person: proposed, decided, and what came of them.

use domain::operator::{Act, Decision, Proposal, ProposalState, Role};
use domain::{OperatorId, Reason};
use server_kit::store::StoreError;
use uuid::Uuid;

use super::Operators;
use super::sql::{self, Kept, Proposed};
use super::steps::{Done, Step, Work};

impl Operators {
    pub(super) async fn propose(&self, propose: Propose) -> Result<Proposed, Reason> {
        proposal(self.step(Step::Propose(propose)).await?)
    }

    pub(crate) async fn decide(
        &self,
        proposal_id: Uuid,
        by: OperatorId,
        decision: Decision,
    ) -> Result<Proposed, Reason> {
        proposal(self.step(Step::Decide(Decide { proposal_id, by, decision })).await?)
    }

    /// Takes note of what came of an act that was approved.
    pub(super) async fn carried_out(&self, proposal_id: Uuid, outcome: Result<(), Reason>) -> Result<Proposed, Reason> {
        proposal(self.step(Step::CarriedOut(CarriedOut { proposal_id, outcome })).await?)
    }
}

fn proposal(done: Done) -> Result<Proposed, Reason> {
    match done {
        Done::Proposal(proposed) => Ok(*proposed),
        other => Err(super::fault(&format!("a proposal was answered with {other:?}"))),
    }
}

/// The role of an operator at this moment. `Err` with `OperatorUnknown` or `OperatorSuspended`.
fn role_of(kept: Option<Kept>) -> Result<Role, Reason> {
    let kept = kept.ok_or(Reason::OperatorUnknown)?;
    if kept.suspended { Err(Reason::OperatorSuspended) } else { Ok(kept.role) }
}

#[derive(Debug)]
pub(super) struct Propose {
    pub(super) proposal_id: Uuid,
    pub(super) by: OperatorId,
    pub(super) act: Act,
    /// The act as it was asked for, as protobuf.
    pub(super) content: Vec<u8>,
    pub(super) summary: String,
    pub(super) why: String,
}

impl Propose {
    pub(super) async fn apply(&self, work: &mut Work<'_>) -> Result<Result<Done, Reason>, StoreError> {
        if let Some(known) = sql::load_proposal(work.tx, self.proposal_id).await? {
            let is_same = known.content == self.content
                && known.why == self.why
                && known.proposal.act == self.act
                && known.proposal.proposed_by == self.by;
            return Ok(if is_same { Ok(Done::Proposal(Box::new(known))) } else { Err(Reason::IdTaken) });
        }
        let now = work.tx.now();
        let role = role_of(sql::load_operator(work.tx, &self.by).await?);
        let proposal = match role.and_then(|role| Proposal::propose(self.act, self.by.clone(), role, now)) {
            Ok(proposal) => proposal,
            Err(reason) => return Ok(Err(reason)),
        };
        let proposed = Proposed {
            proposal_id: self.proposal_id,
            version: 1,
            proposal,
            content: self.content.clone(),
            summary: self.summary.clone(),
            why: self.why.clone(),
            proposed_at: now,
            decided_at: None,
            failure: None,
        };
        sql::put_proposal(work.tx, &proposed).await?;
        let (act, by, summary, why) = (self.act.as_str(), &self.by, &self.summary, &self.why);
        work.note("ACT_PROPOSED", self.proposal_id, format!("act={act} what={summary} why={why} by={by}"));
        Ok(Ok(Done::Proposal(Box::new(proposed))))
    }
}

#[derive(Debug)]
pub(super) struct Decide {
    proposal_id: Uuid,
    by: OperatorId,
    decision: Decision,
}

impl Decide {
    pub(super) async fn apply(&self, work: &mut Work<'_>) -> Result<Result<Done, Reason>, StoreError> {
        let Some(mut proposed) = sql::load_proposal(work.tx, self.proposal_id).await? else {
            return Ok(Err(Reason::ProposalUnknown));
        };
        let role = match role_of(sql::load_operator(work.tx, &self.by).await?) {
            Ok(role) => role,
            Err(reason) => return Ok(Err(reason)),
        };
        let proposer = role_of(sql::load_operator(work.tx, &proposed.proposal.proposed_by).await?).ok();
        let (before, now) = (proposed.proposal.state, work.tx.now());
        let decided = proposed.proposal.decide(self.decision, (&self.by, role), proposer, now);
        let after = proposed.proposal.state;
        if after != before {
            proposed.version += 1;
            proposed.decided_at = Some(now);
            sql::put_proposal(work.tx, &proposed).await?;
            let kind = match after {
                ProposalState::Approved => "ACT_APPROVED",
                ProposalState::Refused => "ACT_REFUSED",
                _ => "ACT_EXPIRED",
            };
            let (act, by) = (proposed.proposal.act.as_str(), &self.by);
            work.note(kind, self.proposal_id, format!("act={act} by={by}"));
        }
        Ok(decided.map(|_| Done::Proposal(Box::new(proposed))))
    }
}

#[derive(Debug)]
pub(super) struct CarriedOut {
    proposal_id: Uuid,
    outcome: Result<(), Reason>,
}

impl CarriedOut {
    pub(super) async fn apply(&self, work: &mut Work<'_>) -> Result<Result<Done, Reason>, StoreError> {
        let Some(mut proposed) = sql::load_proposal(work.tx, self.proposal_id).await? else {
            return Ok(Err(Reason::ProposalUnknown));
        };
        let before = proposed.proposal.state;
        proposed.proposal.carried_out(self.outcome);
        if proposed.proposal.state != before {
            proposed.version += 1;
            proposed.failure = self.outcome.err().map(|reason| reason.code().to_owned());
            sql::put_proposal(work.tx, &proposed).await?;
            let (kind, act) = match self.outcome {
                Ok(()) => ("ACT_DONE", proposed.proposal.act.as_str()),
                Err(_) => ("ACT_FAILED", proposed.proposal.act.as_str()),
            };
            let failure = proposed.failure.as_deref().unwrap_or_default();
            work.note(kind, self.proposal_id, format!("act={act} reason={failure}"));
        }
        Ok(Ok(Done::Proposal(Box::new(proposed))))
    }
}
