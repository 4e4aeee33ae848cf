//! Operators and proposals, as the contract says them and as it is understood.

use domain::operator::{Act, ProposalState, Role};
use domain::text::Line;
use domain::{BankId, OperatorId, PaymentId, Reason, TerminalId};
use proto::operator as pb;
use proto::operator::proposed_act::Act as Proposable;
use uuid::Uuid;

use super::propose::Propose;
use super::sql::{Kept, Proposed};

const USUAL_SIZE: i64 = 50;
const LARGEST_SIZE: i32 = 200;

/// How many an operator asks to see at once. `Err(PageSizeOutOfRange)`.
pub(crate) fn page_size(asked: i32) -> Result<i64, Reason> {
    match asked {
        0 => Ok(USUAL_SIZE),
        1..=LARGEST_SIZE => Ok(asked.into()),
        _ => Err(Reason::PageSizeOutOfRange),
    }
}

/// Ids of proposals have the form of all others.
pub(crate) fn proposal_id(text: &str) -> Result<Uuid, Reason> {
    PaymentId::parse(text).map(PaymentId::uuid)
}

pub(super) fn role(role: i32) -> Result<Role, Reason> {
    match pb::OperatorRole::try_from(role) {
        Ok(pb::OperatorRole::Viewer) => Ok(Role::Viewer),
        Ok(pb::OperatorRole::Operator) => Ok(Role::Operator),
        Ok(pb::OperatorRole::Risk) => Ok(Role::Risk),
        Ok(pb::OperatorRole::Admin) => Ok(Role::Admin),
        Ok(pb::OperatorRole::Unspecified) | Err(_) => Err(Reason::FieldUnknown),
    }
}

const fn role_to_pb(role: Role) -> pb::OperatorRole {
    match role {
        Role::Viewer => pb::OperatorRole::Viewer,
        Role::Operator => pb::OperatorRole::Operator,
        Role::Risk => pb::OperatorRole::Risk,
        Role::Admin => pb::OperatorRole::Admin,
    }
}

/// Who it is and as what. `Err` with `FieldMissing`, `NameMalformed` or `FieldUnknown`.
pub(super) fn set(request: &pb::SetOperatorRequest) -> Result<(OperatorId, Role, bool), Reason> {
    let operator = request.operator.as_ref().ok_or(Reason::FieldMissing)?;
    Ok((OperatorId::parse(&operator.operator_id)?, role(operator.role)?, operator.suspended))
}

pub(super) fn operator(kept: &Kept) -> pb::Operator {
    pb::Operator {
        operator_id: kept.operator_id.to_string(),
        role: role_to_pb(kept.role).into(),
        suspended: kept.suspended,
        has_console: kept.has_console(),
        registered_at: Some(proto::to_timestamp(kept.registered_at)),
    }
}

/// What is proposed: whose row of the table it is, and in words. `Err` when the call itself would not be read.
pub(super) fn act(proposed: &pb::ProposedAct) -> Result<(Act, String), Reason> {
    Ok(match proposed.act.as_ref().ok_or(Reason::FieldMissing)? {
        Proposable::RegisterBank(request) => {
            crate::directory::check_bank(request)?;
            let bank = request.bank.as_ref().ok_or(Reason::FieldMissing)?;
            let suspended = if bank.suspended { "suspended" } else { "taking part" };
            let id = BankId::parse(&bank.bank_id)?;
            (Act::ChangeBank, format!("bank {id} \"{}\" at {}, {suspended}", bank.display_name, bank.endpoint))
        }
        Proposable::SetTerminalSuspended(request) => {
            let id = TerminalId::parse(&request.terminal_id)?;
            let verb = if request.suspended { "suspend" } else { "resume" };
            (Act::SuspendTerminal, format!("{verb} terminal {id}"))
        }
        Proposable::RegisterCarrier(request) => {
            let carrier = crate::sign_up::check_carrier(request)?;
            let suspended = if carrier.suspended { ", suspended" } else { "" };
            let (id, name, banks) = (&carrier.carrier_id, &carrier.display_name, carrier.bank_ids.join(" "));
            (Act::ChangeCarrier, format!("carrier {id} \"{name}\" at the banks [{banks}]{suspended}"))
        }
        Proposable::SetOperator(request) => {
            let (id, role, suspended) = set(request)?;
            let suspended = if suspended { ", suspended" } else { "" };
            (Act::ChangeOperator, format!("operator {id} as {}{suspended}", role.as_str()))
        }
        Proposable::SetBinSuspended(request) => (Act::SuspendBins, crate::directory::bin_words(request)?),
        Proposable::RaiseLimit(request) => {
            let (key, most) = crate::limits::read_raise(request)?;
            (Act::RaiseLimit, crate::limits::words(&key, most))
        }
        Proposable::SetFeeSchedule(request) => {
            (Act::SetFees, crate::fees::words(&crate::fees::read_schedule(request)?))
        }
        Proposable::AllowRouting(request) => (Act::AllowRouting, crate::network::routing_words(request)?),
        Proposable::RetireKeyVersion(request) => (Act::RetireKey, crate::keys::words(request)?),
        Proposable::RetryAllDeadLetters(pb::RetryAllDeadLettersRequest {}) => {
            (Act::RetryAllNotices, "retry all dead letters".to_owned())
        }
    })
}

/// What is asked for by this operator. `Err` with `IdMalformed`, `TextMalformed` or what [`act`] says.
pub(super) fn propose(by: OperatorId, request: &pb::ProposeActRequest) -> Result<Propose, Reason> {
    let proposed = request.act.as_ref().ok_or(Reason::FieldMissing)?;
    let (act, summary) = act(proposed)?;
    Ok(Propose {
        proposal_id: proposal_id(&request.proposal_id)?,
        by,
        act,
        content: proto::Message::encode_to_vec(proposed),
        summary,
        why: Line::parse(&request.why)?.to_string(),
    })
}

const fn state(state: ProposalState) -> pb::ProposalState {
    match state {
        ProposalState::Proposed => pb::ProposalState::Proposed,
        ProposalState::Approved => pb::ProposalState::Approved,
        ProposalState::Refused => pb::ProposalState::Refused,
        ProposalState::Expired => pb::ProposalState::Expired,
        ProposalState::Done => pb::ProposalState::Done,
        ProposalState::Failed => pb::ProposalState::Failed,
    }
}

pub(crate) fn proposal(it: &Proposed) -> pb::Proposal {
    pb::Proposal {
        proposal_id: it.proposal_id.to_string(),
        act: it.proposal.act.as_str().to_owned(),
        summary: it.summary.clone(),
        why: it.why.clone(),
        proposed_by: it.proposal.proposed_by.to_string(),
        proposed_at: Some(proto::to_timestamp(it.proposed_at)),
        expires_at: Some(proto::to_timestamp(it.proposal.expires_at)),
        state: state(it.proposal.state).into(),
        decided_by: it.proposal.decided_by.as_ref().map(ToString::to_string).unwrap_or_default(),
        decided_at: it.decided_at.map(proto::to_timestamp),
        failure: it.failure.clone().unwrap_or_default(),
    }
}
