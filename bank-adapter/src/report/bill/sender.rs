//! The worker that tells the hub how bills stand, until the hub has taken them in.

use domain::Reason;
use proto::federation as pb;
use server_kit::fault;
use server_kit::rng::SharedRng;
use tokio_util::sync::CancellationToken;

use super::{BillTold, sql};
use crate::ledger::{HubClient, Ledger};
use crate::report::courier::{Courier, Round, SendError, SenderOptions, Told};

/// The most bills of one message.
const MOST_BILLS: i64 = 20;
/// The most that they take together; the hub takes messages of 256 KiB.
const MOST_BYTES: usize = 200 * 1024;

/// Tells the hub.
#[derive(Debug)]
pub(crate) struct BillSender {
    ledger: Ledger,
    hub: HubClient,
    courier: Courier,
}

impl BillSender {
    pub(crate) fn new(ledger: Ledger, hub: HubClient, rng: SharedRng, options: SenderOptions) -> Self {
        let bell = ledger.billed();
        Self { ledger, hub, courier: Courier { rng, options, bell } }
    }

    /// Tells until `stop`.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let Self { ledger, hub, courier } = self;
        courier.run(Sending { ledger, hub }, stop).await;
    }
}

struct Sending {
    ledger: Ledger,
    hub: HubClient,
}

impl Told for Sending {
    async fn round(&mut self) -> Round {
        self.tell().await.unwrap_or_else(|error| {
            tracing::warn!(%error, "how bills stand is told later");
            Round::Later
        })
    }
}

impl Sending {
    /// Sends one message and keeps what comes of it. A version that is superseded meanwhile is told of as it was, and then anew.
    async fn tell(&mut self) -> Result<Round, SendError> {
        metrics::gauge!("bankhub_bills_waiting").set(sql::read_waiting(self.ledger.store()).await? as f64);
        let bills = sql::read_to_tell(self.ledger.store(), MOST_BILLS, MOST_BYTES).await?;
        if bills.is_empty() {
            return Ok(Round::Done);
        }
        let reports = bills.iter().map(|bill| bill.report.clone()).collect();
        let answer = self.hub.report_bills(pb::ReportBillsRequest { bills: reports }).await?;
        fault::point("bill.answered");
        if answer.taken.len() != bills.len() {
            tracing::error!(
                sent = bills.len(),
                answered = answer.taken.len(),
                "the hub has not answered for each bill"
            );
            return Ok(Round::Later);
        }
        let mut told = Vec::with_capacity(bills.len());
        for (bill, taken) in bills.iter().zip(&answer.taken) {
            let refusal = taken.refusal.as_ref();
            // A reason that this version does not know is kept as an unknown one.
            let refusal = refusal.map(|it| Reason::from_code(&it.reason).unwrap_or(Reason::FieldUnknown));
            if let Some(reason) = refusal {
                let (account_id, number) = (bill.account_id, bill.number);
                tracing::error!(%account_id, number, reason = reason.code(), "the hub has refused a bill");
                metrics::counter!("bankhub_bills_refused_total").increment(1);
            }
            let (account_id, number, version) = (bill.account_id, bill.number, bill.report.version);
            told.push(BillTold { account_id, number, version, refusal });
        }
        metrics::counter!("bankhub_bills_sent_total").increment(u64::try_from(told.len()).unwrap_or(0));
        self.ledger.bills_told(told).await?;
        Ok(Round::More)
    }
}
