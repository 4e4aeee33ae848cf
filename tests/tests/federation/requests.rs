//! Requests that cannot be right: each is refused by its reason, nothing is stored, and the server goes on.

use domain::Reason;
use federation_tests::callers::send_bytes;
use federation_tests::databases::Engine;
use federation_tests::till::{Till, fen};
use federation_tests::world::Setup;
use futures_util::future::join_all;
use prost::Message as _;
use proto::bank::bank_service_client::BankServiceClient;
use proto::bank::{Hold, HoldLegsRequest, RefundLegRequest, VoidLegRequest, hold};
use proto::common::{LineItem, Merchant, Money, Nature};
use proto::counter::counter_service_client::CounterServiceClient;
use proto::counter::{AccountKind, DepositCashRequest, OpenAccountRequest};
use proto::operator::*;
use proto::terminal::create_payment_request::Payer::PhoneNumber;
use proto::terminal::*;
use server_kit::identity::Role;
use tonic::Code;
use tonic::transport::Channel;

use crate::{reason, refused};

const CREATE: &str = "/bankhub.terminal.v1.TerminalService/CreatePayment";
const HOLD: &str = "/bankhub.bank.v1.BankService/HoldLegs";

fn money(currency_code: &str, minor_units: i64) -> Option<Money> {
    Some(Money { currency_code: currency_code.to_owned(), minor_units })
}

/// A request that is right, for a number that nobody has.
fn good(till: &Till) -> CreatePaymentRequest {
    CreatePaymentRequest {
        payment_id: till.new_id(),
        payer: Some(PhoneNumber("+8613912345678".to_owned())),
        amount: money("CNY", 100),
        items: vec![item("Beef noodles")],
        merchant_reference: "bill 7".to_owned(),
    }
}

fn item(name: &str) -> LineItem {
    LineItem { name: name.to_owned(), code: String::new(), quantity_milli: 1_000, amount_minor: 100 }
}

/// Names that would play tricks where they are shown.
fn tricks() -> [String; 8] {
    [
        String::new(),
        " ".to_owned(),
        "two\nlines".to_owned(),
        "\u{1b}[31mred".to_owned(),
        "\u{202e}gnp.exe".to_owned(),
        "zero\u{200b}width".to_owned(),
        "nul\0".to_owned(),
        "long".repeat(26),
    ]
}

#[tokio::test]
async fn m4_a_request_to_pay_that_cannot_be_right_is_refused_by_its_reason_and_nothing_is_stored() {
    type Spoil = Box<dyn Fn(&mut CreatePaymentRequest)>;
    let mut cases: Vec<(String, Spoil, Reason)> = Vec::new();
    let mut case = |what: String, spoil: Spoil, reason| cases.push((what, spoil, reason));
    for (minor, reason) in [
        (0, Reason::AmountNotPositive),
        (-1, Reason::AmountNotPositive),
        (i64::MIN, Reason::AmountNotPositive),
        (i64::MAX, Reason::AmountTooLarge),
        (100_000_000_001, Reason::AmountTooLarge),
    ] {
        case(format!("{minor}"), Box::new(move |request| request.amount = money("CNY", minor)), reason);
    }
    for code in ["", "cny", "Cny", "RMB", "XXX", "XAU", "CNYY", "ＣＮＹ", "C\u{202e}Y"] {
        let spoil: Spoil = Box::new(move |request| request.amount = money(code, 100));
        case(format!("currency {code:?}"), spoil, Reason::CurrencyUnknown);
    }
    for id in ["", "7", "0192F0C1-7A6B-7C3D-8E4F-5A6B7C8D9E0F", "0192f0c1-7a6b-4c3d-8e4f-5a6b7c8d9e0f"] {
        case(format!("id {id:?}"), Box::new(move |request| request.payment_id = id.to_owned()), Reason::IdMalformed);
    }
    let many = format!("+{}", "8".repeat(40));
    for phone in
        ["", "13800138000", "+86 13800138000", "+８６13800138000", "\u{200f}+8613800138000", "+0138001380", &many]
    {
        let phone = phone.to_owned();
        let what = format!("phone {phone:?}");
        let spoil: Spoil = Box::new(move |request| request.payer = Some(PhoneNumber(phone.clone())));
        case(what, spoil, Reason::PhoneNumberMalformed);
    }
    for name in tricks() {
        let what = format!("item {name:?}");
        case(what, Box::new(move |request| request.items = vec![item(&name)]), Reason::TextMalformed);
    }
    for text in ["a\nb", "\u{1b}[2J", "\u{2066}x", &"r".repeat(65)] {
        let text = text.to_owned();
        let what = format!("reference {text:?}");
        case(what, Box::new(move |request| request.merchant_reference = text.clone()), Reason::TextMalformed);
    }
    case("no payer".into(), Box::new(|request| request.payer = None), Reason::FieldMissing);
    case("no amount".into(), Box::new(|request| request.amount = None), Reason::FieldMissing);
    case("101 items".into(), Box::new(|request| request.items = vec![item("Tea"); 101]), Reason::TooManyItems);
    case(
        "nothing of an item".into(),
        Box::new(|request| request.items[0].quantity_milli = 0),
        Reason::AmountNotPositive,
    );

    let world = Setup::on(Engine::Sqlite).start().await;
    let till = world.till("till-1");
    for (what, spoil, expected) in cases {
        let mut request = good(&till);
        spoil(&mut request);
        assert_eq!(refused(till.client.clone().create_payment(request).await), expected, "{what}");
    }
    assert_eq!(world.payments().await, 0);
    let answer = till.client.clone().create_payment(good(&till)).await.unwrap().into_inner().payment.unwrap();
    assert_eq!((answer.state(), reason(&answer)), (PaymentState::Declined, "PAYER_UNAVAILABLE"));
    assert_eq!(world.settled().await.payments.len(), 1);
}

#[tokio::test]
async fn m4_the_same_id_with_other_content_is_another_request() {
    let world = Setup::on(Engine::Sqlite).start().await;
    let (till, other) = (world.till("till-1"), world.till("till-2"));
    let request = good(&till);
    let first = till.client.clone().create_payment(request.clone()).await.unwrap().into_inner();
    assert_eq!(till.client.clone().create_payment(request.clone()).await.unwrap().into_inner(), first);
    for change in [
        (|request| request.amount = money("CNY", 101)) as fn(&mut CreatePaymentRequest),
        |request| request.amount = money("USD", 100),
        |request| request.payer = Some(PhoneNumber("+8613912345679".to_owned())),
        |request| request.items = Vec::new(),
        |request| request.items[0].amount_minor = 99,
        |request| request.merchant_reference = "bill 8".to_owned(),
    ] {
        let mut changed = request.clone();
        change(&mut changed);
        assert_eq!(
            refused(till.client.clone().create_payment(changed.clone()).await),
            Reason::PaymentIdTaken,
            "{changed:?}"
        );
    }
    assert_eq!(refused(other.client.clone().create_payment(request).await), Reason::PaymentIdTaken);
    assert_eq!(world.settled().await.payments.len(), 1);
}

#[tokio::test]
async fn m5_a_code_or_password_that_is_not_six_digits_costs_no_try() {
    let world = Setup::on(Engine::Sqlite).start().await;
    let (till, payer) = (world.till("till-1"), world.payer("bank-a", 10_000).await);
    let (id, code) = till.begin(&payer, fen(100)).await;
    for typed in ["", "12345", "1234567", "12345a", "１２３４５６", "12345\n", "-12345"] {
        let answer = till.authorize(&id, &till.new_id(), typed, payer.password()).await;
        assert_eq!(refused(answer), Reason::CodeMalformed, "{typed:?}");
        let answer = till.authorize(&id, &till.new_id(), &code, typed).await;
        assert_eq!(refused(answer), Reason::PasswordMalformed, "{typed:?}");
    }
    for attempt in ["", "1", "not-an-id"] {
        assert_eq!(refused(till.authorize(&id, attempt, &code, payer.password()).await), Reason::IdMalformed);
    }
    assert_eq!(till.get(&id).await.unwrap().attempts_left, 3);
    for id in ["", "x", &till.new_id().to_uppercase()] {
        assert_eq!(refused(till.get(id).await), Reason::IdMalformed);
        assert_eq!(refused(till.reverse(id, fen(1)).await), Reason::IdMalformed);
    }
    assert_eq!(refused(till.get(&till.new_id()).await), Reason::PaymentUnknown);
    till.authorize(&id, &till.new_id(), &code, payer.password()).await.unwrap();
    assert_eq!(world.settled().await.charged_minor(), 100);
}

#[tokio::test]
async fn m4_an_account_in_another_currency_is_not_charged() {
    let world = Setup::on(Engine::Sqlite).start().await;
    let (till, payer) = (world.till("till-1"), world.payer("bank-a", 10_000).await);
    let dollars = Money { currency_code: "USD".to_owned(), minor_units: 100 };
    let payment = till.pay(&payer, dollars).await;
    assert_eq!((payment.state(), reason(&payment)), (PaymentState::Declined, "CURRENCY_MISMATCH"));
    assert_eq!(world.settled().await.charged_minor(), 0);
}

#[tokio::test]
async fn bytes_that_are_no_message_or_too_many_are_refused_by_reason_and_both_servers_go_on() {
    let world = Setup::on(Engine::Sqlite).start().await;
    let till = world.till("till-1");
    let channel = || world.hub_channel(&world.member(Role::Terminal, "till-1"));
    let encoded = good(&till).encode_to_vec();
    let mut bad_text = good(&till);
    bad_text.merchant_reference = "@@@@".to_owned();
    let mut bad_text = bad_text.encode_to_vec();
    let at = bad_text.windows(4).position(|four| four == b"@@@@").unwrap();
    bad_text[at..at + 4].copy_from_slice(&[0xff, 0xfe, 0xc3, 0x28]);
    let mut huge = good(&till);
    huge.merchant_reference = "r".repeat(8 << 20);
    let mut large = good(&till);
    large.merchant_reference = "r".repeat(proto::MAX_MESSAGE_BYTES);
    for (what, bytes, reason) in [
        ("text that is not UTF-8", bad_text, Reason::MessageMalformed),
        ("half a message", encoded[..encoded.len() / 2].to_vec(), Reason::MessageMalformed),
        ("noise", vec![0xff; 512], Reason::MessageMalformed),
        ("8 MiB", huge.encode_to_vec(), Reason::MessageTooLarge),
        ("64 KiB and a little", large.encode_to_vec(), Reason::MessageTooLarge),
    ] {
        let status = send_bytes(channel(), CREATE, [bytes.clone()]).await.expect_err(what);
        let told = (status.code(), proto::reason_of(&status));
        assert_eq!(told, (Code::InvalidArgument, Some(reason)), "{what}: {status:?}");
        // A bank tells the hub the same.
        let bank = world.bank_channel("bank-a", &world.member(Role::Hub, ""));
        let status = send_bytes(bank, HOLD, [bytes]).await.expect_err(what);
        assert_eq!(proto::reason_of(&status), Some(reason), "{what}: {status:?}");
    }
    let nothing = send_bytes(channel(), CREATE, []).await.unwrap_err();
    assert_eq!(proto::reason_of(&nothing), Some(Reason::MessageMalformed), "{nothing:?}");
    // A payer of a kind that this version does not know is no payer.
    let mut unknown_payer = good(&till);
    unknown_payer.payer = None;
    let mut bytes = unknown_payer.encode_to_vec();
    bytes.extend_from_slice(&[0x9a, 0x06, 0x02, b'h', b'i']);
    let status = send_bytes(channel(), CREATE, [bytes]).await.unwrap_err();
    assert_eq!(proto::reason_of(&status), Some(Reason::FieldMissing));
    assert_eq!(world.payments().await, 0);
    send_bytes(channel(), CREATE, [encoded]).await.unwrap();
    assert_eq!(world.settled().await.payments.len(), 1);
}

#[tokio::test]
async fn a_terminal_that_asks_too_often_is_told_so_and_takes_nothing_from_another() {
    let world = Setup::on(Engine::Sqlite).with("payments.reads_per_terminal_per_second", "5").start().await;
    let (till, other) = (world.till("till-1"), world.till("till-2"));
    let id = till.new_id();
    let answers = join_all((0..100).map(|_| till.get(&id))).await;
    let reasons: Vec<_> = answers.into_iter().map(refused).collect();
    let busy = reasons.iter().filter(|reason| **reason == Reason::TooBusy).count();
    let answered = reasons.iter().filter(|reason| **reason == Reason::PaymentUnknown).count();
    assert_eq!((busy + answered, busy >= 50, answered >= 5), (100, true, true), "{reasons:?}");
    assert_eq!(refused(other.get(&id).await), Reason::PaymentUnknown);
    world.settled().await;
}

#[tokio::test]
async fn m9_what_operators_register_is_read_as_strictly() {
    let world = Setup::on(Engine::Sqlite).start().await;
    let founder = world.member(Role::Operator, bankhub::trial::OPERATOR);
    let operator = operator_service_client::OperatorServiceClient::new(world.hub_channel(&founder));
    let till = world.till("till-1");
    for name in tricks() {
        let request = RegisterPersonRequest {
            person_id: till.new_id(),
            phone_number: "+8613711112222".to_owned(),
            name: name.clone(),
        };
        assert_eq!(refused(operator.clone().register_person(request).await), Reason::TextMalformed, "{name:?}");
        let merchant =
            Merchant { merchant_id: "tricky".to_owned(), display_name: name.clone(), category_code: "5812".to_owned() };
        let request = RegisterMerchantRequest { merchant: Some(merchant) };
        assert_eq!(refused(operator.clone().register_merchant(request).await), Reason::TextMalformed, "{name:?}");
    }
    for phone in ["13711112222", "+86１3711112222", "\u{202e}+8613711112222"] {
        let request = RegisterPersonRequest {
            person_id: till.new_id(),
            phone_number: phone.to_owned(),
            name: "Li Na".to_owned(),
        };
        assert_eq!(refused(operator.clone().register_person(request).await), Reason::PhoneNumberMalformed, "{phone:?}");
    }
    for id in ["", "Bank", "bank/a", "*", "bank\n"] {
        let bank = Bank {
            bank_id: id.to_owned(),
            display_name: "Bank".to_owned(),
            endpoint: "https://127.0.0.1:1".to_owned(),
            suspended: false,
        };
        let request = RegisterBankRequest { bank: Some(bank) };
        assert_eq!(refused(operator.clone().register_bank(request).await), Reason::NameMalformed, "{id:?}");
    }
    for category in ["", "581", "58120", "58a2"] {
        let merchant = Merchant {
            merchant_id: "corner".to_owned(),
            display_name: "Corner".to_owned(),
            category_code: category.to_owned(),
        };
        let request = RegisterMerchantRequest { merchant: Some(merchant) };
        assert_eq!(
            refused(operator.clone().register_merchant(request).await),
            Reason::CategoryMalformed,
            "{category:?}"
        );
    }
    assert_eq!(refused(operator.clone().register_bank(RegisterBankRequest { bank: None }).await), Reason::FieldMissing);
    world.settled().await;
}

/// Why a bank stores nothing of a hold.
async fn not_held(bank: &mut BankServiceClient<Channel>, hold: Hold) -> Reason {
    let answer = bank.hold_legs(HoldLegsRequest { holds: vec![hold] }).await.unwrap().into_inner();
    assert_eq!((answer.results.len(), &answer.results[0].leg), (1, &None));
    Reason::from_code(&answer.results[0].refusal.as_ref().unwrap().reason).unwrap()
}

#[tokio::test]
async fn m6_a_bank_reads_the_hub_as_strictly_as_the_hub_reads_terminals() {
    let world = Setup::on(Engine::Sqlite).start().await;
    let payer = world.payer("bank-a", 10_000).await;
    let till = world.till("till-1");
    let mut bank = world.federation.bank_as_hub("bank-a").unwrap();
    let hold = Hold {
        leg_id: till.new_id(),
        payment_id: till.new_id(),
        payer: Some(hold::Payer::AccountId(payer.person.account.to_string())),
        amount: money("CNY", 100),
        merchant: Some(Merchant {
            merchant_id: "noodle-house".to_owned(),
            display_name: "Noodle House".to_owned(),
            category_code: "5812".to_owned(),
        }),
        nature: Nature::Purchase.into(),
        savings_account_id: String::new(),
        // It is ignored, whatever it is.
        traceparent: "no trace at all".to_owned(),
    };
    for (spoil, expected) in [
        ((|hold| hold.leg_id = String::new()) as fn(&mut Hold), Reason::IdMalformed),
        (|hold| hold.payment_id = "7".to_owned(), Reason::IdMalformed),
        (|hold| hold.payer = Some(hold::Payer::AccountId("7".to_owned())), Reason::IdMalformed),
        (|hold| hold.amount = None, Reason::FieldMissing),
        (|hold| hold.amount = money("CNY", 0), Reason::AmountNotPositive),
        (|hold| hold.amount = money("CNY", i64::MIN), Reason::AmountNotPositive),
        (|hold| hold.amount = money("CNY", i64::MAX), Reason::AmountTooLarge),
        (|hold| hold.amount = money("cny", 1), Reason::CurrencyUnknown),
        (|hold| hold.merchant = None, Reason::FieldMissing),
        (|hold| hold.merchant.as_mut().unwrap().display_name = "a\u{1b}[1m".to_owned(), Reason::TextMalformed),
    ] {
        let mut spoiled = hold.clone();
        spoil(&mut spoiled);
        assert_eq!(not_held(&mut bank, spoiled.clone()).await, expected, "{spoiled:?}");
    }
    // A leg that is not a payment's of the hub: what it takes, the bank's own questions to the hub give back.
    let held = bank.hold_legs(HoldLegsRequest { holds: vec![hold.clone()] }).await.unwrap().into_inner();
    assert!(held.results[0].leg.is_some() && held.results[0].refusal.is_none(), "{held:?}");
    let other = Hold { amount: money("CNY", 101), ..hold.clone() };
    assert_eq!(not_held(&mut bank, other).await, Reason::LegIdTaken);
    let request = RefundLegRequest {
        leg_id: till.new_id(),
        payment_id: till.new_id(),
        original_leg_id: till.new_id(),
        amount: money("CNY", 0),
    };
    assert_eq!(refused(bank.refund_leg(request).await), Reason::AmountNotPositive);
    let request = VoidLegRequest { leg_id: "x".to_owned(), payment_id: till.new_id() };
    assert_eq!(refused(bank.void_leg(request).await), Reason::IdMalformed);
    let mut counter = CounterServiceClient::new(world.bank_channel("bank-a", &world.member(Role::Operator, "founder")));
    let request = DepositCashRequest {
        deposit_id: till.new_id(),
        account_id: payer.person.account.to_string(),
        amount: money("CNY", -5),
    };
    assert_eq!(refused(counter.deposit_cash(request).await), Reason::AmountNotPositive);
    let request = OpenAccountRequest {
        account_id: till.new_id(),
        currency_code: "CNY".to_owned(),
        holder_name: "\u{202e}x".to_owned(),
        payment_limit_minor: 0,
        kind: AccountKind::Deposit.into(),
        credit_line: None,
    };
    assert_eq!(refused(counter.open_account(request).await), Reason::TextMalformed);
    let ledgers = world.settled().await;
    assert_eq!((ledgers.legs.len(), ledgers.legs[0].state.as_str()), (1, "VOIDED"));
}
