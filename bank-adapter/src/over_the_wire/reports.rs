//! What a node reports to the hub, whatever the hub does.

use std::sync::Arc;

use proto::common::{LineItem, PurchaseState};
use proto::counter::{GetReportingRequest, GetReportingResponse};
use proto::federation::PurchaseReport;

use super::federation::once_free;
use super::network::charge;
use super::report_desk::{ReportDesk, Say};
use super::*;

/// A node with an account that somebody has bound at its hub.
struct Reporting {
    trial: Trial,
    desk: Arc<ReportDesk>,
    account: String,
}

impl Reporting {
    async fn start() -> Self {
        let (federation, desk) = (Federation::new(), Arc::new(ReportDesk::default()));
        let hub = federation.hub_with(Verdicts::default(), desk.clone()).await;
        let node = federation.bank(hub, "").await;
        let mut trial = Trial::of(federation, node);
        let account = trial.account_with(1_000_000).await;
        follow(&mut trial, &account).await;
        Self { trial, desk, account }
    }

    /// Buys something elsewhere.
    async fn buy(&mut self) -> String {
        let purchase_id = self.trial.id();
        self.trial.charge(charge(&purchase_id, &self.account, 300)).await.unwrap();
        purchase_id
    }

    async fn stop(self) -> (Federation, Arc<ReportDesk>, String) {
        let Self { trial: Trial { federation, node, .. }, desk, account } = self;
        node.stop().await.unwrap();
        (federation, desk, account)
    }

    /// The same node in another process, as it were.
    async fn restart(self) -> Self {
        let (federation, desk, account) = self.stop().await;
        let node = federation.start_again().await;
        Self { trial: Trial::of(federation, node), desk, account }
    }

    async fn progress(&mut self) -> GetReportingResponse {
        self.trial.counter.get_reporting(GetReportingRequest {}).await.unwrap().into_inner()
    }

    /// How far the hub has come as the node has stored it: looked at until it is so far, since the hub has answered first.
    async fn acknowledged(&mut self, through: i64) -> GetReportingResponse {
        let stored = async {
            loop {
                let progress = self.progress().await;
                if progress.acknowledged_sequence == through {
                    return progress;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(30), stored).await.expect("it is stored")
    }
}

async fn follow(trial: &mut Trial, account: &str) {
    let instrument = Some(follow_instrument_request::Instrument::AccountId(account.to_owned()));
    trial.hub.follow_instrument(FollowInstrumentRequest { instrument }).await.unwrap();
}

fn places(reports: &[PurchaseReport]) -> Vec<i64> {
    reports.iter().map(|report| report.sequence).collect()
}

#[tokio::test]
async fn r1_what_was_bought_elsewhere_is_reported_as_it_changes() {
    let mut node = Reporting::start().await;
    let bought = node.buy().await;
    node.desk.has(1).await;
    node.trial.post_charge(&bought, 250).await.unwrap();
    node.desk.has(2).await;
    let refund = node.trial.id();
    node.trial.refund_charge(&refund, &bought, 50).await.unwrap();
    node.desk.has(3).await;
    let other = node.trial.account_with(1_000).await;
    let purchase_id = node.trial.id();
    node.trial.charge(charge(&purchase_id, &other, 300)).await.unwrap();
    let dropped = node.buy().await;
    node.trial.void_charge(&dropped).await.unwrap();
    node.desk.has(5).await;
    let taken = node.desk.taken();
    let said: Vec<_> = taken.iter().map(|it| (it.purchase_id.as_str(), it.version, it.state())).collect();
    let wanted = [
        (bought.as_str(), 1, PurchaseState::Held),
        (&bought, 2, PurchaseState::Posted),
        (&bought, 3, PurchaseState::Posted),
        (&dropped, 1, PurchaseState::Held),
        (&dropped, 2, PurchaseState::Reversed),
    ];
    assert_eq!(said, wanted);
    assert_eq!(taken[2].given_back_minor, 50);
    assert!(taken.iter().all(|report| report.masked.starts_with("****")), "no account number is told");
    node.acknowledged(5).await;
    node.stop().await;
}

#[tokio::test]
async fn r1_a_report_arrives_once_though_the_hub_is_away_or_its_answer_is_lost() {
    let mut node = Reporting::start().await;
    node.desk.say([Say::Away, Say::AnswerLost, Say::AnswerLost, Say::Away]);
    for _ in 0..4 {
        node.buy().await;
    }
    node.desk.has(4).await;
    assert_eq!(places(&node.desk.taken()), [1, 2, 3, 4]);
    node.acknowledged(4).await;
    node.stop().await;
}

#[tokio::test]
async fn r1_a_hub_that_comes_back_from_a_backup_is_told_again() {
    let mut node = Reporting::start().await;
    for n in 1..=4 {
        node.buy().await;
        node.desk.has(n).await;
    }
    let before = node.desk.taken();
    node.acknowledged(4).await;
    node.desk.forget(1);
    node.buy().await;
    node.desk.has(5).await;
    assert_eq!(node.desk.taken()[..4], before, "to the letter");
    node.acknowledged(5).await;
    // A node asks when it starts, although there is nothing new.
    node.desk.forget(0);
    let mut node = node.restart().await;
    node.desk.has(5).await;
    assert_eq!(places(&node.desk.taken()), [1, 2, 3, 4, 5]);
    node.acknowledged(5).await;
    node.stop().await;
}

#[tokio::test]
async fn r1_a_report_that_is_refused_is_kept_for_an_operator_and_holds_up_no_other() {
    let mut node = Reporting::start().await;
    node.desk.say([Say::Refuse(Reason::NotYours)]);
    let refused = node.buy().await;
    node.desk.has(1).await;
    node.buy().await;
    node.desk.has(2).await;
    let progress = node.acknowledged(2).await;
    let [kept] = <[_; 1]>::try_from(progress.refused).unwrap();
    assert_eq!((kept.sequence, kept.purchase_id, kept.reason.as_str()), (1, refused, "NOT_YOURS"));
    assert_eq!(progress.last_sequence, 2);
    node.stop().await;
}

#[tokio::test]
async fn r1_a_bank_whose_count_has_gone_back_reports_no_more_until_it_is_started_again() {
    for say in [Say::RefuseCall(Reason::ReportSequenceTaken), Say::Through(99)] {
        let mut node = Reporting::start().await;
        node.desk.say([say]);
        node.buy().await;
        node.desk.called(1).await;
        node.buy().await;
        let mut node = node.restart().await;
        node.desk.has(2).await;
        assert_eq!(node.desk.calls()[0].0, [1], "{say:?}");
        let told: Vec<i64> = node.desk.calls()[1..].iter().flat_map(|(sequences, _)| sequences.clone()).collect();
        assert_eq!(told, [1, 2], "{say:?}: what it was stopped at comes first");
        assert_eq!(node.acknowledged(2).await.last_sequence, 2);
        node.stop().await;
    }
}

#[tokio::test]
async fn r1_a_hub_that_says_what_cannot_be_is_asked_again_later() {
    let mut node = Reporting::start().await;
    node.desk.say([Say::Through(-1), Say::Through(0), Say::RefuseCall(Reason::ReportsOutOfOrder)]);
    node.buy().await;
    node.desk.has(1).await;
    assert_eq!(node.desk.calls().len(), 4);
    assert_eq!(node.acknowledged(1).await.refused, []);
    node.stop().await;
}

#[tokio::test]
async fn r1_many_reports_go_in_messages_of_200_and_48_kib() {
    let mut node = Reporting::start().await;
    // The hub is away until all is there.
    node.desk.say([Say::Away; 64]);
    for _ in 0..210 {
        node.buy().await;
    }
    let item = LineItem { name: "好".repeat(100), code: String::new(), quantity_milli: 1_000, amount_minor: 3 };
    for _ in 0..4 {
        let purchase_id = node.trial.id();
        let items = vec![item.clone(); 90];
        let large = proto::counter::NetworkCharge { items, ..charge(&purchase_id, &node.account, 300) };
        node.trial.charge(large).await.unwrap();
    }
    node.desk.stop_saying();
    let mut node = node.restart().await;
    node.desk.has(214).await;
    let calls = node.desk.calls();
    let most = calls.iter().map(|(sequences, _)| sequences.len()).max();
    assert!(most.is_some_and(|most| most > 50 && most <= 200), "{most:?}");
    let largest = calls.iter().map(|(_, bytes)| *bytes).max();
    assert!(largest.is_some_and(|bytes| bytes > 27_000 && bytes <= 48 * 1024), "{largest:?}");
    assert!(node.desk.taken().iter().map(|report| report.sequence).eq(1..=214));
    node.acknowledged(214).await;
    node.stop().await;
}

#[cfg(feature = "fault-points")]
#[tokio::test]
async fn r1_a_node_that_is_killed_at_any_point_of_a_report_tells_it_once() {
    if killed::is_the_one_that_dies().await {
        return;
    }
    let this_test = "reports::r1_a_node_that_is_killed_at_any_point_of_a_report_tells_it_once";
    for (point, heard) in [("report.before", 0), ("report.after", 0), ("report.answered", 1)] {
        let (federation, desk, account) = Reporting::start().await.stop().await;
        let (dying, mut death) = killed::Death::of_node(&federation, this_test, point).await;
        let purchase_id = federation.ids.uuid().unwrap().to_string();
        let mut counter = federation.counter(&dying, Caller::Operator);
        let hold = || proto::counter::HoldNetworkChargeRequest { charge: Some(charge(&purchase_id, &account, 300)) };
        // It dies before it answers, or after.
        let _ = counter.hold_network_charge(hold()).await;
        death.comes().await;
        assert_eq!(desk.taken().len(), heard, "{point}");
        let node = federation.start_again().await;
        let mut node = Reporting { trial: Trial::of(federation, node), desk, account: account.clone() };
        // Whoever asked asks again.
        node.trial.counter.hold_network_charge(hold()).await.unwrap();
        node.trial.post_charge(&purchase_id, 300).await.unwrap();
        node.desk.has(2).await;
        let said: Vec<_> = node.desk.taken().iter().map(|it| (it.sequence, it.version, it.state())).collect();
        assert_eq!(said, [(1, 1, PurchaseState::Held), (2, 2, PurchaseState::Posted)], "{point}");
        assert_eq!(node.trial.available(&node.account).await, 999_700, "{point}");
        node.acknowledged(2).await;
        let (federation, ..) = node.stop().await;
        let database = TestDatabase::of_another_process(&federation.database_url);
        let store = once_free(async || database.open(&crate::migrations(), SystemClock::shared()).await).await;
        let report = crate::check_books(&store).await.unwrap();
        assert!(report.is_right(), "{point}: {report:#?}");
        store.close().await;
    }
}
