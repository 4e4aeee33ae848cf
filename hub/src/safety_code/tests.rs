//! Safety codes on both engines: who may allow one, who may set one, and how often one may be tried.

use domain::safety_code::SetForm;
use domain::{OrderId, Reason};
use futures_util::future::join_all;
use proto::federation::allow_safety_code_request::Instrument;
use proto::{cardholder, federation, operator};
use server_kit::clock::Clock as _;

use super::NOBODY;
use crate::testing::lost::{CODE, Caller, Lost, PASSWORD, code};
use crate::testing::{on_each_engine, on_postgres};

impl Lost {
    async fn try_code(&self, caller: &Caller, text: &str) -> Result<(), Reason> {
        self.safety_codes.prove(caller.id, code(text), "call/+8613******01".to_owned()).await.unwrap()
    }
}

#[tokio::test]
async fn f1_after_a_check_at_the_bank_a_code_is_set_once_and_the_person_is_told() {
    on_each_engine(async |hub| {
        let (world, _, caller, (account, _)) = Lost::open(&hub).await;
        let not_allowed = Err(Reason::SafetyCodeNotAllowed);
        assert_eq!(world.set_by_app(&caller, world.sign(&caller, CODE)).await, not_allowed, "{}", hub.engine);
        let check = world.check(account);
        let first = world.allow("bank-a", &check).await.unwrap();
        assert_eq!(world.allow("bank-a", &check).await, Ok(first), "the same check again opens nothing anew");
        let set = world.sign(&caller, CODE);
        world.set_by_app(&caller, set.clone()).await.unwrap();
        world.set_by_app(&caller, set).await.expect("the same form again is answered again");
        assert_eq!(world.try_code(&caller, CODE).await, Ok(()));
        world.allow("bank-a", &check).await.unwrap();
        let refused = Err(Reason::SafetyCodeCardRefused);
        assert_eq!(world.set_by_card(&caller.phone, "161803").await, refused, "the window was used");
        world.set_by_app(&caller, world.sign(&caller, "141421")).await.expect("another code takes the app alone");
        assert_eq!(world.try_code(&caller, CODE).await, Err(Reason::SafetyCodeRefused), "the one before it is over");
        let told = world.told(&caller).await;
        assert_eq!(told.len(), 3, "{told:?}");
        assert!(told[0].starts_with("The bank-a has checked who you are: for 30 days you may set a safety code once"));
        assert!(told[1].starts_with("Your safety code was set in the app.") && told[2] == told[1]);
        let logged = world.logged("safety_code.allowed").await;
        assert_eq!(logged.len(), 1);
        assert!(logged[0].contains("by=operator/op-1 how=ID card and photo"), "{logged:?}");
        let standing = world.safety_codes.standing(caller.id).await.unwrap();
        assert!(standing.set_at.is_some() && standing.open_until.is_none() && standing.blocked_until.is_none());
        world.books_are_fine().await;
    })
    .await;
}

#[tokio::test]
async fn f1_a_window_that_is_over_sets_nothing_and_a_new_check_opens_it_anew() {
    on_each_engine(async |hub| {
        let (world, _, caller, (account, _)) = Lost::open(&hub).await;
        world.allow("bank-a", &world.check(account)).await.unwrap();
        let over = "UPDATE safety_codes SET open_until = $1";
        let now = hub.clock.now().minus(std::time::Duration::from_secs(5));
        world.change(over, vec![now.into()]).await;
        world.change("UPDATE identity_checks SET open_until = $1", vec![now.into()]).await;
        let not_allowed = Err(Reason::SafetyCodeNotAllowed);
        assert_eq!(world.set_by_app(&caller, world.sign(&caller, CODE)).await, not_allowed, "{}", hub.engine);
        assert_eq!(world.set_by_card(&caller.phone, CODE).await, Err(Reason::SafetyCodeCardRefused));
        world.allow("bank-a", &world.check(account)).await.unwrap();
        world.set_by_card(&caller.phone, CODE).await.unwrap();
        world.safety_codes.allow_for_operator("op-1", &world.operators_check(&caller)).await.unwrap().unwrap();
        world.set_by_card(&caller.phone, "161803").await.expect("another check lets it be set by card once more");
        assert_eq!(world.try_code(&caller, "161803").await, Ok(()));
        world.books_are_fine().await;
    })
    .await;
}

#[tokio::test]
async fn f1_a_bank_speaks_of_nothing_but_what_is_bound_at_itself_and_what_cannot_be_read_opens_nothing() {
    on_each_engine(async |hub| {
        let (world, _, caller, (account, card)) = Lost::open(&hub).await;
        world.bank("bank-b", "https://127.0.0.1:1").await;
        let check = world.check(account);
        assert_eq!(world.allow("bank-b", &check).await, Err(Reason::InstrumentUnknown), "{}", hub.engine);
        assert_eq!(world.allow("bank-c", &check).await, Err(Reason::BankUnknown));
        let with = |change: &dyn Fn(&mut federation::AllowSafetyCodeRequest)| {
            let mut check = check.clone();
            change(&mut check);
            check
        };
        let table = [
            (with(&|it| it.instrument = None), Reason::FieldMissing),
            (with(&|it| it.check_id = "1".to_owned()), Reason::IdMalformed),
            (with(&|it| it.instrument = Some(Instrument::AccountId("1".to_owned()))), Reason::IdMalformed),
            (with(&|it| it.instrument = Some(Instrument::AccountId(card.to_string()))), Reason::InstrumentUnknown),
            (with(&|it| it.checked_by = String::new()), Reason::TextMalformed),
            (with(&|it| it.checked_how = "two\nlines".to_owned()), Reason::TextMalformed),
        ];
        for (request, reason) in table {
            assert_eq!(world.allow("bank-a", &request).await, Err(reason));
        }
        world.change("UPDATE banks SET suspended = 1 WHERE bank_id = 'bank-a'", Vec::new()).await;
        assert_eq!(world.allow("bank-a", &check).await, Err(Reason::BankSuspended));
        world.change("UPDATE banks SET suspended = 0", Vec::new()).await;
        world.allow("bank-a", &check).await.unwrap();
        let other = with(&|it| it.checked_how = "passport".to_owned());
        assert_eq!(world.allow("bank-a", &other).await, Err(Reason::IdTaken));
        let unknown =
            operator::AllowSafetyCodeRequest { person_id: hub.id().to_string(), ..world.operators_check(&caller) };
        let refused = world.safety_codes.allow_for_operator("op-1", &unknown).await.unwrap();
        assert_eq!(refused.err(), Some(Reason::PersonUnknown));
        assert_eq!(world.told(&caller).await.len(), 1);
        world.books_are_fine().await;
    })
    .await;
}

#[tokio::test]
async fn f3_a_code_from_the_app_takes_the_phones_key_and_the_transaction_password() {
    on_each_engine(async |hub| {
        let (world, _, caller, (account, _)) = Lost::open(&hub).await;
        let other = world.person("+8613800138002").await;
        world.allow("bank-a", &world.check(account)).await.unwrap();
        let with = |text: &str, change: &dyn Fn(&mut cardholder::SetSafetyCodeRequest)| {
            let mut request = world.sign(&caller, text);
            change(&mut request);
            request
        };
        let table = [
            (with(CODE, &|it| it.signature[0] ^= 1), Reason::SignatureRefused),
            (with(CODE, &|it| it.text = it.text.replace(CODE, "161803")), Reason::SignatureRefused),
            (world.sign(&other, CODE), Reason::SignatureRefused),
            (with(CODE, &|it| it.transaction_password = "000000".to_owned()), Reason::VerificationFailed),
            (with(CODE, &|it| it.transaction_password = "00000".to_owned()), Reason::PasswordMalformed),
            (with("123456", &|_| {}), Reason::SafetyCodeGuessable),
            (with(CODE, &|it| it.text = "x".repeat(513)), Reason::TextMalformed),
            (with(CODE, &|it| it.text.push('\n')), Reason::FieldUnknown),
        ];
        for (request, reason) in table {
            assert_eq!(world.set_by_app(&caller, request).await, Err(reason), "{}", hub.engine);
        }
        world.set_by_app(&caller, world.sign(&caller, CODE)).await.expect("after a wrong password, too");
        for _ in 0..5 {
            let wrong = with("161803", &|it| it.transaction_password = "000000".to_owned());
            assert_eq!(world.set_by_app(&caller, wrong).await, Err(Reason::VerificationFailed));
        }
        let refused = world.set_by_app(&caller, world.sign(&caller, "161803")).await;
        assert_eq!(refused, Err(Reason::AttemptsExhausted), "the password is the one of the terminals");
        assert_eq!(world.try_code(&caller, CODE).await, Ok(()), "which stops no safety code");
        world.change("UPDATE devices SET revoked = 1", Vec::new()).await;
        let refused = world.set_by_app(&caller, world.sign(&caller, "161803")).await;
        assert_eq!(refused, Err(Reason::DeviceRefused));
        world.books_are_fine().await;
    })
    .await;
}

#[tokio::test]
async fn f3_the_id_of_a_form_is_good_for_one_code() {
    on_each_engine(async |hub| {
        let (world, _, caller, (account, _)) = Lost::open(&hub).await;
        world.allow("bank-a", &world.check(account)).await.unwrap();
        let first = world.sign(&caller, CODE);
        world.set_by_app(&caller, first.clone()).await.unwrap();
        let order_id = SetForm::parse(&first.text, hub.clock.now()).unwrap().order_id;
        let second = world.sign_as(&caller, order_id, "161803");
        assert_eq!(world.set_by_app(&caller, second).await, Err(Reason::IdTaken), "{}", hub.engine);
        assert_eq!(world.try_code(&caller, CODE).await, Ok(()));
    })
    .await;
}

#[tokio::test]
async fn f2_five_wrong_codes_in_a_row_block_it_and_the_person_is_told_and_can_pay() {
    on_each_engine(async |hub| {
        let (world, _, caller, (account, _)) = Lost::open(&hub).await;
        world.has_code(&caller, account).await;
        let refused = Err(Reason::SafetyCodeRefused);
        for _ in 0..4 {
            assert_eq!(world.try_code(&caller, "161803").await, refused, "{}", hub.engine);
        }
        assert_eq!(world.try_code(&caller, CODE).await, Ok(()), "a right one starts the count again");
        for _ in 0..5 {
            assert_eq!(world.try_code(&caller, "161803").await, refused);
        }
        assert_eq!(world.try_code(&caller, CODE).await, refused, "also the right one, in the same words");
        let told = world.told(&caller).await;
        assert_eq!(told.len(), 3);
        assert!(told[2].starts_with("Your safety code was wrong too often and is not looked at for 30 minutes."));
        let sql = "SELECT failures, blocked_until FROM payers WHERE person_id = $1";
        let row = hub.store.fetch_one(sql, vec![caller.id.uuid().into()]).await.unwrap().unwrap();
        assert_eq!((row.int(0).unwrap(), row.maybe_time(1).unwrap()), (0, None), "payments go on");
        world.set_by_app(&caller, world.sign(&caller, "141421")).await.unwrap();
        assert_eq!(world.try_code(&caller, "141421").await, refused, "a new code resets nothing");
        world.change("UPDATE safety_codes SET blocked_until = 0", Vec::new()).await;
        assert_eq!(world.try_code(&caller, "141421").await, Ok(()));
        world.books_are_fine().await;
    })
    .await;
}

#[tokio::test]
async fn f2_two_replicas_that_race_hear_five_tries_in_a_row_and_no_more() {
    on_postgres(async |hub| {
        let (one, _, caller, (account, _)) = Lost::open(&hub).await;
        let two = Lost::replica(&hub, "hub-2").await;
        one.has_code(&caller, account).await;
        let tries = (0..40).map(|n| {
            let (world, caller) = (if n % 2 == 0 { &one } else { &two }, &caller);
            // The right one comes after nineteen wrong ones of each replica.
            async move { world.try_code(caller, if n < 38 { "161803" } else { CODE }).await }
        });
        let answers = join_all(tries).await;
        assert!(answers.iter().all(|answer| *answer == Err(Reason::SafetyCodeRefused)), "{answers:?}");
        let heard = one.logged("safety_code.refused").await;
        let counted = heard.iter().filter(|line| line.contains("blocked=false")).count();
        assert_eq!((heard.len(), counted), (40, 4), "the fifth blocks, and the others are not looked at");
        assert_eq!(one.told(&caller).await.len(), 3, "it is told once");
        one.books_are_fine().await;
    })
    .await;
}

#[tokio::test]
async fn f2_one_window_that_two_replicas_use_at_once_sets_one_code() {
    on_postgres(async |hub| {
        let (one, _, caller, (account, _)) = Lost::open(&hub).await;
        let two = Lost::replica(&hub, "hub-2").await;
        one.allow("bank-a", &one.check(account)).await.unwrap();
        let codes = ["314159", "161803", "141421", "173205", "223606", "264575"];
        let settings = codes.iter().enumerate().map(|(n, code)| {
            let (world, caller) = (if n % 2 == 0 { &one } else { &two }, &caller);
            async move { world.set_by_card(&caller.phone, code).await }
        });
        let answers = join_all(settings).await;
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1, "{answers:?}");
        one.books_are_fine().await;
    })
    .await;
}

#[tokio::test]
async fn f2_nobody_is_refused_like_somebody_and_stands_in_the_log_like_somebody() {
    on_each_engine(async |hub| {
        let (world, _, caller, (account, _)) = Lost::open(&hub).await;
        world.has_code(&caller, account).await;
        let somebody = world.try_code(&caller, "161803").await;
        let nobody = world.safety_codes.prove(NOBODY, code(CODE), "call/+8613******09".to_owned()).await.unwrap();
        assert_eq!((somebody, nobody), (Err(Reason::SafetyCodeRefused), Err(Reason::SafetyCodeRefused)));
        assert_eq!(world.logged("safety_code.refused").await.len(), 2, "{}", hub.engine);
        let without = world.person("+8613800138002").await;
        assert_eq!(world.try_code(&without, CODE).await, Err(Reason::SafetyCodeRefused));
        assert!(!PASSWORD.is_empty() && world.told(&without).await.is_empty());
        world.books_are_fine().await;
    })
    .await;
}

impl Lost {
    fn sign_as(&self, caller: &Caller, order_id: OrderId, text: &str) -> cardholder::SetSafetyCodeRequest {
        caller.signed(&SetForm { order_id, signed_at: self.hub.clock.now(), code: code(text) })
    }
}
