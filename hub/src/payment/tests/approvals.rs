//! Payments that are approved and declined on the payer's phone, over the hub's own calls and with a bank that is played (S2).

use std::time::Duration;

use domain::payment::State;
use domain::{DeviceId, PersonId, Reason};
use futures_util::StreamExt as _;
use proto::cardholder::{ApprovalState, ApprovePaymentRequest};
use proto::operator;
use proto::operator::operator_service_server::OperatorService as _;
use proto::terminal as pb;
use proto::terminal::terminal_service_server::TerminalService as _;
use server_kit::identity::Role;

use super::asked::{Customer, PASSWORD, policy, shop};
use super::shop::Shop;
use crate::testing::bank::Play;
use crate::testing::{from_member, on_each_engine, reason};

const APPROVED: (ApprovalState, &str) = (ApprovalState::Approved, "");

fn is(answer: &super::asked::Answer, expected: (ApprovalState, &str)) -> bool {
    answer.as_ref().is_ok_and(|(state, reason)| (*state, reason.as_str()) == expected)
}

#[tokio::test]
async fn s2_what_waits_is_shown_to_its_payer_with_everything_that_is_signed() {
    on_each_engine(async |hub| {
        let (shop, customer) = shop(&hub).await;
        let other = Customer::another(&shop, "+8613900139000").await;
        assert_eq!(shop.asked(&customer).await, []);
        let id = shop.begin(&customer, 3_550).await;
        let [asked] = shop.asked(&customer).await.try_into().unwrap();
        assert_eq!((&asked.payment_id, asked.amount.unwrap().minor_units), (&id, 3_550));
        let merchant = asked.merchant.unwrap();
        assert_eq!((merchant.display_name.as_str(), merchant.category_code.as_str()), ("面馆", "5812"));
        assert_eq!((asked.terminal_id.as_str(), asked.items[0].name.as_str()), ("till-1", "牛肉面"));
        assert_eq!((asked.bank_id.as_str(), asked.bank_name.as_str()), ("bank-a", "First Bank"));
        assert_eq!(asked.account_masked, "622848******0015");
        let stored = shop.stored(&id).await;
        assert_eq!(proto::from_timestamp(&asked.expires_at.unwrap()), stored.challenge.unwrap().expires_at);
        let lines = format!(
            "bankhub approval v1\npayment: {id}\nperson: {}\namount: 35.50 CNY\npayee: 面馆\nterminal: till-1\n\
             from: bank-a 622848******0015\nshown: ",
            customer.person_id
        );
        assert!(asked.text.starts_with(&lines), "{}", asked.text);
        assert_eq!(shop.asked(&other).await, [], "{}: nobody sees what another is asked", hub.engine);

        // A code that was sent again is one payment still; what another person is asked comes beside it, not in it.
        let request = pb::ResendCodeRequest { payment_id: id.clone(), attempt_id: hub.id().to_string() };
        shop.terminal.resend_code(from_member(Role::Terminal, "till-1", request)).await.unwrap();
        let (second, of_other) = (shop.begin(&customer, 100).await, shop.begin(&other, 200).await);
        let listed = |asked: Vec<proto::cardholder::Approval>| asked.into_iter().map(|it| it.payment_id);
        assert_eq!(listed(shop.asked(&customer).await).collect::<Vec<_>>(), [second.clone(), id.clone()]);
        assert_eq!(listed(shop.asked(&other).await).collect::<Vec<_>>(), [of_other]);
        shop.cancel(&second).await.unwrap();
        assert_eq!(listed(shop.asked(&customer).await).collect::<Vec<_>>(), [id], "what waits no more is gone");
        hub.clock.advance(Duration::from_secs(181));
        assert_eq!(shop.asked(&customer).await, [], "and so is what has ended");
        shop.all_is_well().await;
    })
    .await;
}

#[tokio::test]
async fn s2_a_yes_is_charged_once_while_the_terminal_watches_and_is_told_as_any_charge() {
    on_each_engine(async |hub| {
        let (shop, customer) = shop(&hub).await;
        let id = shop.begin(&customer, 1_250).await;
        let request = pb::WatchPaymentRequest { payment_id: id.clone() };
        let watch = shop.terminal.watch_payment(from_member(Role::Terminal, "till-1", request)).await.unwrap();
        let text = shop.asked(&customer).await[0].text.clone();
        let request = customer.sign(&text, PASSWORD);
        assert!(is(&shop.send(&customer, request.clone()).await, APPROVED), "{}", hub.engine);
        let states: Vec<_> = watch.into_inner().map(|it| it.unwrap().payment.unwrap().state()).collect().await;
        assert_eq!(states.first(), Some(&pb::PaymentState::AwaitingCode));
        assert_eq!(states.last(), Some(&pb::PaymentState::Approved), "{states:?}");
        shop.until(&id, State::Posted).await;
        assert_eq!((shop.bank.moved(), shop.bank.holds().len()), (1_250, 1));
        assert_eq!(shop.told(&customer.person_id.to_string()).await, ["CODE", "CHARGE"]);
        let log = shop.log().await;
        let by = format!(" device={} shown=", customer.device_id);
        let holding: Vec<_> = log.iter().filter(|entry| entry.contains(&by)).collect();
        assert!(holding.len() == 1 && holding[0].starts_with("HOLDING "), "{log:?}");
        assert!(holding[0].contains(&crate::hex::encode(&request.signature)), "what was signed can be verified again");

        // The same again, the code after it, and another yes.
        for _ in 0..3 {
            assert!(is(&shop.send(&customer, request.clone()).await, APPROVED));
        }
        let code = shop.code(&id).await;
        assert_eq!(reason(shop.type_in(&id, &code, PASSWORD).await), Reason::NotAwaitingCode);
        hub.clock.advance(Duration::from_secs(1));
        assert_eq!(reason(shop.approve(&customer, &id, PASSWORD).await), Reason::NotAwaitingCode);
        assert_eq!(shop.bank.holds().len(), 1);
        shop.all_is_well().await;
    })
    .await;
}

#[tokio::test]
async fn s2_a_no_ends_the_payment_at_once_and_its_code_with_it() {
    on_each_engine(async |hub| {
        let (shop, customer) = shop(&hub).await;
        let other = Customer::another(&shop, "+8613900139000").await;
        let id = shop.begin(&customer, 1_250).await;
        let (code, text) = (shop.code(&id).await, shop.text(&id).await);
        assert_eq!(reason(shop.decline(&other, &id).await), Reason::PaymentUnknown);
        assert_eq!(reason(shop.decline(&customer, &hub.id().to_string()).await), Reason::PaymentUnknown);
        assert_eq!(reason(shop.decline(&customer, "7").await), Reason::IdMalformed);
        let request = pb::WatchPaymentRequest { payment_id: id.clone() };
        let watch = shop.terminal.watch_payment(from_member(Role::Terminal, "till-1", request)).await.unwrap();
        for _ in 0..2 {
            let answer = shop.decline(&customer, &id).await;
            assert!(is(&answer, (ApprovalState::Declined, "PAYER_DECLINED")), "{}: {answer:?}", hub.engine);
        }
        let seen: Vec<_> = watch.into_inner().map(|it| it.unwrap().payment.unwrap()).collect().await;
        let last = seen.last().unwrap();
        assert_eq!((last.state(), super::shop::refusal(last)), (pb::PaymentState::Declined, Reason::PayerDeclined));
        assert_eq!(reason(shop.type_in(&id, &code, PASSWORD).await), Reason::NotAwaitingCode);
        let late = shop.send(&customer, customer.sign(&text, PASSWORD)).await;
        assert_eq!(reason(late), Reason::NotAwaitingCode);
        assert_eq!(shop.cancel(&id).await.unwrap().state(), pb::PaymentState::Declined);
        assert_eq!(
            (shop.bank.calls(), shop.told(&customer.person_id.to_string()).await),
            (vec![], vec!["CODE".to_owned()])
        );
        let log = shop.log().await;
        let by = format!("reason=PAYER_DECLINED device={}", customer.device_id);
        assert!(log.last().unwrap().starts_with("DECLINED ") && log.last().unwrap().ends_with(&by), "{log:?}");
        shop.all_is_well().await;
    })
    .await;
}

type Spoil<'s> = Box<dyn Fn(&mut ApprovePaymentRequest) + 's>;

#[tokio::test]
async fn s2_what_is_stolen_forged_or_speaks_of_something_else_changes_nothing() {
    on_each_engine(async |hub| {
        let (shop, customer) = shop(&hub).await;
        let other = Customer::another(&shop, "+8613900139000").await;
        let (id, of_other) = (shop.begin(&customer, 1_250).await, shop.begin(&other, 1_250).await);
        let (text, text_of_other) = (shop.text(&id).await, shop.text(&of_other).await);
        let resign = |from: &str, to: &str| -> Spoil<'_> {
            let signed = customer.sign(&text.replace(from, to), PASSWORD);
            Box::new(move |it| it.clone_from(&signed))
        };
        let stranger = DeviceId::from_uuid(hub.id());
        let table: Vec<(Reason, Spoil<'_>)> = vec![
            (Reason::ApprovalMismatch, resign("12.50", "1.25")),
            (Reason::ApprovalMismatch, resign("CNY", "EUR")),
            (Reason::ApprovalMismatch, resign("面馆", "面包")),
            (Reason::ApprovalMismatch, resign("till-1", "till-2")),
            (Reason::ApprovalMismatch, resign("bank-a", "bank-b")),
            (Reason::ApprovalMismatch, resign("0015", "0016")),
            (Reason::PaymentUnknown, resign(&id, &hub.id().to_string())),
            (Reason::PaymentUnknown, Box::new(|it| *it = customer.sign(&text_of_other, PASSWORD))),
            (Reason::ApprovalMalformed, resign("shown: ", "shown: +")),
            (Reason::ApprovalMalformed, Box::new(|it| it.text = String::new())),
            (Reason::ApprovalMalformed, Box::new(|it| it.text = "\u{0}\u{ffff}".repeat(100))),
            (Reason::ApprovalMalformed, Box::new(|it| it.text = text.repeat(20_000))),
            (Reason::SignatureRefused, Box::new(|it| it.text = text.replace("12.50", "1.25"))),
            (Reason::SignatureRefused, Box::new(|it| it.signature = Vec::new())),
            (Reason::SignatureRefused, Box::new(|it| it.signature = vec![0; 10 << 20])),
            (Reason::SignatureRefused, Box::new(|it| it.signature[5] ^= 1)),
            (Reason::SignatureRefused, Box::new(|it| it.signature = other.sign(&text, PASSWORD).signature)),
            (Reason::NotYours, Box::new(|it| it.device_id = other.device_id.to_string())),
            (Reason::NotYours, Box::new(|it| it.device_id = stranger.to_string())),
            (Reason::IdMalformed, Box::new(|it| it.device_id = "7".repeat(10 << 20))),
            (Reason::PasswordMalformed, Box::new(|it| it.transaction_password = "24681".to_owned())),
            (Reason::PasswordMalformed, Box::new(|it| it.transaction_password = "1".repeat(10 << 20))),
        ];
        let before = (shop.traces(&id).await, shop.traces(&of_other).await);
        for (n, (expected, spoil)) in table.into_iter().enumerate() {
            let mut request = customer.sign(&text, PASSWORD);
            spoil(&mut request);
            assert_eq!(reason(shop.send(&customer, request).await), expected, "{}: {n}", hub.engine);
        }
        // The phone of another person, which has got hold of the text.
        let stolen = other.sign(&text, PASSWORD);
        assert_eq!(reason(shop.send(&other, stolen).await), Reason::PaymentUnknown);
        // A phone that says to be another person's.
        let posing =
            Customer { person_id: customer.person_id, ..Customer::of(&shop, other.person_id, &other.number).await };
        assert_eq!(reason(shop.approve(&posing, &id, PASSWORD).await), Reason::DeviceRefused);
        assert_eq!(reason(shop.decline(&posing, &id).await), Reason::DeviceRefused);
        // One that is not bound any more, though its session may still be believed.
        let sql = "UPDATE devices SET revoked = 1, version = version + 1 WHERE device_id = $1";
        shop.change(sql, vec![customer.device_id.uuid().into()]).await;
        assert_eq!(reason(shop.approve(&customer, &id, PASSWORD).await), Reason::DeviceRefused);
        assert_eq!(reason(shop.decline(&customer, &id).await), Reason::DeviceRefused);
        assert_eq!((shop.traces(&id).await, shop.traces(&of_other).await), before);
        shop.all_is_well().await;
    })
    .await;
}

#[tokio::test]
async fn s2_a_text_that_was_shown_long_ago_or_has_yet_to_be_is_refused_and_changes_nothing() {
    on_each_engine(async |hub| {
        let (shop, customer) = shop(&hub).await;
        let id = shop.begin(&customer, 1_250).await;
        let before = shop.traces(&id).await;
        for ahead in [true, false] {
            let by = Duration::from_secs(303);
            if ahead {
                hub.clock.advance(by)
            } else {
                hub.clock.set_back(by)
            }
            let text = shop.text(&id).await;
            if ahead {
                hub.clock.set_back(by)
            } else {
                hub.clock.advance(by)
            }
            let answer = shop.send(&customer, customer.sign(&text, PASSWORD)).await;
            assert_eq!(reason(answer), Reason::ApprovalOutdated, "{}", hub.engine);
        }
        assert_eq!(shop.traces(&id).await, before);
        shop.all_is_well().await;
    })
    .await;
}

#[tokio::test]
async fn s2_a_wrong_password_on_the_phone_counts_with_those_at_the_terminal_and_blocks_the_payer() {
    on_each_engine(async |hub| {
        let (shop, customer) = shop(&hub).await;
        let first = shop.begin(&customer, 1_250).await;
        let code = shop.code(&first).await;
        let typed = shop.type_in(&first, &code, "000000").await.unwrap();
        assert_eq!((typed.state(), typed.attempts_left), (pb::PaymentState::AwaitingCode, 2));
        let request = customer.sign(&shop.text(&first).await, "000001");
        for _ in 0..5 {
            let answer = shop.send(&customer, request.clone()).await;
            assert!(is(&answer, (ApprovalState::Awaiting, "VERIFICATION_FAILED")), "{}: {answer:?}", hub.engine);
        }
        let stored = shop.stored(&first).await;
        assert_eq!(stored.challenge.unwrap().attempts_left, 1, "the same request counts once");
        let answer = shop.approve(&customer, &first, "000002").await;
        assert!(is(&answer, (ApprovalState::Declined, "ATTEMPTS_EXHAUSTED")), "{answer:?}");

        let second = shop.begin(&customer, 1_250).await;
        shop.approve(&customer, &second, "000003").await.unwrap();
        let answer = shop.approve(&customer, &second, "000004").await;
        assert!(is(&answer, (ApprovalState::Declined, "ATTEMPTS_EXHAUSTED")), "the fifth in a row: {answer:?}");
        let sql = "SELECT count(*) FROM payers WHERE blocked_until IS NOT NULL";
        assert_eq!((shop.count(sql).await, shop.bank.calls()), (1, vec![]));
        shop.all_is_well().await;
    })
    .await;
}

#[tokio::test]
async fn s2_a_right_password_starts_the_count_again_and_what_is_frozen_in_between_is_not_charged() {
    on_each_engine(async |hub| {
        let (shop, customer) = shop(&hub).await;
        let id = shop.begin(&customer, 1_250).await;
        shop.approve(&customer, &id, "000000").await.unwrap();
        let frozen = format!("bank-a CARD {}", crate::testing::bank::CARD_ID);
        let sql = "UPDATE payers SET frozen = $1, version = version + 1 WHERE person_id = $2";
        shop.change(sql, vec![frozen.into(), customer.person_id.uuid().into()]).await;
        let answer = shop.approve(&customer, &id, PASSWORD).await;
        assert!(is(&answer, (ApprovalState::Declined, "CARD_FROZEN")), "{}: {answer:?}", hub.engine);
        assert_eq!(
            (shop.count("SELECT CAST(sum(failures) AS BIGINT) FROM payers").await, shop.bank.calls()),
            (0, vec![])
        );
    })
    .await;
}

#[tokio::test]
async fn s2_a_suspended_terminal_gets_no_money_by_a_yes_either() {
    on_each_engine(async |hub| {
        let (shop, customer) = shop(&hub).await;
        let id = shop.begin(&customer, 1_250).await;
        let before = shop.traces(&id).await;
        let request = operator::SetTerminalSuspendedRequest { terminal_id: "till-1".to_owned(), suspended: true };
        shop.operator.set_terminal_suspended(from_member(Role::Operator, "anna", request)).await.unwrap();
        assert_eq!(reason(shop.approve(&customer, &id, PASSWORD).await), Reason::TerminalSuspended);
        assert_eq!(shop.traces(&id).await, before, "{}", hub.engine);
        assert!(is(&shop.decline(&customer, &id).await, (ApprovalState::Declined, "PAYER_DECLINED")));
        shop.all_is_well().await;
    })
    .await;
}

#[tokio::test]
async fn s2_what_the_bank_says_is_what_the_phone_is_told_and_a_lost_answer_is_seen_through() {
    on_each_engine(async |hub| {
        let (shop, customer) = shop(&hub).await;
        let poor = shop.begin(&customer, 1_250).await;
        shop.bank.play(&[Play::Refuse(Reason::InsufficientFunds)]);
        let answer = shop.approve(&customer, &poor, PASSWORD).await;
        assert!(is(&answer, (ApprovalState::Declined, "INSUFFICIENT_FUNDS")), "{}: {answer:?}", hub.engine);

        for (lost, name) in [(Play::LoseAnswer, "hub-2"), (Play::LoseCall, "hub-3")] {
            let moved = shop.bank.moved();
            let id = shop.begin(&customer, 700).await;
            let request = customer.sign(&shop.text(&id).await, PASSWORD);
            shop.bank.play(&[lost]);
            assert!(is(&shop.send(&customer, request.clone()).await, (ApprovalState::Pending, "")), "{lost:?}");
            // The hub dies, and another one carries on what is durable.
            // Under a name of its own: that of the one before is free once its writers have ended.
            let next = Shop::replica(&shop.hub, &shop.bank, name, policy()).await;
            next.sweep();
            next.until(&id, State::Posted).await;
            assert!(is(&next.send(&customer, request).await, APPROVED), "the same yes, to another replica");
            assert_eq!((shop.bank.moved() - moved, shop.bank.held()), (700, 0));
        }
        let person = customer.person_id.to_string();
        assert_eq!(shop.told(&person).await, ["CODE", "CODE", "CHARGE", "CODE", "CHARGE"]);
        shop.all_is_well().await;
    })
    .await;
}

#[tokio::test]
async fn s2_a_yes_to_a_payment_that_has_ended_gets_the_reason_for_which_it_has() {
    on_each_engine(async |hub| {
        let (shop, customer) = shop(&hub).await;
        for (act, state) in [("cancel", State::Cancelled), ("expire", State::Expired)] {
            let id = shop.begin(&customer, 1_250).await;
            let text = shop.text(&id).await;
            if act == "cancel" {
                shop.cancel(&id).await.unwrap();
            } else {
                let sql = "UPDATE payments SET code_expires_at = created_at, due_at = created_at, version = version + 1 \
                           WHERE state = 'CHALLENGED'";
                shop.change(sql, Vec::new()).await;
                let answer = shop.send(&customer, customer.sign(&text, PASSWORD)).await;
                assert!(is(&answer, (ApprovalState::Declined, "CODE_EXPIRED")), "{}: {answer:?}", hub.engine);
            }
            hub.clock.advance(Duration::from_secs(1));
            assert_eq!(reason(shop.approve(&customer, &id, PASSWORD).await), Reason::NotAwaitingCode, "{act}");
            assert_eq!(reason(shop.decline(&customer, &id).await), Reason::NotAwaitingCode, "{act}");
            assert_eq!(shop.stored(&id).await.state, state);
        }
        let nobody = PersonId::from_uuid(hub.id());
        assert_eq!(shop.approvals().list(nobody).await.unwrap().approvals, []);
        assert_eq!(shop.bank.calls(), Vec::<String>::new());
        shop.all_is_well().await;
    })
    .await;
}
