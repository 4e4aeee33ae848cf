//! The counter checks who somebody is: the bank's log says who has checked, and then the hub is told.

use proto::counter::AllowSafetyCodeRequest;
use proto::counter::allow_safety_code_request::Instrument;

use super::federation::once_free;
use super::*;

fn checked(trial: &Trial, account_id: &str) -> AllowSafetyCodeRequest {
    AllowSafetyCodeRequest {
        check_id: trial.id(),
        instrument: Some(Instrument::AccountId(account_id.to_owned())),
        checked_how: "ID card and photo".to_owned(),
        holds_number: false,
    }
}

/// What the node's log says of checks, a line each.
async fn logged(federation: &Federation) -> Vec<String> {
    let database = TestDatabase::of_another_process(&federation.database_url);
    let store = once_free(async || database.open(&crate::migrations(), SystemClock::shared()).await).await;
    let rows = store.fetch("SELECT entries FROM audit_log", Vec::new()).await.unwrap();
    let text: String = rows.iter().map(|row| row.text(0).unwrap() + "\n").collect();
    store.close().await;
    text.lines().filter(|line| line.contains("identity.checked")).map(str::to_owned).collect()
}

#[tokio::test]
async fn f1_a_clerk_checks_who_a_holder_is_and_the_banks_log_says_who_and_how() {
    let federation = Federation::new();
    let hub = federation.hub(Verdicts::default()).await;
    let node = federation.bank(hub, "").await;
    let mut trial = Trial::of(federation, node);
    let account = trial.account_with(1_000).await;
    let request = checked(&trial, &account);
    let allowed = trial.counter.allow_safety_code(request.clone()).await.unwrap().into_inner();
    assert_eq!(allowed.open_until, Some(proto::to_timestamp(Timestamp::from_secs(1_790_000_000))));
    let nowhere = trial.id();
    for (bad, reason) in [
        (AllowSafetyCodeRequest { check_id: "7".to_owned(), ..request.clone() }, Reason::IdMalformed),
        (AllowSafetyCodeRequest { instrument: None, ..request.clone() }, Reason::FieldMissing),
        (AllowSafetyCodeRequest { checked_how: String::new(), ..request.clone() }, Reason::TextMalformed),
        (
            AllowSafetyCodeRequest { checked_how: "ID 110101199003070000".to_owned(), ..request.clone() },
            Reason::TextMalformed,
        ),
        (checked(&trial, &nowhere), Reason::AccountUnknown),
        (
            AllowSafetyCodeRequest { instrument: Some(Instrument::CardId(nowhere)), ..request.clone() },
            Reason::CardUnknown,
        ),
    ] {
        let refused = trial.counter.allow_safety_code(bad).await.unwrap_err();
        assert_eq!(reason_of(&refused), Some(reason));
    }
    for caller in [Caller::OtherOperator, Caller::Hub, Caller::Terminal, Caller::OtherBank, Caller::Nobody] {
        let mut counter = trial.federation.counter(&trial.node, caller);
        assert!(counter.allow_safety_code(checked(&trial, &account)).await.is_err(), "{caller:?}");
    }
    trial.node.stop().await.unwrap();
    let lines = logged(&trial.federation).await;
    assert_eq!(lines.len(), 1, "{lines:?}");
    let says = lines[0].contains(&request.check_id) && lines[0].contains("how=ID card and photo by=operator/op-1");
    assert!(says && !lines[0].contains("王小明"), "{lines:?}");
}

#[tokio::test]
async fn f1_a_hub_that_is_away_is_said_to_be_and_the_check_is_in_the_log_already() {
    let mut trial = Trial::start().await;
    let account = trial.account_with(1_000).await;
    let refused = trial.counter.allow_safety_code(checked(&trial, &account)).await.unwrap_err();
    assert_eq!((reason_of(&refused), refused.code()), (Some(Reason::HubAway), Code::Unavailable));
    trial.node.stop().await.unwrap();
    assert_eq!(logged(&trial.federation).await.len(), 1);
}
