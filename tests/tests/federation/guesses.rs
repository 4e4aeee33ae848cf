//! Codes and passwords that are guessed (M5).

use std::time::Duration;

use domain::Reason;
use federation_tests::databases::Engine;
use federation_tests::payer::another_code;
use federation_tests::till::fen;
use federation_tests::wait::until;
use federation_tests::world::{Setup, World};
use futures_util::future::join_all;
use proto::terminal::PaymentState;
use server_kit::clock::{Clock as _, SystemClock};

use crate::{reason, refused};

#[tokio::test]
async fn m5_a_thousand_guesses_at_once_are_evaluated_three_times() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        if !engine.is_there() {
            continue;
        }
        let world = Setup::on(engine).start().await;
        let (till, payer) = (world.till("till-1"), world.payer("bank-a", 10_000).await);
        let (id, code) = till.begin(&payer, fen(1_000)).await;
        let guess = |n: u32| {
            let guess = format!("{:06}", (code.parse::<u32>().unwrap() + 1 + n) % 1_000_000);
            let (till, id, password) = (&till, &id, payer.password());
            async move { till.authorize(id, &till.new_id(), &guess, password).await }
        };
        let answers = join_all((0..1_000).map(guess)).await;
        let (evaluated, refusals): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
        let mut evaluated: Vec<_> = evaluated.into_iter().map(Result::unwrap).collect();
        evaluated.sort_by_key(|payment| std::cmp::Reverse(payment.attempts_left));
        let told: Vec<_> = evaluated.iter().map(|payment| (reason(payment), payment.attempts_left)).collect();
        assert_eq!(told, [("VERIFICATION_FAILED", 2), ("VERIFICATION_FAILED", 1), ("ATTEMPTS_EXHAUSTED", 0)]);
        assert_eq!(refusals.len(), 997);
        assert!(refusals.into_iter().all(|answer| refused(answer) == Reason::NotAwaitingCode));
        // The right code comes too late.
        let late = till.authorize(&id, &till.new_id(), &code, payer.password()).await;
        assert_eq!(refused(late), Reason::NotAwaitingCode);
        assert_eq!(world.settled().await.charged_minor(), 0);
    }
}

#[tokio::test]
async fn m5_code_and_password_are_refused_in_the_same_words_and_five_wrong_tries_in_a_row_block_the_payer() {
    let world = Setup::on(Engine::Sqlite).start().await;
    let (till, payer) = (world.till("till-1"), world.payer("bank-a", 10_000).await);
    let mut words = Vec::new();
    for (wrong_code, wrong_password) in [(true, false), (false, true)] {
        let (id, code) = till.begin(&payer, fen(1_000)).await;
        for _ in 0..2 {
            let typed = if wrong_code { another_code(&code) } else { code.clone() };
            let password = if wrong_password { another_code(payer.password()) } else { payer.password().to_owned() };
            let answer = till.authorize(&id, &till.new_id(), &typed, &password).await.unwrap();
            assert_eq!(answer.state(), PaymentState::AwaitingCode);
            words.push(answer.refusal.unwrap());
        }
    }
    assert!(words.iter().all(|refusal| *refusal == words[0]), "{words:?}");
    assert_eq!(words[0].reason, "VERIFICATION_FAILED");
    let (id, code) = till.begin(&payer, fen(1_000)).await;
    let fifth = till.authorize(&id, &till.new_id(), &another_code(&code), payer.password()).await.unwrap();
    assert_eq!((fifth.state(), reason(&fifth)), (PaymentState::Declined, "ATTEMPTS_EXHAUSTED"));
    let blocked = till.create(&till.new_id(), &payer, fen(1_000)).await.unwrap();
    assert_eq!((blocked.state(), reason(&blocked)), (PaymentState::Declined, "PAYER_UNAVAILABLE"));
    assert_eq!(world.settled().await.charged_minor(), 0);
}

#[tokio::test]
async fn m5_a_code_is_good_for_its_own_payment_and_once() {
    let world = Setup::on(Engine::Sqlite).start().await;
    let (till, other) = (world.till("till-1"), world.till("till-2"));
    let payer = world.payer("bank-a", 10_000).await;
    let ((first, code), (second, other_code)) = (till.begin(&payer, fen(10)).await, till.begin(&payer, fen(10)).await);
    if code != other_code {
        let swapped = till.authorize(&first, &till.new_id(), &other_code, payer.password()).await.unwrap();
        assert_eq!((swapped.state(), reason(&swapped)), (PaymentState::AwaitingCode, "VERIFICATION_FAILED"));
    }
    let stolen = other.authorize(&second, &other.new_id(), &other_code, payer.password()).await;
    assert_eq!(refused(stolen), Reason::PaymentUnknown);
    let attempt = till.new_id();
    till.authorize(&first, &attempt, &code, payer.password()).await.unwrap();
    assert_eq!(till.outcome(&first).await.state(), PaymentState::Approved);
    let again = till.authorize(&first, &attempt, &code, payer.password()).await.unwrap();
    assert_eq!(again.state(), PaymentState::Approved, "the same try again has the same answer");
    let used = till.authorize(&first, &till.new_id(), &code, payer.password()).await;
    assert_eq!(refused(used), Reason::NotAwaitingCode);
    till.cancel(&second).await.unwrap();
    assert_eq!(world.settled().await.charged_minor(), 10);
}

#[tokio::test]
async fn m5_a_code_that_has_ended_is_refused_and_the_payment_with_it() {
    let world = Setup::on(Engine::Sqlite).with("payments.code_ttl", "1s").start().await;
    let (till, payer) = (world.till("till-1"), world.payer("bank-a", 10_000).await);
    let (late, code) = till.begin(&payer, fen(10)).await;
    let ended = async || (till.get(&late).await.ok()?.state() == PaymentState::Declined).then_some(());
    until("the code to end by itself", Duration::from_secs(10), ended).await;
    let payment = till.get(&late).await.unwrap();
    assert_eq!(reason(&payment), "CODE_EXPIRED");
    assert_eq!(refused(till.authorize(&late, &till.new_id(), &code, payer.password()).await), Reason::NotAwaitingCode);
    assert_eq!(world.settled().await.charged_minor(), 0);
}

#[tokio::test]
async fn m5_a_code_that_has_ended_is_refused_before_anybody_has_swept_it_away() {
    let setup = Setup::on(Engine::Sqlite).with("payments.code_ttl", "1s").with("payments.sweep_every", "60s");
    let world = setup.start().await;
    let (till, payer) = (world.till("till-1"), world.payer("bank-a", 10_000).await);
    let (id, code) = till.begin(&payer, fen(10)).await;
    let ends = proto::from_timestamp(&till.get(&id).await.unwrap().code_expires_at.unwrap());
    until("the code to end", Duration::from_secs(10), async || (SystemClock.now() >= ends).then_some(())).await;
    let late = till.authorize(&id, &till.new_id(), &code, payer.password()).await.unwrap();
    assert_eq!((late.state(), reason(&late)), (PaymentState::Declined, "CODE_EXPIRED"));
    assert_eq!(world.settled().await.charged_minor(), 0);
}

#[tokio::test]
async fn m4_a_number_that_nobody_has_is_refused_like_one_that_cannot_pay() {
    let world = Setup::on(Engine::Sqlite).start().await;
    let (till, payer) = (world.till("till-1"), world.payer("bank-a", 500).await);
    let unknown = pay_number(&world, "+8613999999999").await;
    assert_eq!((unknown.state(), reason(&unknown)), (PaymentState::Declined, "PAYER_UNAVAILABLE"));
    let poor = till.pay(&payer, fen(501)).await;
    assert_eq!((poor.state(), reason(&poor)), (PaymentState::Declined, "INSUFFICIENT_FUNDS"));
    let bank = domain::BankId::parse("bank-a").unwrap();
    let counter = world.federation.operator().unwrap().counter(&bank).await.unwrap();
    counter.freeze(payer.person.account, true).await.unwrap();
    let frozen = till.pay(&payer, fen(100)).await;
    assert_eq!((frozen.state(), reason(&frozen)), (PaymentState::Declined, "ACCOUNT_FROZEN"));
    counter.deposit(payer.person.account, domain::Money::new(domain::Currency::CNY, 100)).await.unwrap();
    counter.freeze(payer.person.account, false).await.unwrap();
    till.sell(&payer, fen(600)).await;
    assert_eq!(world.settled().await.charged_minor(), 600);
}

async fn pay_number(world: &World, number: &str) -> proto::terminal::Payment {
    let till = world.till("till-1");
    let request = proto::terminal::CreatePaymentRequest {
        payment_id: till.new_id(),
        payer: Some(proto::terminal::create_payment_request::Payer::PhoneNumber(number.to_owned())),
        amount: Some(fen(100)),
        ..Default::default()
    };
    till.client.clone().create_payment(request).await.unwrap().into_inner().payment.unwrap()
}
