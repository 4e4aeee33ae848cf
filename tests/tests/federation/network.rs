//! Payments by phone number over ISO 8583 (M6, M7).

use bankhub::acquirer::Acquirer;
use domain::Reason;
use domain::network::{Response, Sum, Totals};
use federation_tests::databases::Engine;
use federation_tests::links::{EXCHANGE_KEY, MAC_KEY, Stubborn, cny, key, options};
use federation_tests::payer::another_code;
use federation_tests::world::Setup;
use futures_util::future::join_all;
use hub::network::config::DialectName;

const BALANCE: i64 = 100_000;
const PRICE: i64 = 1_250;

async fn a_payment_and_its_reversal(engine: Engine) {
    if !engine.is_there() {
        return;
    }
    let mut world = Setup::on(engine).start().await;
    let addr = world.open_link("union-pay", &[]).await;
    let payer = world.payer("bank-a", BALANCE).await;
    let mut stubborn = Stubborn::connect(options(addr, DialectName::UnionPay)).await;
    let (first, second, response) = stubborn.pay(&payer, cny(PRICE)).await;
    assert_eq!(response, Response::Approved);
    assert_eq!(world.available(&payer).await, BALANCE - PRICE);
    // Repeats get the first answer, whatever has become of the payment.
    let acquirer = stubborn.acquirer().clone();
    let again = acquirer.ask(first, &acquirer.first(&payer.person.phone, cny(PRICE))).await.unwrap();
    assert_eq!(again.response(), Response::CodeSent);
    let other = acquirer.ask(first, &acquirer.first(&payer.person.phone, cny(PRICE + 1))).await.unwrap();
    assert_eq!(other.response(), Response::Refused(Reason::PaymentIdTaken), "the same message with other content");
    // A part goes back, and no more than was paid; then nothing can be reversed any more.
    assert_eq!(acquirer.refund(first, cny(250)).await.unwrap().response(), Response::Approved);
    let too_much = acquirer.refund(first, cny(PRICE)).await.unwrap();
    assert_eq!(too_much.response(), Response::Refused(Reason::RefundTooLarge));
    let reversed = acquirer.reverse(first, cny(PRICE)).await.unwrap();
    assert_eq!(reversed.response(), Response::Refused(Reason::NotReversible));
    // The reversal of another one, by the name of its second message.
    let (_, second_of_other, response) = stubborn.pay(&payer, cny(PRICE)).await;
    assert_eq!(response, Response::Approved);
    for _ in 0..2 {
        let reversed = acquirer.reverse(second_of_other, cny(PRICE)).await.unwrap();
        assert_eq!(reversed.response(), Response::Approved, "the reversal again is the same answer");
    }
    let wrong = acquirer.reverse(second, cny(PRICE - 1)).await.unwrap();
    assert_eq!(wrong.response(), Response::Refused(Reason::ReversalAmountMismatch));
    // The day's totals are those of the stored payments.
    let sum = |number, minor| Sum { number, minor };
    let theirs = Totals {
        debits: sum(2, 2 * PRICE),
        debit_reversals: sum(1, PRICE),
        credits: sum(1, 250),
        credit_reversals: sum(0, 0),
    };
    let currency = cny(0).currency;
    assert_eq!(acquirer.totals(None, currency, &theirs).await.unwrap(), (Response::Approved, theirs));
    let off = Totals { debits: sum(2, 2 * PRICE + 1), ..theirs };
    let (response, ours) = acquirer.totals(None, currency, &off).await.unwrap();
    assert_eq!((response, ours), (Response::Refused(Reason::TotalsDiffer), theirs));
    let ledgers = world.settled().await;
    assert_eq!(ledgers.charged_minor(), PRICE - 250);
}

#[tokio::test]
async fn m6_a_phone_pays_over_a_card_network_and_the_day_is_in_balance() {
    a_payment_and_its_reversal(Engine::Sqlite).await;
}

#[tokio::test]
async fn m6_a_phone_pays_over_a_card_network_and_the_day_is_in_balance_on_postgres() {
    a_payment_and_its_reversal(Engine::Postgres).await;
}

#[tokio::test]
async fn m5_wrong_codes_over_a_card_network_count_as_at_a_terminal() {
    let mut world = Setup::on(Engine::Sqlite).start().await;
    let addr = world.open_link("iso-1987-ascii", &[]).await;
    let payer = world.payer("bank-a", BALANCE).await;
    let stubborn = Stubborn::connect(options(addr, DialectName::Ascii)).await;
    let acquirer = stubborn.acquirer();
    let first = acquirer.name("0200").unwrap();
    acquirer.ask(first, &acquirer.first(&payer.person.phone, cny(PRICE))).await.unwrap();
    let (_, code) = payer.next_code().await;
    let wrong = stubborn.second(first, &payer, cny(PRICE), &another_code(&code));
    let named = acquirer.name("0200").unwrap();
    for _ in 0..5 {
        // The same message counts once.
        let answer = acquirer.ask(named, &wrong).await.unwrap();
        assert_eq!(answer.response(), Response::Refused(Reason::VerificationFailed));
        assert_eq!(answer.private(domain::network::Tag::TriesLeft).as_deref(), Some("2"));
    }
    for reason in [Reason::VerificationFailed, Reason::AttemptsExhausted] {
        let answer = acquirer.ask(acquirer.name("0200").unwrap(), &wrong).await.unwrap();
        assert_eq!(answer.response(), Response::Refused(reason));
    }
    let right = stubborn.second(first, &payer, cny(PRICE), &code);
    let answer = acquirer.ask(acquirer.name("0200").unwrap(), &right).await.unwrap();
    assert_eq!(answer.response(), Response::Refused(Reason::NotAwaitingCode));
    assert_eq!(world.settled().await.charged_minor(), 0);
}

#[tokio::test]
async fn m7_a_reversal_that_comes_before_its_message_wins() {
    let mut world = Setup::on(Engine::Sqlite).start().await;
    let addr = world.open_link("iso-1987-bcd", &[]).await;
    let payer = world.payer("bank-a", BALANCE).await;
    let stubborn = Stubborn::connect(options(addr, DialectName::Bcd)).await;
    let acquirer = stubborn.acquirer();
    // Of a first message that the hub has never seen.
    let unseen = acquirer.name("0200").unwrap();
    assert_eq!(acquirer.reverse(unseen, cny(PRICE)).await.unwrap().response(), Response::Approved);
    let late = acquirer.ask(unseen, &acquirer.first(&payer.person.phone, cny(PRICE))).await.unwrap();
    assert_eq!(late.response(), Response::Refused(Reason::ReversedBeforeApproval));
    // Of a second one.
    let first = acquirer.name("0200").unwrap();
    acquirer.ask(first, &acquirer.first(&payer.person.phone, cny(PRICE))).await.unwrap();
    let (_, code) = payer.next_code().await;
    let second = acquirer.name("0200").unwrap();
    assert_eq!(acquirer.reverse(second, cny(PRICE)).await.unwrap().response(), Response::Approved);
    let fields = stubborn.second(first, &payer, cny(PRICE), &code);
    let late = acquirer.ask(second, &fields).await.unwrap();
    assert_eq!(late.response(), Response::Refused(Reason::ReversedBeforeApproval));
    assert_eq!(world.settled().await.charged_minor(), 0);
}

#[tokio::test]
async fn m7_a_thousand_repeats_at_once_are_one_payment_and_one_answer() {
    let mut world = Setup::on(Engine::Sqlite).start().await;
    let addr = world.open_link("union-pay", &[("window", "200")]).await;
    let payer = world.payer("bank-a", BALANCE).await;
    let (mut connections, few) = (Vec::new(), 4);
    for _ in 0..few {
        connections.push(Acquirer::connect(options(addr, DialectName::UnionPay)).await.unwrap());
    }
    // A connection finds one answer for each number, so that those of one message go over as many connections, one after the other.
    let storm = async |named, fields: &bankhub::acquirer::Fields| {
        let each = connections.iter().map(|connection| async move {
            let mut answers = Vec::new();
            for _ in 0..1_000 / few {
                answers.push(connection.ask(named, fields).await.unwrap().response());
            }
            answers
        });
        join_all(each).await.concat()
    };
    let acquirer = &connections[0];
    let first = acquirer.name("0200").unwrap();
    let answers = storm(first, &acquirer.first(&payer.person.phone, cny(PRICE))).await;
    assert!(answers.iter().all(|answer| *answer == Response::CodeSent) && answers.len() == 1_000);
    let (_, code) = payer.next_code().await;
    let code = domain::OneTimeCode::parse(&code).unwrap();
    let paying = (&payer.person.phone, cny(PRICE));
    let fields = acquirer.second(first, paying, (&code, payer.password())).unwrap();
    let answers = storm(acquirer.name("0200").unwrap(), &fields).await;
    assert!(answers.iter().all(|answer| *answer == Response::Approved), "{answers:?}");
    let ledgers = world.settled().await;
    assert_eq!((ledgers.charged_minor(), ledgers.payments.len()), (PRICE, 1));
}

#[tokio::test]
async fn m7_keys_are_exchanged_and_what_is_not_sealed_with_them_is_refused() {
    let mut world = Setup::on(Engine::Sqlite).start().await;
    let mac = world.secret("link-mac", MAC_KEY);
    let addr = world.open_link("iso-1987-ascii-binary", &[("mac_key", &mac)]).await;
    let payer = world.payer("bank-a", BALANCE).await;
    let unsealed = Acquirer::connect(options(addr, DialectName::AsciiBinary)).await.unwrap_err();
    assert!(unsealed.to_string().contains("MAC_REFUSED"), "{unsealed}");
    let mut sealed = options(addr, DialectName::AsciiBinary);
    sealed.mac_key = Some(key(MAC_KEY));
    let mut stubborn = Stubborn::connect(sealed).await;
    assert_eq!(stubborn.pay(&payer, cny(PRICE)).await.2, Response::Approved);
    stubborn.acquirer().exchange_keys(&key(EXCHANGE_KEY)).await.unwrap();
    stubborn.acquirer().echo().await.unwrap();
    assert_eq!(stubborn.pay(&payer, cny(PRICE)).await.2, Response::Approved);
    assert_eq!(world.settled().await.charged_minor(), 2 * PRICE);
}

#[tokio::test]
async fn m7_a_cut_over_begins_another_day() {
    let mut world = Setup::on(Engine::Sqlite).start().await;
    let addr = world.open_link("union-pay", &[]).await;
    let payer = world.payer("bank-a", BALANCE).await;
    let mut stubborn = Stubborn::connect(options(addr, DialectName::UnionPay)).await;
    assert_eq!(stubborn.pay(&payer, cny(PRICE)).await.2, Response::Approved);
    let zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(8));
    let now = server_kit::clock::Clock::now(&server_kit::clock::SystemClock);
    let today = zone.to_datetime(jiff::Timestamp::from_microsecond(now.micros()).unwrap()).date();
    let day = |date: jiff::civil::Date| u16::try_from(i16::from(date.month()) * 100 + i16::from(date.day())).unwrap();
    let tomorrow = today.tomorrow().unwrap();
    let acquirer = stubborn.acquirer().clone();
    assert_eq!(acquirer.cut_over(day(tomorrow)).await.unwrap().response(), Response::Approved);
    let back = acquirer.cut_over(day(today.yesterday().unwrap())).await.unwrap();
    assert_eq!(back.response(), Response::Refused(Reason::TimeOutOfRange), "no day comes back");
    assert_eq!(stubborn.pay(&payer, cny(2 * PRICE)).await.2, Response::Approved);
    let one = |minor| Totals { debits: Sum { number: 1, minor }, ..Totals::default() };
    let currency = cny(0).currency;
    for (asked, minor) in [(Some(day(today)), PRICE), (Some(day(tomorrow)), 2 * PRICE), (None, 2 * PRICE)] {
        let (response, ours) = acquirer.totals(asked, currency, &one(minor)).await.unwrap();
        assert_eq!((response, ours), (Response::Approved, one(minor)), "{asked:?}");
    }
    world.settled().await;
}
