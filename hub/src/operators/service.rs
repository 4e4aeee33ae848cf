//! What operators call about themselves, their proposals and the log.

use domain::operator::Decision;
use domain::{OperatorId, Reason};
use proto::operator as pb;

use super::{Operators, read, wire};

impl Operators {
    pub(crate) async fn set_operator(
        &self,
        by: OperatorId,
        request: &pb::SetOperatorRequest,
    ) -> Result<pb::SetOperatorResponse, Reason> {
        let kept = self.set(by, wire::set(request)?).await?;
        Ok(pb::SetOperatorResponse { operator: Some(wire::operator(&kept)) })
    }

    pub(crate) async fn list_operators(&self) -> Result<pb::ListOperatorsResponse, Reason> {
        let operators = self.list().await?;
        Ok(pb::ListOperatorsResponse { operators: operators.iter().map(wire::operator).collect() })
    }

    pub(crate) async fn set_console_sign_in(
        &self,
        by: OperatorId,
        request: &pb::SetConsoleSignInRequest,
    ) -> Result<pb::SetConsoleSignInResponse, Reason> {
        let totp_uri = self.set_sign_in(by, &request.password).await?;
        Ok(pb::SetConsoleSignInResponse { totp_uri })
    }

    pub(crate) async fn propose_act(
        &self,
        by: OperatorId,
        request: &pb::ProposeActRequest,
    ) -> Result<pb::ProposeActResponse, Reason> {
        let proposed = self.propose(wire::propose(by, request)?).await?;
        Ok(pb::ProposeActResponse { proposal: Some(wire::proposal(&proposed)) })
    }

    pub(crate) async fn refuse_proposal(
        &self,
        by: OperatorId,
        request: &pb::RefuseProposalRequest,
    ) -> Result<pb::RefuseProposalResponse, Reason> {
        let id = wire::proposal_id(&request.proposal_id)?;
        let proposed = self.decide(id, by, Decision::Refuse).await?;
        Ok(pb::RefuseProposalResponse { proposal: Some(wire::proposal(&proposed)) })
    }

    pub(crate) async fn list_proposals(
        &self,
        request: &pb::ListProposalsRequest,
    ) -> Result<pb::ListProposalsResponse, Reason> {
        let before = Some(request.page_token.as_str()).filter(|token| !token.is_empty());
        let before =
            before.map(|token| wire::proposal_id(token).map_err(|_| Reason::PageTokenMalformed)).transpose()?;
        let size = wire::page_size(request.page_size)?;
        let (found, next) = self.proposals(request.with_decided, before, size).await?;
        Ok(pb::ListProposalsResponse {
            proposals: found.iter().map(wire::proposal).collect(),
            next_page_token: next.map(|next| next.to_string()).unwrap_or_default(),
        })
    }

    pub(crate) async fn find_log_lines(
        &self,
        request: &pb::FindLogLinesRequest,
    ) -> Result<pb::FindLogLinesResponse, Reason> {
        let (filter, place, size) = read::filter(request)?;
        Ok(read::lines(&self.log(&filter, place, size).await?))
    }
}
