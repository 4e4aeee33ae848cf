//! The worker that tells the hub of what was reported, until the hub has taken it in.

use domain::Reason;
use proto::federation as pb;
use server_kit::fault;
use server_kit::rng::SharedRng;
use tokio_util::sync::CancellationToken;

use super::courier::{Courier, Round, SendError, SenderOptions, Told};
use super::outbox::Answer;
use super::sql;
use crate::ledger::{HubClient, Ledger};

/// The most reports of one message.
const MOST_REPORTS: i64 = 200;
/// The most that they take together; the hub takes messages of 64 KiB.
const MOST_BYTES: usize = 48 * 1024;

/// Tells the hub.
#[derive(Debug)]
pub(crate) struct Sender {
    ledger: Ledger,
    hub: HubClient,
    courier: Courier,
}

impl Sender {
    pub(crate) fn new(ledger: Ledger, hub: HubClient, rng: SharedRng, options: SenderOptions) -> Self {
        let bell = ledger.reported();
        Self { ledger, hub, courier: Courier { rng, options, bell } }
    }

    /// Tells until `stop`.
    pub(crate) async fn run(self, stop: CancellationToken) {
        metrics::gauge!("bankhub_reports_stopped").set(0.0);
        let Self { ledger, hub, courier } = self;
        courier.run(Sending { ledger, hub, at: None }, stop).await;
    }
}

struct Sending {
    ledger: Ledger,
    hub: HubClient,
    /// How far the hub has come, as it has said since this worker began.
    at: Option<i64>,
}

impl Told for Sending {
    async fn round(&mut self) -> Round {
        match self.tell().await {
            Ok(round) => round,
            Err(SendError::Hub(status)) if proto::reason_of(&status) == Some(Reason::ReportSequenceTaken) => {
                tracing::error!("the hub knows other reports under these numbers: nothing more is reported");
                Round::Stopped
            }
            Err(error) => {
                tracing::warn!(%error, "what the hub did not carry is reported later");
                Round::Later
            }
        }
    }

    fn stopped(&self) {
        metrics::gauge!("bankhub_reports_stopped").set(1.0);
    }
}

impl Sending {
    /// Sends one message and keeps what comes of it.
    async fn tell(&mut self) -> Result<Round, SendError> {
        let (last, acknowledged) = sql::read_progress(self.ledger.store()).await?;
        metrics::gauge!("bankhub_reports_waiting").set(last.saturating_sub(acknowledged) as f64);
        // The first message says once more what was acknowledged last: the hub may have come back from a backup since.
        let after = self.at.unwrap_or_else(|| acknowledged.saturating_sub(1).max(0));
        let reports = sql::read_after(self.ledger.store(), after, MOST_REPORTS, MOST_BYTES).await?;
        let Some(sent) = reports.last().map(|report| report.sequence) else { return Ok(Round::Done) };
        // What was committed since the number was read is sent, too.
        let last = last.max(sent);
        let count = reports.len();
        let answer = self.hub.report(pb::ReportPurchasesRequest { reports }).await?;
        fault::point("report.answered");
        let through = answer.through_sequence;
        if through > last {
            tracing::error!(through, last, "the hub knows reports that are not there: nothing more is reported");
            return Ok(Round::Stopped);
        }
        if through < 0 {
            tracing::error!(through, "the hub has said a number that none of its reports has");
            return Ok(Round::Later);
        }
        let refused: Vec<(i64, Reason)> = refused(&answer, after, sent);
        for (sequence, reason) in &refused {
            tracing::error!(sequence, reason = reason.code(), "the hub has refused a report");
            metrics::counter!("bankhub_reports_refused_total").increment(1);
        }
        metrics::counter!("bankhub_reports_sent_total").increment(u64::try_from(count).unwrap_or(0));
        if through != acknowledged || !refused.is_empty() {
            self.ledger.acknowledge(Answer { through_sequence: through, refused }).await?;
        }
        metrics::gauge!("bankhub_reports_waiting").set(last.saturating_sub(through) as f64);
        self.at = Some(through);
        if through < after {
            tracing::warn!(through, after, "the hub has less than it had: it is told again");
        }
        Ok(if through > after { Round::More } else { Round::Later })
    }
}

/// What the hub has refused of what it was sent. A reason that this version does not know is kept as an unknown one.
fn refused(answer: &pb::ReportPurchasesResponse, after: i64, last: i64) -> Vec<(i64, Reason)> {
    let of_these = answer.refused.iter().filter(|refused| refused.sequence > after && refused.sequence <= last);
    let reason = |refused: &pb::RefusedReport| {
        let code = refused.refusal.as_ref().map_or("", |refusal| refusal.reason.as_str());
        Reason::from_code(code).unwrap_or(Reason::FieldUnknown)
    };
    of_these.map(|refused| (refused.sequence, reason(refused))).collect()
}
