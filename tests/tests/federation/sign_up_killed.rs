//! Hub and bank are killed at every durable point of a sign-up: one account, one binding, and everybody is told once.

use domain::{BankId, SignUpId};
use federation_tests::databases::Engine;
use federation_tests::wait::until;
use federation_tests::world::{Setup, World};
use proto::carrier as pb;
use server_kit::store::Store;

use super::sign_up::{CITIZEN, applicant, decided, new_id};

async fn killed_at(engine: Engine, server: &str, point: &str) {
    if !engine.is_there() {
        return;
    }
    let mut world = Setup::on(engine).start().await;
    let carrier = world.federation.carrier("east", &["bank-a"]).await.unwrap();
    world.arm(server, point, 1).await;
    let wang = applicant("+8613800138000", "王小明", CITIZEN, None);
    let request = wang.request(new_id(&carrier));
    let id = SignUpId::parse(&request.sign_up_id).unwrap();
    // A carrier that has no answer asks the same once more.
    let asking =
        until("the sign-up to be taken in", World::HEALING, async || carrier.sign_up(request.clone()).await.ok());
    let (_, ()) = tokio::join!(asking, world.rise_again(server));
    let signed_up = decided(&carrier, id).await;
    assert_eq!(signed_up.state(), pb::SignUpState::SignedUp, "{point}: {signed_up:?}");
    let answers = carrier.answers(0).await.unwrap();
    assert_eq!(answers.len(), 1, "{point}: {answers:?}");
    assert_eq!(answers[0].sign_up.as_ref(), Some(&signed_up));
    assert_eq!(carrier.sign_up(request).await.unwrap(), signed_up, "{point}: the same again");
    let operator = world.federation.operator().unwrap();
    let inspected = operator.inspect_sign_up(id).await.unwrap();
    let counter = operator.counter(&BankId::parse("bank-a").unwrap()).await.unwrap();
    let account = counter.account(domain::AccountId::parse(&inspected.account_id).unwrap()).await.unwrap();
    assert_eq!(account.account_masked, signed_up.account_masked, "{point}");
    world.federation.stop().await.unwrap_or_else(|error| panic!("{error}"));
    let hub = world.open("hub-1").await;
    assert_eq!(hub::check_books(&hub).await.unwrap().faults, Vec::<String>::new(), "{point}");
    for (what, sql) in [
        ("people", "SELECT count(*) FROM persons"),
        ("bindings", "SELECT count(*) FROM bindings"),
        ("numbers", "SELECT count(*) FROM numbers"),
        ("citizens", "SELECT count(*) FROM citizens"),
        ("sign-ups", "SELECT count(*) FROM sign_ups WHERE state = 'TOLD' AND sealed IS NULL"),
        ("events", "SELECT count(*) FROM events"),
    ] {
        assert_eq!(count(&hub, sql).await, 1, "{point}: {what}");
    }
    hub.close().await;
    let bank = world.open("bank-a").await;
    assert_eq!(bank_adapter::check_books(&bank).await.unwrap().faults, Vec::<String>::new(), "{point}");
    let accounts = "SELECT count(*) FROM accounts WHERE kind = 'CUSTOMER_DEPOSIT'";
    assert_eq!(count(&bank, accounts).await, 1, "{point}: accounts");
    assert_eq!(count(&bank, "SELECT count(*) FROM account_openings WHERE said = 'MATCH'").await, 1, "{point}");
    bank.close().await;
    world.forget().await;
}

async fn count(store: &Store, sql: &'static str) -> i64 {
    store.fetch(sql, Vec::new()).await.unwrap()[0].int(0).unwrap()
}

kill! {
    m1_a_hub_killed_before_it_takes_a_sign_up_in_signs_up_once: "hub-1" at "sign_up.asked.before";
    m1_a_hub_killed_after_it_has_taken_a_sign_up_in_signs_up_once: "hub-1" at "sign_up.asked.after";
    m1_a_hub_killed_before_the_bank_is_chosen_signs_up_once: "hub-1" at "sign_up.opening.before";
    m1_a_hub_killed_after_the_bank_is_chosen_signs_up_once: "hub-1" at "sign_up.opening.after";
    m2_a_hub_killed_before_it_asks_the_bank_signs_up_once: "hub-1" at "sign_up.bank.before";
    m2_a_hub_killed_after_the_bank_has_answered_signs_up_once: "hub-1" at "sign_up.bank.after";
    m2_a_hub_killed_before_it_binds_signs_up_once: "hub-1" at "sign_up.bound.before";
    m2_a_hub_killed_after_it_has_bound_signs_up_once: "hub-1" at "sign_up.bound.after";
    m1_a_hub_killed_before_anybody_is_told_signs_up_once: "hub-1" at "sign_up.told.before";
    m1_a_hub_killed_after_everybody_is_told_signs_up_once: "hub-1" at "sign_up.told.after";
    m2_a_bank_killed_before_it_asks_who_it_is_opens_one_account: "bank-a" at "identity.before";
    m2_a_bank_killed_after_it_knows_who_it_is_opens_one_account: "bank-a" at "identity.after";
    m2_a_bank_killed_before_it_opens_the_account_opens_one: "bank-a" at "open.before";
    m2_a_bank_killed_after_it_has_opened_the_account_opens_one: "bank-a" at "open.after";
}
