//! Cards of debit and credit at a terminal (C1–C9, R2).

use domain::Reason;
use federation_tests::cards::{Holder, PIN};
use federation_tests::databases::Engine;
use federation_tests::till::{Till, fen};
use federation_tests::world::{Setup, World};
use futures_util::future::join_all;
use proto::common::Nature;
use proto::terminal::PaymentState;

use crate::{reason, refused};

macro_rules! on_both_engines {
    ($($name:ident => $case:ident;)*) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $name() {
                super::$case(super::Engine::Sqlite).await;
            })*
        }
        mod postgres {
            $(#[tokio::test]
            async fn $name() {
                if super::Engine::Postgres.is_there() {
                    super::$case(super::Engine::Postgres).await;
                }
            })*
        }
    };
}

on_both_engines! {
    r2_c6_a_card_pays_over_both_sides_and_money_goes_back_over_both => over_both_sides;
    c2_a_hotel_reserves_and_completes_with_less => a_hotel;
    f4_a_frozen_card_takes_a_deposit_and_pays_nothing_not_even_by_phone => frozen;
    c1_three_wrong_pins_lock_the_card_for_every_till => locked;
    r2_a_card_is_charged_by_its_own_bank_and_stands_in_the_persons_one_record => two_banks;
    r2_whatever_is_killed_a_card_pays_once => killed;
}

async fn world(engine: Engine) -> World {
    Setup::on(engine).with_cards().start().await
}

async fn over_both_sides(engine: Engine) {
    let world = world(engine).await;
    let holder = world.holder(0, "bank-a", 50_000, 100_000).await;
    let (till, pad) = (world.till("till-1"), world.pad("till-1"));
    let card = holder.read(&pad, Some(PIN));
    let paid = till.with_card(&card, Nature::Purchase, 120_000).await;
    assert_eq!(paid.state(), PaymentState::Approved, "{paid:?}");
    assert_eq!((paid.bank_id.as_str(), paid.nature()), ("bank-a", Nature::Purchase));
    assert!(paid.account_masked.contains("******"), "{paid:?}");
    assert_eq!(world.left(&holder).await, (30_000, 0), "credit first, the rest from debit");
    let again = till.card(&paid.payment_id, &card, Nature::Purchase, 120_000).await.unwrap();
    assert_eq!(again.state(), PaymentState::Approved);
    assert_eq!(refused(till.card(&paid.payment_id, &card, Nature::Purchase, 1).await), Reason::PaymentIdTaken);
    let too_much = till.with_card(&card, Nature::Purchase, 30_001).await;
    assert_eq!((too_much.state(), reason(&too_much)), (PaymentState::Declined, "INSUFFICIENT_FUNDS"));

    let back = till.new_id();
    till.insist(async |till| till.refund(&back, &paid.payment_id, fen(25_000)).await).await;
    assert_eq!(till.outcome(&back).await.state(), PaymentState::Approved);
    assert_eq!(world.left(&holder).await, (50_000, 5_000), "debit gets its part back first");
    let balance = till.balance(&card).await.unwrap();
    let minor = |money: Option<proto::common::Money>| money.unwrap().minor_units;
    assert_eq!((minor(balance.debit_available), minor(balance.credit_available)), (50_000, 5_000));
    assert_eq!(refused(till.balance(&holder.read(&pad, None)).await), Reason::PinRequired);

    let cash = till.with_card(&card, Nature::CashWithdrawal, 53_000).await;
    assert_eq!(cash.state(), PaymentState::Approved);
    assert_eq!(world.left(&holder).await, (0, 2_000), "cash: debit first, the rest as an advance");
    let reversed = till.insist(async |till| till.reverse(&cash.payment_id, fen(53_000)).await).await;
    assert_eq!(reversed.state(), PaymentState::Reversed);
    let ledgers = world.settled().await;
    assert_eq!(ledgers.charged_minor(), 120_000 - 25_000);
}

async fn a_hotel(engine: Engine) {
    let world = world(engine).await;
    let holder = world.holder(0, "bank-a", 50_000, 100_000).await;
    let (till, pad) = (world.till("till-1"), world.pad("till-1"));
    let card = holder.read(&pad, Some(PIN));
    let reserved = till.with_card(&card, Nature::PreAuthorisation, 120_000).await;
    assert_eq!(reserved.state(), PaymentState::Authorised, "{reserved:?}");
    let id = reserved.payment_id;
    assert_eq!(world.left(&holder).await, (30_000, 0));
    assert_eq!(refused(till.complete(&id, 120_001).await), Reason::CompletionTooLarge);
    let done = till.insist(async |till| till.complete(&id, 70_000).await).await;
    assert_eq!(done.state(), PaymentState::Approved, "{done:?}");
    assert_eq!(done.completed_amount, Some(fen(70_000)));
    let again = till.complete(&id, 70_000).await.unwrap();
    assert_eq!(again.state(), PaymentState::Approved);
    assert!(till.complete(&id, 60_000).await.is_err(), "one completion is all there is");
    let given_up = till.with_card(&card, Nature::PreAuthorisation, 10_000).await;
    let ended = till.insist(async |till| till.reverse(&given_up.payment_id, fen(10_000)).await).await;
    assert!(matches!(ended.state(), PaymentState::Reversed | PaymentState::Declined), "{ended:?}");
    let deposit = till.with_card(&holder.number(), Nature::Repayment, 70_000).await;
    assert_eq!(deposit.state(), PaymentState::Approved, "{deposit:?}");
    let ledgers = world.settled().await;
    let completed = ledgers.payment(&id).unwrap();
    assert_eq!((completed.state.as_str(), completed.amount_minor), ("POSTED", 70_000));
    assert_eq!(ledgers.count("ABORTED"), 1);
}

async fn frozen(engine: Engine) {
    let world = world(engine).await;
    let holder = world.holder(0, "bank-a", 50_000, 100_000).await;
    let (till, pad) = (world.till("till-1"), world.pad("till-1"));
    let card = holder.read(&pad, Some(PIN));
    let counter = world.counter("bank-a").await;
    assert!(counter.freeze_card(holder.card.id, true).await.unwrap().frozen);
    let declined = till.with_card(&card, Nature::Purchase, 100).await;
    assert_eq!((declined.state(), reason(&declined)), (PaymentState::Declined, "CARD_FROZEN"));
    let by_phone = pay_by_phone(&till, &holder, 100).await;
    assert_eq!((by_phone.state(), reason(&by_phone)), (PaymentState::Declined, "CARD_FROZEN"));
    let deposit = till.with_card(&holder.number(), Nature::Deposit, 2_000).await;
    assert_eq!(deposit.state(), PaymentState::Approved, "{deposit:?}");
    counter.freeze_card(holder.card.id, false).await.unwrap();
    let by_phone = pay_by_phone(&till, &holder, 100).await;
    assert_eq!(by_phone.state(), PaymentState::Approved, "{by_phone:?}");
    world.settled().await;
}

/// The phone number pays, with the card that is bound to it.
async fn pay_by_phone(till: &Till, holder: &Holder, minor: i64) -> proto::terminal::Payment {
    use proto::terminal::{CreatePaymentRequest, create_payment_request::Payer};
    let id = till.new_id();
    let request = CreatePaymentRequest {
        payment_id: id.clone(),
        payer: Some(Payer::PhoneNumber(holder.phone.as_e164().to_owned())),
        amount: Some(fen(minor)),
        ..CreatePaymentRequest::default()
    };
    till.client.clone().create_payment(request).await.unwrap();
    let code = holder.feed().code_for(domain::PaymentId::parse(&id).unwrap(), World::HEALING).await.unwrap();
    let code = secrecy::ExposeSecret::expose_secret(&code).to_owned();
    let attempt = till.new_id();
    till.insist(async |till| till.authorize(&id, &attempt, &code, PIN).await).await;
    till.outcome(&id).await
}

async fn locked(engine: Engine) {
    let world = world(engine).await;
    let holder = world.holder(0, "bank-a", 50_000, 100_000).await;
    let (till, pad) = (world.till("till-1"), world.pad("till-1"));
    let right = holder.read(&pad, Some(PIN));
    assert_eq!(till.with_card(&right, Nature::Purchase, 100).await.state(), PaymentState::Approved);
    // The second till's pad has a key of its own, under which the first one's block is nothing, and no try either.
    let (other, other_pad) = (world.till("till-2"), world.pad("till-2"));
    let declined = other.with_card(&right, Nature::Purchase, 100).await;
    assert_eq!(reason(&declined), "PIN_BLOCK_UNREADABLE");
    let wrong = holder.read(&pad, Some("000000"));
    for _ in 0..3 {
        let id = till.new_id();
        let declined = till.card(&id, &wrong, Nature::Purchase, 100).await.unwrap();
        assert_eq!((declined.state(), reason(&declined)), (PaymentState::Declined, "CARD_NOT_VERIFIED"));
        // A terminal that did not hear the answer sends the same again: it is the same try.
        let again = till.card(&id, &wrong, Nature::Purchase, 100).await.unwrap();
        assert_eq!(reason(&again), "CARD_NOT_VERIFIED");
    }
    let right = holder.read(&other_pad, Some(PIN));
    let declined = other.with_card(&right, Nature::Purchase, 100).await;
    assert_eq!(reason(&declined), "CARD_LOCKED");
    assert!(world.counter("bank-a").await.card(holder.card.id).await.unwrap().locked);
    world.settled().await;
}

async fn two_banks(engine: Engine) {
    let world = Setup::on(engine).with_banks(&["bank-a", "bank-b"]).with_cards().start().await;
    let (a, b) = (world.holder(0, "bank-a", 1_000, 0).await, world.holder(1, "bank-b", 1_000, 0).await);
    let operator = world.federation.operator().unwrap();
    let (till, pad) = (world.till("till-1"), world.pad("till-1"));
    for (holder, bank) in [(&a, "bank-a"), (&b, "bank-b")] {
        let paid = till.with_card(&holder.read(&pad, Some(PIN)), Nature::Purchase, 300).await;
        assert_eq!((paid.state(), paid.bank_id.as_str()), (PaymentState::Approved, bank), "{paid:?}");
    }
    assert_eq!((world.left(&a).await.0, world.left(&b).await.0), (700, 700));
    let stranger = till.card(&till.new_id(), &visa(), Nature::Purchase, 300).await;
    assert_eq!(refused(stranger), Reason::BinUnknown);
    // Each hears of its own.
    for (holder, bank) in [(&a, "bank-a"), (&b, "bank-b")] {
        let listed = holder.device.payments(10, "").await.unwrap().purchases;
        let banks: Vec<_> = listed.iter().map(|payment| payment.bank_id.as_str()).collect();
        assert_eq!(banks, [bank]);
    }
    let taken = operator.bind_card(b.person, &a.bank, a.card.id, false).await.unwrap_err();
    assert_eq!(taken.reason(), Some(Reason::CardTaken));
    world.settled().await;
}

fn visa() -> proto::common::PresentedCard {
    proto::common::PresentedCard {
        pan: "4111111111111111".to_owned(),
        expiry: "9912".to_owned(),
        cvv2: "123".to_owned(),
        ..proto::common::PresentedCard::default()
    }
}

/// Each server kills itself with SIGKILL at each durable point of a card's payment and is started again, while a terminal that
/// knows nothing of it reads the card until the payment is answered.
async fn killed(engine: Engine) {
    const POINTS: [(&str, &str); 9] = [
        ("hub-1", "D2.before"),
        ("hub-1", "D2.after"),
        ("hub-1", "hold.after"),
        ("hub-1", "D4.before"),
        ("hub-1", "D4.after"),
        ("bank-a", "D3.before"),
        ("bank-a", "D3.after"),
        ("bank-a", "D5.before"),
        ("bank-a", "D5.after"),
    ];
    let mut world = Setup::on(engine).with_cards().with("payments.decide_within", "10s").start().await;
    let holder = world.holder(0, "bank-a", 500_000, 100_000).await;
    let pad = world.pad("till-1");
    let first = world.till("till-1").with_card(&holder.read(&pad, Some(PIN)), Nature::Purchase, 1_000).await;
    assert_eq!(first.state(), PaymentState::Approved);
    let mut approved = 1;
    for (server, point) in POINTS {
        world.arm(server, point, 1).await;
        let till = world.till("till-1");
        let ids: Vec<_> = (0..2).map(|_| till.new_id()).collect();
        let pay = async |id: &String| {
            let card = holder.read(&pad, Some(PIN));
            till.card_until_answered(id, &card, Nature::Purchase, 1_000).await
        };
        let (paid, ()) = tokio::join!(join_all(ids.iter().map(pay)), world.rise_again(server));
        for payment in &paid {
            let in_time = payment.state() == PaymentState::Approved;
            assert!(in_time || reason(payment) == "DECISION_TIMED_OUT", "{point}: {payment:?}");
            approved += i64::from(in_time);
        }
    }
    assert!(approved > 9, "of {} payments {approved} were approved", 1 + 2 * POINTS.len());
    let ledgers = world.settled().await;
    assert_eq!(ledgers.charged_minor(), 1_000 * approved);
}
