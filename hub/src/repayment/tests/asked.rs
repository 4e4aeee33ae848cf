//! What a phone may ask, and what it is told.

use domain::Reason;
use domain::feed::EventKind;
use domain::ledger::Nature;
use futures_util::future::join_all;
use proto::bank as bank_pb;
use proto::common;

use super::*;

#[tokio::test]
async fn r8_a_card_is_repaid_from_an_account_at_another_bank() {
    on_each_engine(async |hub| {
        let world = World::open(&hub, at_once()).await;
        let payer = world.payer().await;
        let form = world.form(&payer);
        let repaid = world.create(&payer, &form.to_string()).await.unwrap();
        assert_eq!((repaid.state(), repaid.refusal.clone()), (pb::RepaymentState::Approved, None), "{}", hub.engine);
        assert_eq!(repaid.from.as_ref().unwrap().masked, "****4821");
        assert_eq!(repaid.to.as_ref().unwrap().masked, "622848******0015");
        let done = world.comes_to(form.id, State::Posted).await;
        assert_eq!((done.due_at, world.moved()), (None, (AMOUNT, AMOUNT)));

        let [out] = world.a.holds().try_into().unwrap();
        let [come] = world.b.holds().try_into().unwrap();
        assert_eq!((out.nature(), come.nature()), (common::Nature::TransferOut, common::Nature::Repayment));
        assert_eq!(out.payer, Some(bank_pb::hold::Payer::AccountId(payer.account.to_string())));
        assert_eq!(come.payer, Some(bank_pb::hold::Payer::CardId(payer.card.to_string())));
        let named = |hold: &bank_pb::Hold| hold.merchant.clone().unwrap().display_name;
        assert_eq!((named(&out).as_str(), named(&come).as_str()), ("BANK-B 622848******0015", "BANK-A ****4821"));

        // The feed tells of it, as it is read again, too; the record of purchases knows nothing of it.
        let event = world.feed.event(payer.person_id, 1).await.unwrap().unwrap();
        let EventKind::PaidIn(told) = &event.kind else { panic!("{event:?}") };
        assert_eq!((told.payment_id, told.nature, told.amount), (form.id, Nature::Repayment, form.amount));
        assert_eq!((told.bank_id.as_str(), told.masked.as_str()), ("bank-b", "622848******0015"));
        assert_eq!(told.merchant.name.as_str(), "BANK-A ****4821");
        assert_eq!(world.count("SELECT count(*) FROM purchases").await, 0);
        assert_eq!(world.get(&payer, form.id).await.unwrap(), world.create(&payer, &form.to_string()).await.unwrap());
        world.all_is_well().await;
    })
    .await;
}

#[tokio::test]
async fn r8_what_cannot_be_repaid_is_refused_by_reason_and_nothing_is_stored() {
    on_each_engine(async |hub| {
        let world = World::open(&hub, at_once()).await;
        let (payer, other) = (world.payer().await, world.payer().await);
        let good = world.form(&payer);
        let text = good.to_string();
        let create = async |text: &str| reason(world.create(&payer, text).await);
        let with = |change: &dyn Fn(&mut Form)| {
            let mut form = good.clone();
            change(&mut form);
            form.to_string()
        };
        for (text, expected) in [
            (with(&|it| it.amount.minor = 0), Reason::AmountNotPositive),
            (with(&|it| it.amount.minor = -1), Reason::AmountNotPositive),
            (with(&|it| it.amount.minor = i64::MAX), Reason::AmountTooLarge),
            (text.replace("1250.00 CNY", "1250.00 ABC"), Reason::CurrencyUnknown),
            (text.replace("1250.00", "1250"), Reason::RepaymentMalformed),
            (text.replace("bank-a", "bank-z"), Reason::InstrumentUnknown),
            (with(&|it| it.from.instrument = Instrument::Account(other.account)), Reason::InstrumentUnknown),
            (with(&|it| it.to.instrument = Instrument::Card(other.card)), Reason::InstrumentUnknown),
            (with(&|it| it.to = it.from.clone()), Reason::RepaymentSameAccount),
            (with(&|it| it.signed_at = it.signed_at.minus(Duration::from_secs(1_000))), Reason::RepaymentOutdated),
            (with(&|it| it.signed_at = it.signed_at.plus(Duration::from_secs(1_000))), Reason::RepaymentOutdated),
            ("x".repeat(2_000), Reason::RepaymentMalformed),
        ] {
            assert_eq!(create(&text).await, expected, "{}: {text}", hub.engine);
        }
        // An account has nothing to repay.
        let second = AccountId::from_uuid(hub.id());
        world.bind(&payer, "bank-b", Instrument::Account(second), "****7").await;
        assert_eq!(
            create(&with(&|it| it.to.instrument = Instrument::Account(second))).await,
            Reason::NatureUnsupported
        );

        let send = async |request| world.repayments.create(payer.person_id, payer.device_id, request).await;
        let signed = payer.request(&text);
        let over_more = pb::CreateRepaymentRequest { text: with(&|it| it.amount.minor += 1), ..signed.clone() };
        assert_eq!(reason(send(over_more).await), Reason::SignatureRefused);
        let by_other = pb::CreateRepaymentRequest { device_id: payer.device_id.to_string(), ..other.request(&text) };
        assert_eq!(reason(send(by_other).await), Reason::SignatureRefused);
        let of_other = pb::CreateRepaymentRequest { device_id: other.device_id.to_string(), ..signed.clone() };
        assert_eq!(reason(send(of_other).await), Reason::NotYours);
        let unsigned = pb::CreateRepaymentRequest { signature: Vec::new(), ..signed.clone() };
        assert_eq!(reason(send(unsigned).await), Reason::SignatureRefused);
        // A consent's signature is good for consents alone.
        let message = format!("bankhub.v1.consent\n{}\n{text}", payer.device_id);
        let as_consent = pb::CreateRepaymentRequest { signature: payer.sign(&message), ..signed.clone() };
        assert_eq!(reason(send(as_consent).await), Reason::SignatureRefused);
        world.execute("UPDATE devices SET revoked = 1 WHERE device_id = $1", vec![payer.device_id.uuid().into()]).await;
        assert_eq!(reason(send(signed.clone()).await), Reason::DeviceRefused);
        world.execute("UPDATE devices SET revoked = 0", Vec::new()).await;
        world.execute("UPDATE banks SET suspended = 1 WHERE bank_id = 'bank-b'", Vec::new()).await;
        assert_eq!(reason(send(signed.clone()).await), Reason::BankSuspended);
        world.execute("UPDATE banks SET suspended = 0", Vec::new()).await;

        assert_eq!(world.count("SELECT count(*) FROM repayments").await, 0, "{}", hub.engine);
        assert!(world.a.calls().is_empty() && world.b.calls().is_empty());
        assert_eq!(reason(world.get(&payer, good.id).await), Reason::PaymentUnknown);
        send(signed).await.unwrap();
        assert_eq!(create(&with(&|it| it.amount.minor += 1)).await, Reason::PaymentIdTaken);
        let theirs = Form { id: good.id, ..world.form(&other) };
        assert_eq!(reason(world.create(&other, &theirs.to_string()).await), Reason::PaymentIdTaken);
        assert_eq!(reason(world.get(&other, good.id).await), Reason::PaymentUnknown);
        world.comes_to(good.id, State::Posted).await;
        world.all_is_well().await;
    })
    .await;
}

#[tokio::test]
async fn r8_the_same_repayment_sent_a_hundred_times_at_once_is_one() {
    on_each_engine(async |hub| {
        let world = World::open(&hub, at_once()).await;
        let payer = world.payer().await;
        let form = world.form(&payer);
        let text = form.to_string();
        let sent = join_all((0..100).map(|_| world.create(&payer, &text))).await;
        for answer in sent {
            let state = answer.unwrap().state();
            assert!(matches!(state, pb::RepaymentState::Approved | pb::RepaymentState::Pending), "{state:?}");
        }
        world.comes_to(form.id, State::Posted).await;
        assert_eq!(world.moved(), (AMOUNT, AMOUNT), "{}", hub.engine);
        assert_eq!((world.a.holds().len(), world.b.holds().len()), (1, 1), "{}", hub.engine);
        assert_eq!(world.count("SELECT count(*) FROM events").await, 1);
        world.all_is_well().await;
    })
    .await;
}

#[tokio::test]
async fn r8_a_person_sees_what_was_repaid_page_by_page() {
    on_each_engine(async |hub| {
        let world = World::open(&hub, at_once()).await;
        let (payer, other) = (world.payer().await, world.payer().await);
        let mut made = Vec::new();
        for _ in 0..5 {
            let form = world.form(&payer);
            world.create(&payer, &form.to_string()).await.unwrap();
            made.insert(0, form.id.to_string());
        }
        let (mut listed, mut page_token) = (Vec::new(), String::new());
        loop {
            let request = pb::ListRepaymentsRequest { page_size: 2, page_token };
            let page = world.repayments.list(payer.person_id, &request).await.unwrap();
            listed.extend(page.repayments.into_iter().map(|it| it.repayment_id));
            page_token = page.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        assert_eq!(listed, made, "{}", hub.engine);
        let list = async |page_size, token: &str| {
            let request = pb::ListRepaymentsRequest { page_size, page_token: token.to_owned() };
            world.repayments.list(other.person_id, &request).await
        };
        assert!(list(0, "").await.unwrap().repayments.is_empty());
        assert_eq!(reason(list(201, "").await), Reason::PageSizeOutOfRange);
        for bad in ["x", "1", "1.x", ".", "x.0192f0c1-7a6b-7c3d-8e4f-5a6b7c8d9e0f"] {
            assert_eq!(reason(list(0, bad).await), Reason::PageTokenMalformed, "{bad}");
        }
    })
    .await;
}

#[tokio::test]
async fn r8_nobody_repays_without_end() {
    on_each_engine(async |hub| {
        let world = World::open(&hub, at_once()).await;
        let payer = world.payer().await;
        let texts: Vec<String> = (0..101).map(|_| world.form(&payer).to_string()).collect();
        let made = join_all(texts.iter().map(|text| world.create(&payer, text))).await;
        let refused: Vec<_> = made.into_iter().filter(Result::is_err).map(reason).collect();
        assert_eq!(refused, [Reason::RepaymentsTooMany], "{}", hub.engine);
    })
    .await;
}
