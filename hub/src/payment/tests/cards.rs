//! Payments with a card, from the terminal's call to a bank that is played.

use domain::card::{Bin, Pan};
use domain::feed::EventKind;
use domain::payment::{Policy, State};
use domain::{PhoneNumber, Reason};
use proto::common::{self, Nature};
use proto::terminal::terminal_service_server::TerminalService as _;
use proto::{bank, terminal as pb};
use server_kit::identity::Role;
use server_kit::shown::holds;

use super::shop::{CVV, PAN, PIN_BLOCK, Shop, TRACK, cny, refusal};
use crate::testing::bank::{CARD_ID, Play};
use crate::testing::{from_member, on_each_engine, reason};

#[tokio::test]
async fn r1_r2_a_card_finds_its_bank_and_its_holder_and_is_charged_and_recorded() {
    on_each_engine(async |hub| {
        let shop = Shop::open(&hub, Policy::default()).await;
        let person = shop.holder().await;
        let request = shop.request(Nature::Purchase, 1250);
        let paid = shop.ask(&request).await.unwrap();
        assert_eq!((paid.state(), paid.bank_id.as_str()), (pb::PaymentState::Approved, "bank-a"));
        assert_eq!((paid.account_masked.as_str(), paid.nature()), ("622848******0015", Nature::Purchase));
        let posted = shop.until(&paid.payment_id, State::Posted).await;
        assert_eq!(posted.charge.unwrap().credit_minor, Some(700));
        assert_eq!(shop.bank.moved(), 1250);
        let [hold] = shop.bank.holds().try_into().unwrap();
        let Some(bank::hold::Payer::Card(card)) = hold.payer else { panic!("{:?}", hold.payer) };
        assert_eq!(card.terminal_id, "till-1");
        assert_eq!(card.card, request.card, "as the terminal read it");
        assert_eq!(shop.told(&person).await, ["CHARGE"]);
        assert_eq!(shop.count("SELECT credit_minor FROM purchases").await, 700);

        let again = shop.ask(&request).await.unwrap();
        assert_eq!((again.state(), shop.bank.holds().len()), (pb::PaymentState::Approved, 1), "{}", hub.engine);
        let other = pb::CreateCardPaymentRequest { amount: Some(cny(1251)), ..request };
        assert_eq!(reason(shop.ask(&other).await), Reason::PaymentIdTaken);
        shop.all_is_well().await;
    })
    .await;
}

#[tokio::test]
async fn m8_nothing_that_proves_a_card_is_stored_anywhere() {
    on_each_engine(async |hub| {
        let shop = Shop::open(&hub, Policy::default()).await;
        shop.holder().await;
        for nature in [Nature::Purchase, Nature::PreAuthorisation, Nature::Deposit] {
            shop.pay(nature, 1250).await;
        }
        shop.bank.play(&[Play::Impossible(Reason::CardNotVerified), Play::Refuse(Reason::InsufficientFunds)]);
        shop.pay(Nature::Purchase, 1250).await;
        shop.pay(Nature::Purchase, 1250).await;
        let mut seen = 0;
        for (table, texts) in shop.everything_stored().await {
            for text in texts {
                seen += 1;
                for secret in [PAN, CVV, TRACK, "PINBLOCK", "0000000015"] {
                    assert!(!holds(&text, secret), "{table} has {secret}: {text}");
                }
                assert!(!text.as_bytes().windows(PIN_BLOCK.len()).any(|bytes| bytes == PIN_BLOCK), "{table}");
            }
        }
        assert!(seen > 20, "{seen}");
        shop.all_is_well().await;
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_a_card_payment_is_refused_by_reason_and_nothing_is_stored() {
    on_each_engine(async |hub| {
        let shop = Shop::open(&hub, Policy::default()).await;
        let good = || shop.request(Nature::Purchase, 1250);
        let card = |change: &dyn Fn(&mut common::PresentedCard)| {
            let mut request = good();
            change(request.card.as_mut().unwrap());
            request
        };
        let number = |pan: &str| card(&|card| (card.pan, card.track2) = (pan.to_owned(), String::new()));
        let long = Pan::issue(&Bin::parse("622848").unwrap(), 1, 19).unwrap();
        let pin = |format: common::PinBlockFormat, bytes: usize| {
            card(&|card| {
                let pin_block = card.pin_block.as_mut().unwrap();
                (pin_block.format, pin_block.block) = (format.into(), vec![1; bytes]);
            })
        };
        for (what, request, expected) in [
            ("no card", pb::CreateCardPaymentRequest { card: None, ..good() }, Reason::FieldMissing),
            ("no id", pb::CreateCardPaymentRequest { payment_id: "1".into(), ..good() }, Reason::IdMalformed),
            ("nothing to pay", shop.request(Nature::Purchase, 0), Reason::AmountNotPositive),
            ("no nature", shop.request(Nature::Unspecified, 1), Reason::FieldUnknown),
            ("a nature of tomorrow", pb::CreateCardPaymentRequest { nature: 77, ..good() }, Reason::FieldUnknown),
            ("savings", shop.request(Nature::Savings, 1), Reason::NatureUnsupported),
            ("12 digits", number("411111111116"), Reason::CardNumberLength),
            ("20 digits", number("41111111111111111114"), Reason::CardNumberLength),
            ("Luhn", number("6228480000000016"), Reason::CardNumberInvalid),
            ("letters", number("622848000000001A"), Reason::CardNumberMalformed),
            ("an unknown BIN", number("4111111111111111"), Reason::BinUnknown),
            ("the BIN of 16 digits with 19", number(long.reveal()), Reason::BinUnknown),
            ("another card's track", card(&|card| card.pan = "4111111111111111".into()), Reason::TrackMismatch),
            ("another expiry", card(&|card| card.expiry = "2704".into()), Reason::TrackMismatch),
            ("a month of 13", card(&|card| card.expiry = "2713".into()), Reason::ExpiryMalformed),
            ("half a track", card(&|card| card.track2 = "6228480000000015=27".into()), Reason::TrackMalformed),
            ("a CVV of two digits", card(&|card| card.cvv2 = "01".into()), Reason::CvvMalformed),
            ("a PIN block of 16 bytes", pin(common::PinBlockFormat::Iso0, 16), Reason::PinBlockMalformed),
            ("a PIN block of 8 bytes", pin(common::PinBlockFormat::Iso4, 8), Reason::PinBlockMalformed),
            ("a PIN block of no format", pin(common::PinBlockFormat::Unspecified, 8), Reason::PinBlockMalformed),
        ] {
            assert_eq!(reason(shop.ask(&request).await), expected, "{what}");
        }
        let stranger = shop.terminal.create_card_payment(from_member(Role::Bank, "bank-a", good())).await;
        assert_eq!(reason(stranger), Reason::RoleNotAllowed);
        assert_eq!(shop.count("SELECT count(*) FROM payments").await, 0, "{}", hub.engine);
        assert!(shop.bank.holds().is_empty());
    })
    .await;
}

#[tokio::test]
async fn m6_the_banks_no_reaches_the_terminal_whether_or_not_it_has_stored_anything() {
    on_each_engine(async |hub| {
        let shop = Shop::open(&hub, Policy::default()).await;
        for (play, told, state, calls) in [
            (Play::Refuse(Reason::InsufficientFunds), Reason::InsufficientFunds, State::Declined, vec!["hold 1250"]),
            (Play::Impossible(Reason::PinKeyUnknown), Reason::PinKeyUnknown, State::Aborted, vec!["void"]),
            (Play::Impossible(Reason::CardFrozen), Reason::CardFrozen, State::Aborted, vec!["void"]),
            // Whether there is such a card is nobody's business at a till.
            (Play::Impossible(Reason::CardUnknown), Reason::CardNotVerified, State::Aborted, vec!["void"]),
        ] {
            let before = shop.bank.calls().len();
            shop.bank.play(&[play]);
            let declined = shop.pay(Nature::Purchase, 1250).await;
            assert_eq!((declined.state(), refusal(&declined)), (pb::PaymentState::Declined, told), "{play:?}");
            assert_eq!((declined.bank_id.as_str(), declined.account_masked.as_str()), ("", ""), "{play:?}");
            assert_eq!(shop.until(&declined.payment_id, state).await.due_at, None, "{play:?}");
            assert_eq!(shop.bank.calls().split_off(before), calls, "{play:?}");
        }
        // What may pass is not a no: the bank may have the leg after all.
        for reason in [Reason::HsmAway, Reason::TooBusy, Reason::Fault, Reason::LegIdTaken] {
            shop.bank.play(&[Play::Impossible(reason)]);
            let pending = shop.pay(Nature::Purchase, 1250).await;
            assert_eq!(pending.state(), pb::PaymentState::Pending, "{reason:?}");
        }
        assert_eq!((shop.bank.moved(), shop.bank.held()), (0, 0));
        shop.all_is_well().await;
    })
    .await;
}

#[tokio::test]
async fn c2_money_that_comes_in_is_told_and_is_no_purchase() {
    on_each_engine(async |hub| {
        let shop = Shop::open(&hub, Policy::default()).await;
        let person = shop.holder().await;
        for nature in [Nature::Deposit, Nature::TopUp, Nature::TransferIn, Nature::Repayment] {
            let paid = shop.pay(nature, 1250).await;
            assert_eq!((paid.state(), paid.nature()), (pb::PaymentState::Approved, nature));
            shop.until(&paid.payment_id, State::Posted).await;
            assert_eq!(reason(shop.refund(&paid.payment_id, 1).await), Reason::NotRefundable);
        }
        assert_eq!(shop.told(&person).await, ["PAID_IN"; 4], "{}", hub.engine);
        let last = shop.pay(Nature::Deposit, 300).await;
        // It may be spent by now: what has come in stays in.
        assert_eq!(reason(shop.reverse(&last.payment_id, 300).await), Reason::NotReversible);
        shop.until(&last.payment_id, State::Posted).await;
        assert_eq!(shop.told(&person).await, ["PAID_IN"; 5]);
        let events = shop.feed(&person, 5).await;
        let EventKind::PaidIn(told) = &events[3].kind else { panic!("{events:?}") };
        assert_eq!((told.amount.minor, told.nature.as_str()), (1250, "REPAYMENT"));
        assert_eq!((told.bank_id.as_str(), told.masked.as_str()), ("bank-a", "622848******0015"));
        let EventKind::PaidIn(told) = &events[4].kind else { panic!("{events:?}") };
        assert_eq!((told.payment_id.to_string(), told.amount.minor), (last.payment_id, 300));
        assert_eq!(shop.count("SELECT count(*) FROM purchases").await, 0);
        assert_eq!(shop.bank.moved(), 4 * 1250 + 300);
        shop.all_is_well().await;
    })
    .await;
}

#[tokio::test]
async fn r3_a_withdrawal_stands_in_the_record_with_its_nature_and_is_reversed_whole_only() {
    on_each_engine(async |hub| {
        let shop = Shop::open(&hub, Policy::default()).await;
        let person = shop.holder().await;
        for nature in [Nature::CashWithdrawal, Nature::TransferOut] {
            let paid = shop.pay(nature, 1250).await;
            shop.until(&paid.payment_id, State::Posted).await;
            assert_eq!(reason(shop.refund(&paid.payment_id, 1).await), Reason::NotRefundable);
            assert_eq!(reason(shop.complete(&paid.payment_id, 1250).await), Reason::NotPreAuthorised);
            shop.reverse(&paid.payment_id, 1250).await.unwrap();
            shop.until(&paid.payment_id, State::Reversed).await;
        }
        assert_eq!(shop.told(&person).await, ["CHARGE", "REVERSAL", "CHARGE", "REVERSAL"], "{}", hub.engine);
        let events = shop.feed(&person, 2).await;
        let EventKind::Charge(record) = &events[0].kind else { panic!("{events:?}") };
        assert_eq!((record.nature.as_str(), record.credit_minor), ("CASH_WITHDRAWAL", Some(700)));
        let natures = "SELECT count(*) FROM purchases WHERE nature IN ('CASH_WITHDRAWAL', 'TRANSFER_OUT')";
        assert_eq!((shop.count(natures).await, shop.bank.moved()), (2, 0));
        shop.all_is_well().await;
    })
    .await;
}

#[tokio::test]
async fn r2_a_card_that_is_bound_to_nobody_pays_without_a_record() {
    on_each_engine(async |hub| {
        let shop = Shop::open(&hub, Policy::default()).await;
        for nature in [Nature::Purchase, Nature::Deposit] {
            let paid = shop.pay(nature, 1250).await;
            assert_eq!(shop.until(&paid.payment_id, State::Posted).await.person_id, None, "{}", hub.engine);
        }
        let told = "SELECT (SELECT count(*) FROM events) + (SELECT count(*) FROM purchases)";
        assert_eq!((shop.count(told).await, shop.bank.moved()), (0, 2500));
        // From now on it is somebody's, which is seen at once although nobody's was remembered.
        let person = shop.holder().await;
        shop.pay(Nature::Purchase, 1250).await;
        assert_eq!(shop.told(&person).await, ["CHARGE"]);
        shop.all_is_well().await;
    })
    .await;
}

#[tokio::test]
async fn m4_a_phone_number_may_pay_with_a_card_that_its_holder_need_not_show() {
    on_each_engine(async |hub| {
        let shop = Shop::open(&hub, Policy::default()).await;
        let person = shop.holder().await;
        let phone = PhoneNumber::parse("+8613800138000").unwrap();
        let payer = shop.desk.directory().payer_by_phone(&phone).await.unwrap().unwrap();
        let paying = payer.instrument.as_ref().unwrap();
        assert_eq!((payer.person_id.to_string(), paying.masked.as_str()), (person.clone(), "622848******0015"));
        let paid = shop.pay_by_phone(&phone, 900).await;
        assert_eq!(paid.state(), pb::PaymentState::Approved, "{paid:?}");
        let [hold] = shop.bank.holds().try_into().unwrap();
        assert_eq!(hold.payer, Some(bank::hold::Payer::CardId(CARD_ID.to_owned())), "{}", hub.engine);
        assert_eq!(hold.nature(), Nature::Purchase);
        assert_eq!(shop.told(&person).await, ["CODE", "CHARGE"]);
        assert_eq!(shop.count("SELECT credit_minor FROM purchases").await, 700);
        shop.until(&paid.payment_id, State::Posted).await;
        assert_eq!(shop.bank.moved(), 900);
        shop.all_is_well().await;
    })
    .await;
}

#[tokio::test]
async fn m9_a_card_is_bound_once_and_only_if_its_bank_knows_it() {
    on_each_engine(async |hub| {
        let shop = Shop::open(&hub, Policy::default()).await;
        let person = shop.holder().await;
        assert_eq!(shop.bind_card(&person, CARD_ID).await.unwrap(), "622848******0015");
        assert_eq!(reason(shop.bind_card(&person, &hub.id().to_string()).await), Reason::CardUnknown);
        assert_eq!(reason(shop.bind_card(&person, "4111111111111111").await), Reason::IdMalformed);
        assert_eq!(reason(shop.bind_card(&hub.id().to_string(), CARD_ID).await), Reason::PersonUnknown);
        let other = shop.person("+8613800138001").await;
        assert_eq!(reason(shop.bind_card(&other, CARD_ID).await), Reason::CardTaken, "{}", hub.engine);
        assert_eq!(shop.count("SELECT count(*) FROM bindings").await, 1);
    })
    .await;
}

#[tokio::test]
async fn m9_a_suspended_bank_takes_no_new_card_payments() {
    on_each_engine(async |hub| {
        let shop = Shop::open(&hub, Policy::default()).await;
        let before = shop.pay(Nature::Purchase, 100).await;
        shop.register_bank("bank-a", &shop.bank.open().await, true).await;
        let declined = shop.pay(Nature::Purchase, 1250).await;
        assert_eq!((declined.state(), refusal(&declined)), (pb::PaymentState::Declined, Reason::BankSuspended));
        assert_eq!(reason(shop.inquire(shop.request(Nature::Purchase, 1).card).await), Reason::BankSuspended);
        assert_eq!(reason(shop.register_bins("bank-a", &[]).await), Reason::BankSuspended);
        assert_eq!(shop.bank.holds().len(), 1, "{}", hub.engine);
        let back = shop.reverse(&before.payment_id, 100).await.unwrap();
        assert_eq!(back.state(), pb::PaymentState::Reversed, "money goes back all the same");
        shop.until(&before.payment_id, State::Reversed).await;
        shop.all_is_well().await;
    })
    .await;
}

#[tokio::test]
async fn m8_a_terminal_cannot_try_many_cards() {
    on_each_engine(async |hub| {
        let shop = Shop::open(&hub, Policy::default()).await;
        let refused = Play::Impossible(Reason::CardNotVerified);
        // A locked card that is only asked about counts, too.
        let locked = Play::Impossible(Reason::CardLocked);
        shop.bank.play(&[refused, Play::Refuse(Reason::CardNotVerified), locked]);
        for _ in 0..2 {
            assert_eq!(refusal(&shop.pay(Nature::Purchase, 1).await), Reason::CardNotVerified);
        }
        let card = || shop.request(Nature::Purchase, 1).card;
        assert_eq!(reason(shop.inquire(card()).await), Reason::CardLocked);
        let held = shop.bank.holds().len();
        assert_eq!(reason(shop.ask(&shop.request(Nature::Purchase, 1)).await), Reason::TooBusy);
        assert_eq!(reason(shop.inquire(card()).await), Reason::TooBusy);
        assert_eq!(shop.bank.holds().len(), held, "{}: the bank is not even asked", hub.engine);
        let elsewhere = from_member(Role::Terminal, "till-2", shop.request(Nature::Purchase, 1));
        assert!(shop.terminal.create_card_payment(elsewhere).await.is_ok(), "another till has its own");
    })
    .await;
}

#[tokio::test]
async fn c2_an_inquiry_takes_the_pin_asks_once_and_stores_nothing() {
    on_each_engine(async |hub| {
        let shop = Shop::open(&hub, Policy::default()).await;
        let card = shop.request(Nature::Purchase, 1).card;
        let answer = shop.inquire(card.clone()).await.unwrap();
        assert_eq!((answer.debit_available, answer.credit_available), (Some(cny(5000)), None));
        assert_eq!((answer.bank_id.as_str(), answer.card_masked.as_str()), ("bank-a", "622848******0015"));
        let [asked] = shop.bank.inquiries().try_into().unwrap();
        let asked = asked.card.unwrap();
        assert_eq!((asked.card, asked.terminal_id.as_str()), (card.clone(), "till-1"));
        let without_pin = card.clone().map(|card| common::PresentedCard { pin_block: None, ..card });
        assert_eq!(reason(shop.inquire(without_pin).await), Reason::PinRequired);
        assert_eq!(reason(shop.inquire(None).await), Reason::FieldMissing);
        for (play, told) in [
            (Play::Impossible(Reason::CardLocked), Reason::CardLocked),
            (Play::Impossible(Reason::CardUnknown), Reason::CardNotVerified),
            (Play::LoseAnswer, Reason::BankAway),
        ] {
            let before = shop.bank.inquiries().len();
            shop.bank.play(&[play]);
            assert_eq!(reason(shop.inquire(card.clone()).await), told);
            assert_eq!(shop.bank.inquiries().len(), before + 1, "{play:?}: once, for a wrong PIN counts");
        }
        assert_eq!(shop.count("SELECT count(*) FROM payments").await, 0, "{}", hub.engine);
    })
    .await;
}
