//! What the bank's switch may ask of charges that other networks carried.

use std::sync::Arc;

use domain::Reason;
use domain::ledger::Origin;
use proto::counter as pb;
use server_kit::clock::SharedClock;

use super::wire;
use crate::call::CallError;
use crate::ledger::{CreditSystem, Ledger, LedgerError};

/// The counter's desk for other networks. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct NetworkDesk {
    ledger: Ledger,
    credit: Arc<dyn CreditSystem>,
    clock: SharedClock,
}

impl NetworkDesk {
    pub(crate) fn new(ledger: Ledger, credit: Arc<dyn CreditSystem>, clock: SharedClock) -> Self {
        Self { ledger, credit, clock }
    }

    pub(crate) async fn hold(
        &self,
        request: &pb::HoldNetworkChargeRequest,
    ) -> Result<pb::HoldNetworkChargeResponse, CallError> {
        let order = wire::charge(request.charge.as_ref(), self.clock.now())?;
        let leg = self.credit.hold_all(vec![order]).await?.into_iter().next().ok_or(Reason::Fault)??;
        Ok(pb::HoldNetworkChargeResponse { standing: Some(wire::to_answer(&leg)) })
    }

    pub(crate) async fn post(
        &self,
        request: &pb::PostNetworkChargeRequest,
    ) -> Result<pb::PostNetworkChargeResponse, CallError> {
        let leg = self.ledger.complete(wire::post(request)?).await?;
        Ok(pb::PostNetworkChargeResponse { standing: Some(wire::to_standing(&leg)) })
    }

    pub(crate) async fn post_offline(
        &self,
        request: &pb::PostOfflineNetworkChargeRequest,
    ) -> Result<pb::PostOfflineNetworkChargeResponse, CallError> {
        let order = wire::charge(request.charge.as_ref(), self.clock.now())?;
        let leg = self.credit.post_offline(order).await?;
        Ok(pb::PostOfflineNetworkChargeResponse { standing: Some(wire::to_answer(&leg)) })
    }

    pub(crate) async fn void(
        &self,
        request: &pb::VoidNetworkChargeRequest,
    ) -> Result<pb::VoidNetworkChargeResponse, CallError> {
        let leg = self.ledger.void(wire::void(request)?).await?;
        Ok(pb::VoidNetworkChargeResponse { standing: Some(wire::to_standing(&leg)) })
    }

    pub(crate) async fn refund(
        &self,
        request: &pb::RefundNetworkChargeRequest,
    ) -> Result<pb::RefundNetworkChargeResponse, CallError> {
        let order = wire::refund(request)?;
        let purchase = order.give_back.original_leg_id;
        let refund = self.ledger.refund(order).await?;
        let purchase = match self.ledger.leg(purchase).await {
            Ok(leg) => Some(leg).filter(|leg| leg.origin == Origin::Network && leg.original_leg_id().is_none()),
            Err(LedgerError::Refused(_)) => None,
            Err(error @ LedgerError::Store(_)) => return Err(error.into()),
        };
        Ok(pb::RefundNetworkChargeResponse {
            state: wire::to_state(refund.state).into(),
            refusal: refund.state.refusal().map(proto::refusal),
            standing: purchase.as_ref().map(wire::to_standing),
        })
    }
}
