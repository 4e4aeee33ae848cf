//! The hub is told of statements of followed credit accounts: once, whatever is lost on the way or dies.

use std::sync::Arc;

use proto::counter::{GetReportingRequest, GetReportingResponse};
use proto::federation::BillStanding;

use super::bill_desk::Say;
use super::federation::once_free;
use super::report_desk::ReportDesk;
use super::*;

/// A node with a credit account that somebody has bound at its hub, and into which a little too much was paid.
struct Billing {
    trial: Trial,
    desk: Arc<ReportDesk>,
    hub: SocketAddr,
    credit: String,
}

/// Weeks that are over by the bank's clock, so that one statement is made whatever day it is.
fn weeks_later(weeks: u32) -> String {
    format!("[credit]\nclose_at = \"00:00\"\n[trial]\nclock_ahead = \"{}h\"\n", weeks * 7 * 24)
}

impl Billing {
    async fn start() -> Self {
        let (federation, desk) = (Federation::new(), Arc::new(ReportDesk::default()));
        let hub = federation.hub_with(Verdicts::default(), desk.clone()).await;
        let node = federation.bank(hub, &weeks_later(0)).await;
        let mut trial = Trial::of(federation, node);
        let credit = trial.id();
        let terms = counter::CreditTerms { close_day: 31, ..counter::CreditTerms::default() };
        let opening = OpenAccountRequest {
            account_id: credit.clone(),
            currency_code: "CNY".to_owned(),
            holder_name: "王小明".to_owned(),
            payment_limit_minor: 0,
            kind: counter::AccountKind::Credit.into(),
            credit_line: Some(counter::CreditLine {
                limit_minor: 100_000,
                cash_limit_minor: 0,
                terms: Some(terms),
                repay_from_account_id: String::new(),
            }),
        };
        trial.counter.open_account(opening).await.unwrap();
        let deposit = DepositCashRequest { deposit_id: trial.id(), account_id: credit.clone(), amount: cny(700) };
        trial.counter.deposit_cash(deposit).await.unwrap();
        let instrument = Some(follow_instrument_request::Instrument::AccountId(credit.clone()));
        trial.hub.follow_instrument(FollowInstrumentRequest { instrument }).await.unwrap();
        Self { trial, desk, hub, credit }
    }

    async fn stop(self) -> (Federation, Arc<ReportDesk>, SocketAddr, String) {
        let Self { trial: Trial { federation, node, .. }, desk, hub, credit } = self;
        node.stop().await.unwrap();
        (federation, desk, hub, credit)
    }

    /// The same node, so many weeks after it was made: it closes at its start the days that are over.
    async fn weeks_later(self, weeks: u32) -> Self {
        let (federation, desk, hub, credit) = self.stop().await;
        federation.config(hub, &weeks_later(weeks));
        let node = federation.start_again().await;
        Self { trial: Trial::of(federation, node), desk, hub, credit }
    }

    /// What the node has stored of the hub's answers: looked at until nothing waits, since the hub has answered first.
    async fn told(&mut self) -> GetReportingResponse {
        let stored = async {
            loop {
                let progress = self.trial.counter.get_reporting(GetReportingRequest {}).await.unwrap().into_inner();
                if progress.waiting_bills == 0 {
                    return progress;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(30), stored).await.expect("it is stored")
    }
}

#[tokio::test]
async fn r8_a_bill_arrives_once_though_the_hub_is_away_or_its_answer_is_lost() {
    let node = Billing::start().await;
    node.desk.bills.say([Say::Away, Say::AnswerLost, Say::Nothing, Say::Away]);
    let mut node = node.weeks_later(5).await;
    node.desk.bills.has(1).await;
    let [bill] = <[_; 1]>::try_from(node.desk.bills.bills()).unwrap();
    assert_eq!((bill.account_id.as_str(), bill.version, bill.closing_minor), (node.credit.as_str(), 1, -700));
    assert_eq!((bill.standing(), bill.standing_on.as_str()), (BillStanding::PaidInTime, bill.closed_on.as_str()));
    assert_eq!((bill.lines.len(), bill.lines[0].amount_minor, bill.lines[0].text.as_str()), (1, -700, "Repayment"));
    assert_eq!(node.told().await.refused_bills, []);
    assert_eq!(node.desk.bills.calls(), 5);
    // What was told is not told again.
    let node = node.weeks_later(5).await.weeks_later(10).await;
    node.desk.bills.has(2).await;
    assert_eq!(node.desk.bills.calls(), 6);
    node.stop().await;
}

#[tokio::test]
async fn r8_a_bill_that_is_refused_is_kept_for_an_operator_and_holds_up_no_other() {
    let node = Billing::start().await;
    node.desk.bills.say([Say::Refuse(Reason::NotYours)]);
    let mut node = node.weeks_later(5).await;
    node.desk.bills.has(0).await;
    node.told().await;
    let mut node = node.weeks_later(10).await;
    node.desk.bills.has(1).await;
    let told = node.told().await;
    let [refused] = <[_; 1]>::try_from(told.refused_bills).unwrap();
    assert_eq!((refused.account_id, refused.statement_number), (node.credit.clone(), 1));
    assert_eq!(refused.reason, "NOT_YOURS");
    node.stop().await;
}

#[cfg(feature = "fault-points")]
#[tokio::test]
async fn r8_a_node_that_is_killed_at_any_point_of_a_bill_tells_it_once() {
    if killed::is_the_one_that_dies().await {
        return;
    }
    let this_test = "bills::r8_a_node_that_is_killed_at_any_point_of_a_bill_tells_it_once";
    for (point, heard) in [("bill.before", 0), ("bill.after", 0), ("bill.answered", 1)] {
        let (federation, desk, hub, credit) = Billing::start().await.stop().await;
        federation.config(hub, &weeks_later(5));
        // It closes the days by itself, and dies.
        let (_, mut death) = killed::Death::of_node(&federation, this_test, point).await;
        death.comes().await;
        assert_eq!(desk.bills.bills().len(), heard, "{point}");
        let node = federation.start_again().await;
        let mut node = Billing { trial: Trial::of(federation, node), desk, hub, credit };
        node.desk.bills.has(1).await;
        node.told().await;
        assert_eq!(node.desk.bills.bills().iter().map(|bill| bill.version).collect::<Vec<_>>(), [1], "{point}");
        let (federation, ..) = node.stop().await;
        let database = TestDatabase::of_another_process(&federation.database_url);
        let store = once_free(async || database.open(&crate::migrations(), SystemClock::shared()).await).await;
        let report = crate::check_books(&store).await.unwrap();
        assert!(report.is_right(), "{point}: {report:#?}");
        store.close().await;
    }
}
