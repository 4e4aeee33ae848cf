//! What operators see of payments: InspectPayment, GetOverview.

use std::collections::HashMap;

use domain::{Money, PaymentId, Timestamp};
use proto::operator as pb;
use server_kit::audit::{self, Logged};
use server_kit::store::{Store, StoreError};

use super::sql;

/// A payment of any terminal, as far as support needs it.
#[derive(Debug)]
pub(super) struct PaymentRow {
    pub(super) state: String,
    pub(super) terminal_id: String,
    pub(super) amount: Money,
    pub(super) bank_id: Option<String>,
    pub(super) leg_id: Option<uuid::Uuid>,
}

/// Times at which the log speaks of one payment that are looked up: the latest.
const MOST_TIMES: usize = 200;

pub(super) async fn inspect(store: &Store, id: PaymentId) -> Result<Option<pb::InspectPaymentResponse>, StoreError> {
    let Some(payment) = sql::read_payment(store, id).await? else {
        return Ok(None);
    };
    let times = sql::read_logged_at(store, id).await?;
    let latest = times.get(times.len().saturating_sub(MOST_TIMES)..).unwrap_or_default();
    let steps = audit::about(store, id.uuid(), latest).await?;
    Ok(Some(pb::InspectPaymentResponse {
        payment_id: id.to_string(),
        state: payment.state,
        terminal_id: payment.terminal_id,
        amount: Some(proto::to_money(payment.amount)),
        bank_id: payment.bank_id.unwrap_or_default(),
        leg_id: payment.leg_id.map(|leg| leg.to_string()).unwrap_or_default(),
        steps: steps.into_iter().map(step_to_pb).collect(),
    }))
}

fn step_to_pb(step: Logged) -> pb::PaymentStep {
    let reason = step.content.split(' ').find_map(|word| word.strip_prefix("reason=")).unwrap_or_default();
    pb::PaymentStep {
        occurred_at: Some(proto::to_timestamp(step.occurred_at)),
        reason: reason.to_owned(),
        state: step.kind,
    }
}

pub(super) async fn overview(store: &Store, now: Timestamp) -> Result<pb::GetOverviewResponse, StoreError> {
    let payments_by_state: HashMap<String, i64> = sql::count_by_state(store).await?.into_iter().collect();
    let (_, oldest) = sql::read_unsettled(store).await?;
    let age = oldest.map_or(0, |oldest| i64::try_from(now.since(oldest).as_secs()).unwrap_or(i64::MAX));
    Ok(pb::GetOverviewResponse { payments_by_state, oldest_unsettled_seconds: age })
}
