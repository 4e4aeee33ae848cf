//! Lost answers, restarts and several replicas.

use domain::credit_history::ConsentState;
use server_kit::store::StepSet as _;

use super::*;
use crate::credit_history::consent::{Give, Revoke};
use crate::credit_history::federation::Asked;
use crate::credit_history::steps::{Done, Outcome, Step};
use crate::signed::SignedText;

/// The same step three times, as a writer runs it: it dies before the commit, it does not hear of the commit, and all is well.
async fn thrice(world: &World, step: Step) -> [Result<Done, Reason>; 3] {
    let parts = history_parts(&world.hub, &world.feed, world.history.parts.owner.clone());
    let chain = HeldChain::from(Chain::new(&format!("hub-1/{}", world.hub.id()), parts.keys.clone()));
    let steps = HistorySteps {
        chain,
        keys: parts.keys,
        owner: parts.owner,
        feed: parts.feed,
        zone: parts.zone,
        habits_floor: parts.habits_floor,
    };
    let mut done = Vec::new();
    for is_committed in [false, true, true] {
        let mut tx = world.hub.store.begin().await.unwrap();
        let outcomes: Vec<Outcome> = steps.run(&mut tx, std::slice::from_ref(&step)).await.unwrap();
        tx.flush().await.unwrap();
        if is_committed {
            tx.commit().await.unwrap();
        } else {
            drop(tx);
        }
        steps.dropped(&StoreError::Stopped);
        done.extend(outcomes.into_iter().map(|outcome| outcome.done));
    }
    done.try_into().unwrap()
}

#[tokio::test]
async fn r9_a_step_that_is_run_again_after_its_commit_gives_the_same_and_writes_nothing_more() {
    on_each_engine(async |hub| {
        let world = World::open(&hub).await;
        let wang = world.person(WANG.0, WANG.1).await;
        world.bill(&wang, "bank-a", 10, "DUE").await;
        let (used, revoked) = (world.form(&wang), world.form(&wang));
        for form in [&used, &revoked] {
            let phone_pb::GiveConsentRequest { text, signature, .. } = wang.signed(&form.to_string());
            let signed = SignedText { person_id: wang.id, device_id: wang.device_id, text, signature };
            for done in thrice(&world, Step::Give(Give(signed))).await {
                let Ok(Done::Consent(given)) = done else { panic!("{done:?}") };
                assert_eq!(given.consent.form(), form, "{}", hub.engine);
            }
        }
        for done in thrice(&world, Step::Revoke(Revoke { person_id: wang.id, consent_id: revoked.id })).await {
            let Ok(Done::Consent(stored)) = done else { panic!("{done:?}") };
            let now = hub.clock().now();
            assert!(matches!(stored.consent.state(now), ConsentState::Revoked(_)), "{}", hub.engine);
        }
        let bank = BankId::parse("bank-c").unwrap();
        let asked = Asked::read(bank, &world.inquiry(&wang, &used)).unwrap().sealed(&*hub.keys).unwrap();
        let [_, first, again] = thrice(&world, Step::Inquire(asked)).await.map(|done| match done {
            Ok(Done::Answered(answered)) => (answered.told.unwrap(), answered.at),
            other => panic!("{other:?}"),
        });
        assert_eq!(first, again, "{}", hub.engine);
        // Two were given, one was revoked, one was used: each is there once, and was told once.
        assert_eq!(world.rows().await[..4], [2, 1, 1, 4], "{}", hub.engine);
        assert_eq!(world.log(&wang).await.len(), 1);
        assert_eq!(world.faults().await, Vec::<String>::new());
    })
    .await;
}

#[tokio::test]
async fn r9_the_same_inquiry_gets_the_same_answer_whatever_happens_in_between() {
    on_each_engine(async |hub| {
        let world = World::open(&hub).await;
        let wang = world.person(WANG.0, WANG.1).await;
        world.bill(&wang, "bank-a", 10, "DUE").await;
        let form = world.given(&wang).await;
        let (told, untold) = (world.inquiry(&wang, &form), world.inquiry(&wang, &world.form(&wang)));
        // The answer is lost after the commit; meanwhile the history changes, and a consent is given.
        let answer = world.ask(&told).await.unwrap();
        assert_eq!(world.ask(&untold).await, Err(Reason::InquiryUnanswered), "{}", hub.engine);
        world.bill(&wang, "bank-b", 30, "DUE").await;
        let rows = world.rows().await;
        for name in ["hub-2", "hub-4"] {
            let other = World::replica(&hub, name).await;
            for _ in 0..2 {
                assert_eq!(other.ask(&told).await.as_ref(), Ok(&answer), "{}", hub.engine);
                assert_eq!(other.ask(&untold).await, Err(Reason::InquiryUnanswered));
            }
        }
        let world = World::replica(&hub, "hub-3").await;
        assert_eq!(world.rows().await, rows, "{}", hub.engine);
        let changes: [fn(&mut pb::InquireCreditHistoryRequest); 5] = [
            |it| it.name = "李雷".to_owned(),
            |it| it.phone_number = "+8613800138999".to_owned(),
            |it| it.purpose = pb::InquiryPurpose::Review.into(),
            |it| it.fields = vec![pb::ReportField::Summary.into()],
            |it| it.consent_id = it.inquiry_id.clone(),
        ];
        for change in changes {
            let mut other = told.clone();
            change(&mut other);
            assert_eq!(world.ask(&other).await, Err(Reason::IdTaken), "{} {other:?}", hub.engine);
        }
        assert_eq!(world.rows().await, rows);
        assert_eq!(
            world.ask_as("bank-b", &told).await,
            Err(Reason::InquiryUnanswered),
            "another bank's ids are its own"
        );
        assert_eq!(world.faults().await, Vec::<String>::new());
    })
    .await;
}

#[tokio::test]
async fn r9_two_replicas_at_once_use_a_consent_once_and_keep_one_log() {
    on_each_engine(async |hub| {
        let one = World::open(&hub).await;
        let two = World::replica(&hub, "hub-2").await;
        let wang = one.person(WANG.0, WANG.1).await;
        for round in 0..10 {
            let form = one.given(&wang).await;
            let (first, second) = (one.inquiry(&wang, &form), one.inquiry(&wang, &form));
            let answers = tokio::join!(one.ask(&first), two.ask(&second));
            let won = answers.0.is_ok();
            assert_ne!(won, answers.1.is_ok(), "{} {round}", hub.engine);
            let lost = if won { answers.1 } else { answers.0 };
            assert_eq!(lost, Err(Reason::ConsentUsed), "{} {round}", hub.engine);
            // The same inquiry at both is one inquiry.
            let form = one.given(&wang).await;
            let same = one.inquiry(&wang, &form);
            let (first, second) = tokio::join!(one.ask(&same), two.ask(&same));
            assert_eq!(first.unwrap(), second.unwrap(), "{} {round}", hub.engine);
        }
        assert_eq!(one.log(&wang).await.len(), 30, "{}", hub.engine);
        assert_eq!(one.news(&wang, 50).await.len(), 50);
        assert_eq!(one.faults().await, Vec::<String>::new());
    })
    .await;
}

#[tokio::test]
async fn r9_revoking_works_at_once_and_against_an_inquiry_at_another_replica_one_of_them_wins() {
    on_each_engine(async |hub| {
        let one = World::open(&hub).await;
        let two = World::replica(&hub, "hub-2").await;
        let wang = one.person(WANG.0, WANG.1).await;
        let form = one.given(&wang).await;
        one.revoke(&wang, &form).await.unwrap();
        assert_eq!(two.ask(&one.inquiry(&wang, &form)).await, Err(Reason::ConsentRevoked), "{}", hub.engine);
        for round in 0..10 {
            let form = one.given(&wang).await;
            let request = one.inquiry(&wang, &form);
            let (revoked, answer) = tokio::join!(one.revoke(&wang, &form), two.ask(&request));
            match answer {
                Ok(_) => assert_eq!(reason(revoked), Reason::ConsentUsed, "{} {round}", hub.engine),
                Err(why) => {
                    assert_eq!(why, Reason::ConsentRevoked, "{} {round}", hub.engine);
                    assert_eq!(revoked.unwrap(), phone_pb::ConsentState::Revoked);
                }
            }
        }
    })
    .await;
}
