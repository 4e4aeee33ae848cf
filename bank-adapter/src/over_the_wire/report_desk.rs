//! The hub's side of reports in a trial: it keeps a cursor by the domain's own rules, and says what a test tells it to.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use domain::Reason;
use domain::record::{Admission, Cursor};
use proto::Message as _;
use proto::federation::{PurchaseReport, RefusedReport, ReportPurchasesRequest, ReportPurchasesResponse};
use ring::digest::{SHA256, digest};
use tokio::sync::watch;
use tonic::Status;

use super::bill_desk::BillDesk;

/// What is said to one call, instead of the plain truth.
#[derive(Clone, Copy, Debug)]
pub(super) enum Say {
    /// Nothing is taken in.
    Away,
    /// All is taken in, but the answer is lost.
    AnswerLost,
    /// The reports are passed over for this reason.
    Refuse(Reason),
    /// The call is.
    RefuseCall(Reason),
    /// That so much is taken in, whatever is.
    Through(i64),
}

#[derive(Debug, Default)]
struct Desk {
    cursor: Cursor,
    taken: Vec<PurchaseReport>,
    script: VecDeque<Say>,
    /// The sequences of each call that came, and its size.
    calls: Vec<(Vec<i64>, usize)>,
}

#[derive(Debug)]
pub(super) struct ReportDesk {
    /// Where bills are taken in.
    pub(super) bills: BillDesk,
    desk: Mutex<Desk>,
    calls: watch::Sender<usize>,
}

impl Default for ReportDesk {
    fn default() -> Self {
        Self { bills: BillDesk::default(), desk: Mutex::default(), calls: watch::channel(0).0 }
    }
}

impl ReportDesk {
    /// What is said to the next calls, one after the other.
    pub(super) fn say(&self, script: impl IntoIterator<Item = Say>) {
        self.desk.lock().unwrap().script.extend(script);
    }

    /// From here on the plain truth is said.
    pub(super) fn stop_saying(&self) {
        self.desk.lock().unwrap().script.clear();
    }

    /// Comes back from a backup that was made when it had so many.
    pub(super) fn forget(&self, but: usize) {
        let mut desk = self.desk.lock().unwrap();
        desk.taken.truncate(but);
        desk.cursor = desk.taken.last().map_or_else(Cursor::default, cursor_at);
    }

    pub(super) fn taken(&self) -> Vec<PurchaseReport> {
        self.desk.lock().unwrap().taken.clone()
    }

    pub(super) fn calls(&self) -> Vec<(Vec<i64>, usize)> {
        self.desk.lock().unwrap().calls.clone()
    }

    /// Waits until all up to this one are taken in.
    pub(super) async fn has(&self, through: i64) {
        self.until(|desk| desk.cursor.through_sequence >= through && desk.script.is_empty()).await;
    }

    /// Waits until so many calls have come.
    pub(super) async fn called(&self, times: usize) {
        self.until(|desk| desk.calls.len() >= times).await;
    }

    async fn until(&self, enough: impl Fn(&Desk) -> bool) {
        let mut calls = self.calls.subscribe();
        let waiting = calls.wait_for(|_| enough(&self.desk.lock().unwrap()));
        tokio::time::timeout(Duration::from_secs(30), waiting).await.expect("the bank reports").unwrap();
    }

    pub(super) fn take(&self, request: ReportPurchasesRequest) -> Result<ReportPurchasesResponse, Status> {
        let answer = self.desk.lock().unwrap().take(request);
        self.calls.send_modify(|calls| *calls += 1);
        answer
    }
}

fn cursor_at(report: &PurchaseReport) -> Cursor {
    let mut last_fingerprint = [0; 32];
    last_fingerprint.copy_from_slice(digest(&SHA256, &proto::report_content(report)).as_ref());
    Cursor { through_sequence: report.sequence, last_fingerprint }
}

impl Desk {
    fn take(&mut self, request: ReportPurchasesRequest) -> Result<ReportPurchasesResponse, Status> {
        let sequences = request.reports.iter().map(|report| report.sequence).collect();
        self.calls.push((sequences, request.encoded_len()));
        let say = self.script.pop_front();
        match say {
            Some(Say::Away) => return Err(Status::unavailable("the hub is away")),
            Some(Say::RefuseCall(reason)) => return Err(proto::status(reason)),
            Some(Say::Through(through_sequence)) => {
                return Ok(ReportPurchasesResponse { through_sequence, refused: Vec::new() });
            }
            Some(Say::AnswerLost | Say::Refuse(_)) | None => {}
        }
        let mut refused = Vec::new();
        for report in request.reports {
            let after = cursor_at(&report);
            match self.cursor.admit(report.sequence, &after.last_fingerprint).map_err(proto::status)? {
                Admission::Repeat => continue,
                Admission::Gap => break,
                Admission::Next => self.cursor = after,
            }
            if let Some(Say::Refuse(reason)) = say {
                let refusal = Some(proto::refusal(reason));
                refused.push(RefusedReport { sequence: report.sequence, refusal });
            }
            self.taken.push(report);
        }
        if matches!(say, Some(Say::AnswerLost)) {
            return Err(Status::unavailable("the connection broke"));
        }
        Ok(ReportPurchasesResponse { through_sequence: self.cursor.through_sequence, refused })
    }
}
