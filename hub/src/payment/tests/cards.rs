//! Payments with a card, from the terminal's call to a bank that is played.

use domain::payment::{Policy, State};
use domain::{Money, Reason};
use proto::common::Nature;
use proto::{bank, terminal as pb};

use super::shop::{CVV, PAN, PIN_BLOCK, Shop, TRACK, at_once, cny, refusal};
use crate::testing::bank::{CARD_ID, Play};
use crate::testing::{on_each_engine, reason};

#[tokio::test]
async fn r1_r2_a_card_finds_its_bank_and_its_holder_and_is_charged_and_recorded() {
    on_each_engine(async |hub| {
        let shop = Shop::open(&hub, Policy::default()).await;
        let person = shop.holder().await;
        let paid = shop.pay(Nature::Purchase, 1250).await;
        assert_eq!((paid.state(), paid.bank_id.as_str()), (pb::PaymentState::Approved, "bank-a"));
        assert_eq!((paid.account_masked.as_str(), paid.nature()), ("622848******0015", Nature::Purchase));
        let posted = shop.until(&paid.payment_id, State::Posted).await;
        assert_eq!(posted.charge.unwrap().credit_minor, Some(700));
        assert_eq!(shop.bank.moved(), 1250);
        let [hold] = shop.bank.holds().try_into().unwrap();
        let Some(bank::hold::Payer::Card(card)) = hold.payer else { panic!("{:?}", hold.payer) };
        assert_eq!(card.terminal_id, "till-1");
        assert_eq!(card.card, shop.request(Nature::Purchase, 1250).card, "as the terminal read it");
        assert_eq!(shop.told(&person).await, ["CHARGE"]);
        assert_eq!(shop.count("SELECT credit_minor FROM purchases").await, 700);
        shop.all_is_well().await;
    })
    .await;
}
