//! The life of an act that needs a second person: `PROPOSED → APPROVED → DONE`, with `REFUSED`, `EXPIRED` and `FAILED` as other ends.

use std::time::Duration;

use super::{Act, Role};
use crate::{OperatorId, Reason, Timestamp};

/// Where a proposal stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProposalState {
    /// It waits for a second person.
    Proposed,
    /// A second person has approved it; it is being carried out, again after a crash.
    Approved,
    /// A second person has refused it, or whoever proposed it took it back.
    Refused,
    /// Nobody has decided in time.
    Expired,
    /// It was carried out.
    Done,
    /// It was approved, and then refused by the rules of the act itself, which changed nothing.
    Failed,
}

impl ProposalState {
    pub const ALL: [Self; 6] = [Self::Proposed, Self::Approved, Self::Refused, Self::Expired, Self::Done, Self::Failed];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Proposed => "PROPOSED",
            Self::Approved => "APPROVED",
            Self::Refused => "REFUSED",
            Self::Expired => "EXPIRED",
            Self::Done => "DONE",
            Self::Failed => "FAILED",
        }
    }

    /// Reads what [`ProposalState::as_str`] gives.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or(Reason::FieldUnknown)
    }

    /// Whether nothing more comes of it.
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Proposed | Self::Approved)
    }
}

/// What somebody says to a proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    Approve,
    Refuse,
}

/// An act that was proposed. What it is in full is for whoever carries it out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    pub act: Act,
    pub proposed_by: OperatorId,
    pub expires_at: Timestamp,
    pub state: ProposalState,
    /// Who has approved or refused it.
    pub decided_by: Option<OperatorId>,
}

impl Proposal {
    /// How long a second person has.
    pub const LIVES: Duration = Duration::from_secs(24 * 60 * 60);

    /// Proposes an act. `Err(OperatorRoleLacking)` for an act that is not this operator's.
    pub fn propose(act: Act, by: OperatorId, role: Role, now: Timestamp) -> Result<Self, Reason> {
        act.allowed_to(role)?;
        let expires_at = now.plus(Self::LIVES);
        Ok(Self { act, proposed_by: by, expires_at, state: ProposalState::Proposed, decided_by: None })
    }

    /// Takes a decision. The same person's same decision again is the same answer; anything else after the first one is refused.
    ///
    /// `proposer` is the role that whoever proposed it has by now, none once suspended. `Err` with `ProposalDecided`, `ProposalExpired`
    /// (and then it is), `OperatorRoleLacking`, `SecondPersonIsFirst` when whoever has proposed it approves it, or `ProposerRoleLacking`
    /// when that one may no longer do it. To take one's own proposal back is fine.
    pub fn decide(
        &mut self,
        decision: Decision,
        (by, role): (&OperatorId, Role),
        proposer: Option<Role>,
        now: Timestamp,
    ) -> Result<ProposalState, Reason> {
        let is_mine = self.decided_by.as_ref() == Some(by);
        match (self.state, decision) {
            (ProposalState::Proposed, _) => {}
            (ProposalState::Approved | ProposalState::Done | ProposalState::Failed, Decision::Approve) if is_mine => {
                return Ok(self.state);
            }
            (ProposalState::Refused, Decision::Refuse) if is_mine => return Ok(self.state),
            (ProposalState::Expired, _) => return Err(Reason::ProposalExpired),
            _ => return Err(Reason::ProposalDecided),
        }
        if now >= self.expires_at {
            self.state = ProposalState::Expired;
            return Err(Reason::ProposalExpired);
        }
        self.act.allowed_to(role)?;
        if decision == Decision::Approve && *by == self.proposed_by {
            return Err(Reason::SecondPersonIsFirst);
        }
        let may_still = proposer.is_some_and(|role| self.act.allowed_to(role).is_ok());
        if decision == Decision::Approve && !may_still {
            return Err(Reason::ProposerRoleLacking);
        }
        self.decided_by = Some(by.clone());
        self.state = match decision {
            Decision::Approve => ProposalState::Approved,
            Decision::Refuse => ProposalState::Refused,
        };
        Ok(self.state)
    }

    /// Takes note of what came of carrying it out; the first note stands.
    pub fn carried_out(&mut self, outcome: Result<(), Reason>) {
        if self.state == ProposalState::Approved {
            self.state = if outcome.is_ok() { ProposalState::Done } else { ProposalState::Failed };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_secs(1_790_000_000 + second)
    }

    fn named(name: &str) -> OperatorId {
        OperatorId::parse(name).unwrap()
    }

    fn proposed() -> Proposal {
        Proposal::propose(Act::SuspendTerminal, named("ann"), Role::Operator, at(0)).unwrap()
    }

    const DAY: i64 = 24 * 60 * 60;

    #[test]
    fn m9_a_proposal_is_decided_once_and_by_somebody_else_by_this_table() {
        use Decision::{Approve, Refuse};
        use ProposalState::{Approved, Expired, Proposed, Refused};
        let table = [
            // Decision, by whom, as what, when; what is answered and where it stands then.
            (Approve, "bob", Role::Risk, 1, Ok(Approved), Approved),
            (Refuse, "bob", Role::Risk, 1, Ok(Refused), Refused),
            (Approve, "ann", Role::Operator, 1, Err(Reason::SecondPersonIsFirst), Proposed),
            (Refuse, "ann", Role::Operator, 1, Ok(Refused), Refused),
            (Approve, "vic", Role::Viewer, 1, Err(Reason::OperatorRoleLacking), Proposed),
            (Approve, "bob", Role::Risk, DAY - 1, Ok(Approved), Approved),
            (Approve, "bob", Role::Risk, DAY, Err(Reason::ProposalExpired), Expired),
            (Refuse, "bob", Role::Risk, DAY, Err(Reason::ProposalExpired), Expired),
            (Approve, "ann", Role::Operator, DAY, Err(Reason::ProposalExpired), Expired),
        ];
        for (number, (decision, by, role, second, wanted, state)) in table.into_iter().enumerate() {
            let mut proposal = proposed();
            assert_eq!(
                proposal.decide(decision, (&named(by), role), Some(Role::Operator), at(second)),
                wanted,
                "row {number}"
            );
            assert_eq!(proposal.state, state, "row {number}");
        }
    }

    #[test]
    fn m9_the_same_decision_again_is_the_same_answer_and_any_other_is_too_late() {
        use Decision::{Approve, Refuse};
        for (first, again, by, wanted) in [
            (Approve, Approve, "bob", Ok(ProposalState::Approved)),
            (Approve, Refuse, "bob", Err(Reason::ProposalDecided)),
            (Approve, Approve, "cem", Err(Reason::ProposalDecided)),
            (Approve, Approve, "ann", Err(Reason::ProposalDecided)),
            (Refuse, Refuse, "bob", Ok(ProposalState::Refused)),
            (Refuse, Approve, "bob", Err(Reason::ProposalDecided)),
            (Refuse, Approve, "cem", Err(Reason::ProposalDecided)),
        ] {
            let mut proposal = proposed();
            proposal.decide(first, (&named("bob"), Role::Admin), Some(Role::Operator), at(1)).unwrap();
            assert_eq!(
                proposal.decide(again, (&named(by), Role::Admin), None, at(2)),
                wanted,
                "{first:?} {again:?} {by}"
            );
            assert_eq!(proposal.decided_by, Some(named("bob")));
        }
    }

    #[test]
    fn m9_what_its_proposer_may_no_longer_do_is_refused_and_not_approved() {
        for (proposer, wanted) in [
            (None, Err(Reason::ProposerRoleLacking)),
            (Some(Role::Viewer), Err(Reason::ProposerRoleLacking)),
            (Some(Role::Risk), Ok(ProposalState::Approved)),
        ] {
            let mut proposal = proposed();
            let approved = proposal.decide(Decision::Approve, (&named("bob"), Role::Admin), proposer, at(1));
            assert_eq!(approved, wanted, "{proposer:?}");
            let refused = proposed().decide(Decision::Refuse, (&named("bob"), Role::Admin), proposer, at(1));
            assert_eq!(refused, Ok(ProposalState::Refused), "{proposer:?}");
        }
    }

    #[test]
    fn m9_nobody_proposes_what_is_not_theirs() {
        let refused = Proposal::propose(Act::ChangeBank, named("ann"), Role::Operator, at(0));
        assert_eq!(refused, Err(Reason::OperatorRoleLacking));
    }

    #[test]
    fn m9_what_was_approved_is_carried_out_once_and_the_first_note_of_it_stands() {
        let mut proposal = proposed();
        proposal.carried_out(Ok(()));
        assert_eq!(proposal.state, ProposalState::Proposed, "nobody has approved it");
        proposal.decide(Decision::Approve, (&named("bob"), Role::Admin), Some(Role::Operator), at(1)).unwrap();
        proposal.carried_out(Err(Reason::TerminalUnknown));
        assert_eq!(proposal.state, ProposalState::Failed);
        proposal.carried_out(Ok(()));
        assert_eq!(proposal.state, ProposalState::Failed);
        // Whoever approved it and lost the answer hears how it went.
        assert_eq!(
            proposal.decide(Decision::Approve, (&named("bob"), Role::Admin), Some(Role::Operator), at(2 * DAY)),
            Ok(ProposalState::Failed)
        );
        assert!(ProposalState::ALL.iter().all(|state| ProposalState::parse(state.as_str()) == Ok(*state)));
    }
}
