//! The hub's side of bills in a trial: it keeps each as it was told last, by versions, and says what a test tells it to.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use std::time::Duration;

use domain::Reason;
use proto::federation::{BillReport, BillTaken, ReportBillsRequest, ReportBillsResponse};
use tokio::sync::watch;
use tonic::Status;

/// What is said to one call, instead of the plain truth.
#[derive(Clone, Copy, Debug)]
pub(super) enum Say {
    /// Nothing is taken in.
    Away,
    /// All is taken in, but the answer is lost.
    AnswerLost,
    /// All is taken in, and the answer is about none of it.
    Nothing,
    /// Each bill is refused for this reason.
    Refuse(Reason),
}

#[derive(Debug, Default)]
struct Desk {
    /// By account and the day of the close.
    bills: BTreeMap<(String, String), BillReport>,
    script: VecDeque<Say>,
    /// What was said twice under one version, or in the wrong order.
    contradictions: Vec<BillReport>,
    calls: usize,
}

#[derive(Debug)]
pub(super) struct BillDesk {
    desk: Mutex<Desk>,
    calls: watch::Sender<usize>,
}

impl Default for BillDesk {
    fn default() -> Self {
        Self { desk: Mutex::default(), calls: watch::channel(0).0 }
    }
}

impl BillDesk {
    /// What is said to the next calls, one after the other.
    pub(super) fn say(&self, script: impl IntoIterator<Item = Say>) {
        self.desk.lock().unwrap().script.extend(script);
    }

    /// Each as it was told last; nothing of them was told in two ways.
    pub(super) fn bills(&self) -> Vec<BillReport> {
        let desk = self.desk.lock().unwrap();
        assert_eq!(desk.contradictions, []);
        desk.bills.values().cloned().collect()
    }

    pub(super) fn calls(&self) -> usize {
        self.desk.lock().unwrap().calls
    }

    /// Waits until there are so many bills and nothing is left to say.
    pub(super) async fn has(&self, bills: usize) {
        let mut calls = self.calls.subscribe();
        let enough = |desk: &Desk| desk.bills.len() >= bills && desk.script.is_empty();
        let waiting = calls.wait_for(|_| enough(&self.desk.lock().unwrap()));
        tokio::time::timeout(Duration::from_secs(30), waiting).await.expect("the bank tells").unwrap();
    }

    pub(super) fn take(&self, request: ReportBillsRequest) -> Result<ReportBillsResponse, Status> {
        let answer = self.desk.lock().unwrap().take(request);
        self.calls.send_modify(|calls| *calls += 1);
        answer
    }
}

impl Desk {
    fn take(&mut self, request: ReportBillsRequest) -> Result<ReportBillsResponse, Status> {
        self.calls += 1;
        let say = self.script.pop_front();
        match say {
            Some(Say::Away) => return Err(Status::unavailable("the hub is away")),
            Some(Say::Refuse(reason)) => {
                let refused = |_: &BillReport| BillTaken { refusal: Some(proto::refusal(reason)) };
                return Ok(ReportBillsResponse { taken: request.bills.iter().map(refused).collect() });
            }
            Some(Say::AnswerLost | Say::Nothing) | None => {}
        }
        let taken = vec![BillTaken::default(); request.bills.len()];
        for bill in request.bills {
            let key = (bill.account_id.clone(), bill.closed_on.clone());
            match self.bills.get(&key) {
                Some(before) if before.version > bill.version => self.contradictions.push(bill),
                Some(before) if before.version == bill.version && *before != bill => self.contradictions.push(bill),
                _ => drop(self.bills.insert(key, bill)),
            }
        }
        match say {
            Some(Say::AnswerLost) => Err(Status::unavailable("the connection broke")),
            Some(Say::Nothing) => Ok(ReportBillsResponse::default()),
            _ => Ok(ReportBillsResponse { taken }),
        }
    }
}
