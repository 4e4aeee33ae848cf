//! An act that was approved is done by the call that it stands for, in the name of whoever has proposed it.
//!
//! The approval is durable before the call. Each of these calls changes nothing when it is made again, so one that was cut off is
//! made again until its end is known: by whoever asks again, and by [`carry_out_approved`].

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use domain::operator::{Decision, ProposalState};
use domain::reason::Class;
use domain::text::Line;
use domain::{OperatorId, Reason};
use proto::Message as _;
use proto::operator as pb;
use proto::operator::operator_service_server::OperatorService as _;
use proto::operator::proposed_act::Act as Proposable;
use server_kit::identity::{Principal, Role};
use server_kit::store::StoreError;
use server_kit::tls::Peer;
use tokio_util::sync::CancellationToken;
use tonic::Request;
use uuid::Uuid;

use super::propose::Propose;
use super::sql::{self, Proposed};
use super::{Operators, fault, wire};
use crate::directory::OperatorApi;

/// How long whoever approved an act has to carry it out before somebody else does.
const HEAD_START: Duration = Duration::from_secs(10);
/// How often it is looked for what was left.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// What came of asking for an act.
#[derive(Debug)]
pub(crate) enum AskedFor {
    Done,
    /// It waits for a second person.
    Waits,
}

/// Carries out what was approved and left, until the server drains.
pub async fn carry_out_approved(api: OperatorApi, operators: Operators, draining: CancellationToken) {
    let look = || async {
        let before = operators.parts.clock.now().minus(HEAD_START);
        for left in sql::read_left(&operators.parts.store, before).await? {
            if let Err(reason) = api.carry_out(&operators, left).await {
                tracing::warn!(reason = reason.code(), "an approved act could not be carried out; it is tried again");
            }
        }
        Ok::<bool, StoreError>(false)
    };
    crate::sweep::sweep("approved acts", LOOK_EVERY, draining, look).await;
}

impl OperatorApi {
    /// Approves a proposal and has it done; gives it as it stands then.
    pub(crate) async fn approve(
        &self,
        operators: &Operators,
        by: OperatorId,
        proposal_id: Uuid,
    ) -> Result<Proposed, Reason> {
        let approved = operators.decide(proposal_id, by, Decision::Approve).await?;
        match approved.proposal.state {
            ProposalState::Approved => self.carry_out(operators, approved).await,
            _ => Ok(approved),
        }
    }

    /// Does an act, or proposes it when it needs a second person.
    pub(crate) async fn ask_for(
        &self,
        operators: &Operators,
        by: OperatorId,
        asked: (Uuid, Proposable, &str),
    ) -> Result<AskedFor, Reason> {
        let (proposal_id, act, why) = asked;
        let message = pb::ProposedAct { act: Some(act) };
        let (kind, summary) = wire::act(&message)?;
        operators.allowed(&by, kind).await?;
        if !kind.needs_second(operators.second_person()) {
            return self.perform(&operators.parts.federation, &by, message).await.map(|()| AskedFor::Done);
        }
        let (content, why) = (message.encode_to_vec(), Line::parse(why)?.to_string());
        operators.propose(Propose { proposal_id, by, act: kind, content, summary, why }).await?;
        Ok(AskedFor::Waits)
    }

    async fn carry_out(&self, operators: &Operators, approved: Proposed) -> Result<Proposed, Reason> {
        let act = pb::ProposedAct::decode(approved.content.as_slice()).map_err(|error| fault(&error))?;
        let by = approved.proposal.proposed_by.clone();
        let outcome = self.perform(&operators.parts.federation, &by, act).await;
        match outcome.map_err(Reason::class) {
            // What it came to is not known, or it may pass later.
            Err(Class::Away | Class::Exhausted | Class::Fault) => Ok(approved),
            _ => operators.carried_out(approved.proposal_id, outcome).await,
        }
    }

    /// The call that an act stands for.
    async fn perform(&self, federation: &str, by: &OperatorId, act: pb::ProposedAct) -> Result<(), Reason> {
        let principal = Principal::member(federation, Role::Operator, by.as_str()).map_err(|error| fault(&error))?;
        let addr = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        let peer = Arc::new(Peer { principal: Some(principal), refused: None, addr });
        let done = match act.act.ok_or(Reason::FieldMissing)? {
            Proposable::RegisterBank(it) => self.register_bank(from(&peer, it)).await.map(drop),
            Proposable::SetTerminalSuspended(it) => self.set_terminal_suspended(from(&peer, it)).await.map(drop),
            Proposable::RegisterCarrier(it) => self.register_carrier(from(&peer, it)).await.map(drop),
            Proposable::SetOperator(it) => self.set_operator(from(&peer, it)).await.map(drop),
            Proposable::SetBinSuspended(it) => self.set_bin_suspended(from(&peer, it)).await.map(drop),
            Proposable::RaiseLimit(it) => self.raise_limit(from(&peer, it)).await.map(drop),
            Proposable::SetFeeSchedule(it) => self.set_fee_schedule(from(&peer, it)).await.map(drop),
            Proposable::AllowRouting(it) => self.allow_routing(from(&peer, it)).await.map(drop),
            Proposable::RetireKeyVersion(it) => self.retire_key_version(from(&peer, it)).await.map(drop),
            Proposable::RetryAllDeadLetters(it) => self.retry_all_dead_letters(from(&peer, it)).await.map(drop),
        };
        done.map_err(|status| proto::reason_of(&status).unwrap_or(Reason::Fault))
    }
}

/// A request as the operator would have sent it.
fn from<T>(peer: &Arc<Peer>, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.extensions_mut().insert(peer.clone());
    request
}
