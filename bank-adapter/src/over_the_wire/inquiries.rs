//! Operators of the counter ask the hub about somebody: the bank's log says who, and not about whom.

use proto::counter::InquireCreditHistoryRequest;
use proto::federation::{InquiryPurpose, ReportField};

use super::federation::once_free;
use super::*;

const NAME: &str = "王小明";
const NUMBER: &str = "+8613800138001";

fn asked(trial: &Trial) -> InquireCreditHistoryRequest {
    InquireCreditHistoryRequest {
        inquiry_id: trial.id(),
        name: NAME.to_owned(),
        phone_number: NUMBER.to_owned(),
        purpose: InquiryPurpose::LoanApplication.into(),
        fields: vec![ReportField::Summary.into()],
        consent_id: trial.id(),
    }
}

/// What the node's log says of inquiries, a line each.
async fn logged(federation: &Federation) -> Vec<String> {
    let database = TestDatabase::of_another_process(&federation.database_url);
    let store = once_free(async || database.open(&crate::migrations(), SystemClock::shared()).await).await;
    let rows = store.fetch("SELECT entries FROM audit_log", Vec::new()).await.unwrap();
    let text: String = rows.iter().map(|row| row.text(0).unwrap() + "\n").collect();
    store.close().await;
    assert!(!text.contains(NAME) && !text.contains("13800138001"), "{text}");
    text.lines().filter(|line| line.contains("credit_history.asked")).map(str::to_owned).collect()
}

#[tokio::test]
async fn r9_an_operator_asks_the_hub_and_the_log_says_who() {
    let federation = Federation::new();
    let hub = federation.hub(Verdicts::default()).await;
    let node = federation.bank(hub, "").await;
    let mut trial = Trial::of(federation, node);
    let request = asked(&trial);
    trial.counter.inquire_credit_history(request.clone()).await.unwrap();
    for (bad, reason) in [
        (InquireCreditHistoryRequest { inquiry_id: "7".to_owned(), ..request.clone() }, Reason::IdMalformed),
        (InquireCreditHistoryRequest { consent_id: String::new(), ..request.clone() }, Reason::IdMalformed),
    ] {
        let refused = trial.counter.inquire_credit_history(bad).await.unwrap_err();
        assert_eq!(reason_of(&refused), Some(reason));
    }
    for caller in [Caller::OtherOperator, Caller::Hub, Caller::Terminal, Caller::OtherBank, Caller::Nobody] {
        let mut counter = trial.federation.counter(&trial.node, caller);
        assert!(counter.inquire_credit_history(asked(&trial)).await.is_err(), "{caller:?}");
    }
    trial.node.stop().await.unwrap();
    let lines = logged(&trial.federation).await;
    assert_eq!(lines.len(), 1, "{lines:?}");
    let wanted = format!("consent={} purpose=INQUIRY_PURPOSE_LOAN_APPLICATION by=operator/op-1", request.consent_id);
    assert!(lines[0].contains(&request.inquiry_id) && lines[0].contains(&wanted), "{lines:?}");
}

#[tokio::test]
async fn r9_a_hub_that_is_away_is_said_to_be_and_that_it_was_asked_is_in_the_log() {
    let mut trial = Trial::start().await;
    let request = asked(&trial);
    let refused = trial.counter.inquire_credit_history(request.clone()).await.unwrap_err();
    assert_eq!((reason_of(&refused), refused.code()), (Some(Reason::HubAway), Code::Unavailable));
    trial.node.stop().await.unwrap();
    assert_eq!(logged(&trial.federation).await.len(), 1);
}
