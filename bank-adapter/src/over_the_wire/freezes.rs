//! What holders freeze at the hub, as the bank follows it.

use domain::freeze::{Confirmation, HolderFreeze};
use domain::payment::Instrument;
use domain::{AccountId, BankId};
use proto::bank::freeze_order::Instrument as Named;
use ring::signature::{ED25519, UnparsedPublicKey};

use super::*;

fn order(account: &str, order_number: i64, frozen: bool) -> FreezeOrder {
    FreezeOrder { instrument: Some(Named::AccountId(account.to_owned())), order_number, frozen }
}

async fn follow(trial: &mut Trial, orders: Vec<FreezeOrder>) -> FollowOrdersResponse {
    trial.hub.follow_orders(FollowOrdersRequest { orders }).await.unwrap().into_inner()
}

/// The confirmation, whose signature is the bank's over what it says.
fn signed(account: &str, answer: &FollowOrdersResponse) -> HolderFreeze {
    let said = answer.confirmations.first().unwrap();
    assert_eq!(said.refusal, None);
    let effective_at = proto::from_timestamp(said.effective_at.as_ref().unwrap());
    let left = HolderFreeze { order_number: said.order_number, frozen: said.frozen, effective_at };
    let bank_id = BankId::parse("bank-a").unwrap();
    let confirmation =
        Confirmation { bank_id, instrument: Instrument::Account(AccountId::parse(account).unwrap()), left };
    let key = UnparsedPublicKey::new(&ED25519, &answer.public_key);
    key.verify(confirmation.statement().as_bytes(), &said.signature).expect("it is the bank's signature");
    let otherwise = confirmation.statement().replace("frozen=true", "frozen=false");
    if said.frozen {
        assert!(key.verify(otherwise.as_bytes(), &said.signature).is_err());
    }
    left
}

#[tokio::test]
async fn f4_a_holders_order_takes_effect_at_the_bank_which_signs_since_when() {
    let mut trial = Trial::start().await;
    let account = trial.account_with(1_000).await;
    let held = trial.id();
    trial.hold(hold(&held, &account, 300)).await.unwrap();

    let frozen = follow(&mut trial, vec![order(&account, 1, true)]).await;
    let left = signed(&account, &frozen);
    assert_eq!((left.order_number, left.frozen), (1, true));
    let refused = trial.id();
    let refused = trial.hold(hold(&refused, &account, 1)).await.unwrap();
    assert_eq!((refused.state(), refusal(&refused)), (LegState::Refused, "ACCOUNT_FROZEN"));
    assert!(trial.account(&account).await.frozen);
    let deposit = DepositCashRequest { deposit_id: trial.id(), account_id: account.clone(), amount: cny(50) };
    trial.counter.deposit_cash(deposit).await.unwrap();
    let posted = trial.hub.post_legs(PostLegsRequest { leg_ids: vec![held] }).await.unwrap().into_inner();
    assert_eq!(posted.results[0].state(), LegState::Posted, "what was held before is posted all the same");

    let again = follow(&mut trial, vec![order(&account, 1, true)]).await;
    assert_eq!(again, frozen, "the same order again");
    let later = signed(&account, &follow(&mut trial, vec![order(&account, 3, true)]).await);
    assert_eq!((later.order_number, later.effective_at), (3, left.effective_at), "it has been so since the first");
    let overtaken = signed(&account, &follow(&mut trial, vec![order(&account, 2, false)]).await);
    assert_eq!(overtaken, later, "what holds is what was ordered last");

    let free = signed(&account, &follow(&mut trial, vec![order(&account, 4, false)]).await);
    assert!(!free.frozen && free.effective_at > left.effective_at);
    let leg = trial.id();
    assert_eq!(trial.hold(hold(&leg, &account, 1)).await.unwrap().state(), LegState::Held);
    trial.node.stop().await.unwrap();
    let node = trial.federation.start_again().await;
    let mut trial = Trial::of(trial.federation, node);
    assert_eq!(signed(&account, &follow(&mut trial, vec![order(&account, 4, false)]).await), free, "durable");
    trial.node.stop().await.unwrap();
}

#[tokio::test]
async fn f4_what_the_bank_has_frozen_itself_no_order_of_the_holder_sets_free() {
    let mut trial = Trial::start().await;
    let account = trial.account_with(1_000).await;
    let by_bank = |frozen| SetAccountFrozenRequest { account_id: account.clone(), frozen };
    trial.counter.set_account_frozen(by_bank(true)).await.unwrap();
    let left = signed(&account, &follow(&mut trial, vec![order(&account, 1, false)]).await);
    assert!(!left.frozen && trial.account(&account).await.frozen);
    follow(&mut trial, vec![order(&account, 2, true)]).await;
    trial.counter.set_account_frozen(by_bank(false)).await.unwrap();
    assert!(trial.account(&account).await.frozen, "nor does the bank what its holder has frozen");
    follow(&mut trial, vec![order(&account, 3, false)]).await;
    assert!(!trial.account(&account).await.frozen);
    trial.node.stop().await.unwrap();
}

#[tokio::test]
async fn f4_no_debit_is_authorised_later_than_the_confirmed_time() {
    let mut trial = Trial::start().await;
    let account = trial.account_with(1_000_000).await;
    let ids: Vec<String> = (0..1_000).map(|_| trial.id()).collect();
    let holds = ids.iter().map(|leg| {
        let (mut client, request) = (trial.hub.clone(), hold(leg, &account, 1));
        async move { hold_one(&mut client, request).await.unwrap() }
    });
    let (mut client, freeze) = (trial.hub.clone(), vec![order(&account, 1, true)]);
    let freezing = async {
        // In the middle of them: when a first one is there.
        while trial_legs(&mut client, &ids[..1]).await == 0 {}
        client.follow_orders(FollowOrdersRequest { orders: freeze }).await.unwrap().into_inner()
    };
    let (legs, frozen) = tokio::join!(futures_util::future::join_all(holds), freezing);
    let effective_at = signed(&account, &frozen).effective_at;
    let authorised_at = |leg: &Leg| proto::from_timestamp(leg.changed_at.as_ref().unwrap());
    let (held, refused): (Vec<_>, Vec<_>) = legs.iter().partition(|leg| leg.state() == LegState::Held);
    assert!(held.iter().all(|leg| authorised_at(leg) <= effective_at));
    assert!(refused.iter().all(|leg| refusal(leg) == "ACCOUNT_FROZEN" && authorised_at(leg) >= effective_at));
    assert!(!held.is_empty());
    let after = trial.id();
    assert_eq!(trial.hold(hold(&after, &account, 1)).await.unwrap().state(), LegState::Refused);
    trial.node.stop().await.unwrap();
}

/// How many of these legs the bank has.
async fn trial_legs(client: &mut BankServiceClient<Channel>, ids: &[String]) -> usize {
    let mut found = 0;
    for leg_id in ids {
        found += usize::from(client.get_leg(GetLegRequest { leg_id: leg_id.clone() }).await.is_ok());
    }
    found
}

#[tokio::test]
async fn orders_that_cannot_be_followed_are_refused_by_reason_and_spoil_no_others() {
    let mut trial = Trial::start().await;
    let [one, two] = [trial.account_with(1_000).await, trial.account_with(1_000).await];
    let nobody = trial.id();
    let card = FreezeOrder { instrument: Some(Named::CardId(trial.id())), ..order(&one, 1, true) };
    let orders = vec![order(&nobody, 1, true), order(&one, 1, true), card, order(&two, 0, true)];
    let answer = follow(&mut trial, orders).await;
    let reasons = answer.confirmations.iter().map(|it| it.refusal.as_ref().map_or("", |refusal| &refusal.reason));
    assert_eq!(reasons.collect::<Vec<_>>(), ["ACCOUNT_UNKNOWN", "", "CARD_UNKNOWN", "SEQUENCE_OUT_OF_RANGE"]);
    assert!(trial.account(&one).await.frozen && !trial.account(&two).await.frozen);
    let other_wish = follow(&mut trial, vec![order(&one, 1, false)]).await;
    assert_eq!(other_wish.confirmations[0].refusal.as_ref().unwrap().reason, "ID_TAKEN");

    let many = (0..51).map(|_| order(&trial.id(), 1, true)).collect();
    let table = [
        (Vec::new(), Reason::FieldMissing),
        (vec![FreezeOrder { instrument: None, ..order(&one, 2, false) }], Reason::FieldMissing),
        (vec![order(&one, 2, false), order("0192", 1, true)], Reason::IdMalformed),
        (vec![order(&one, 2, false), order(&one, 3, true)], Reason::IdTaken),
        (many, Reason::TooManyItems),
    ];
    for (orders, reason) in table {
        let refused = trial.hub.follow_orders(FollowOrdersRequest { orders }).await.unwrap_err();
        assert_eq!(reason_of(&refused), Some(reason));
    }
    assert!(trial.account(&one).await.frozen, "nothing of a message that is refused as a whole");
    let mut stranger = trial.federation.call(&trial.node, Caller::Operator);
    let refused = stranger.follow_orders(FollowOrdersRequest { orders: vec![order(&one, 2, false)] }).await;
    assert_eq!(refused.err().and_then(|status| reason_of(&status)), Some(Reason::RoleNotAllowed));
    trial.node.stop().await.unwrap();
}
