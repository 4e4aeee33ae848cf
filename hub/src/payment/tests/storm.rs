//! Many card payments of every sort at once, while calls and answers are lost and the hub dies: in the end the bank has moved what
//! the hub says was charged.

use domain::Reason;
use futures_util::future::join_all;
use proto::common::Nature;
use proto::terminal::PaymentState;
use server_kit::rng::{Rng as _, SeededRng};

use super::shop::{Shop, at_once};
use crate::testing::bank::Play;
use crate::testing::on_each_engine;

const PAYMENTS: usize = 120;

/// Numbers from a seed.
struct Dice(SeededRng);

impl Dice {
    fn below(&self, bound: usize) -> usize {
        let mut bytes = [0; 4];
        self.0.fill(&mut bytes).unwrap();
        u32::from_be_bytes(bytes) as usize % bound
    }

    fn play(&self) -> Play {
        match self.below(12) {
            0 | 1 => Play::LoseAnswer,
            2 => Play::LoseCall,
            3 | 4 => Play::Refuse(Reason::InsufficientFunds),
            5 => Play::Impossible([Reason::PinKeyUnknown, Reason::HsmAway][self.below(2)]),
            _ => Play::Well,
        }
    }

    fn nature(&self) -> Nature {
        [Nature::Purchase, Nature::CashWithdrawal, Nature::Deposit, Nature::PreAuthorisation][self.below(4)]
    }
}

/// One customer: pays, asks again while it is pending, and may complete, give back or take back.
async fn customer(shop: &Shop, nature: Nature, amount: i64, then: usize) {
    let request = shop.request(nature, amount);
    let id = request.payment_id.as_str();
    for _ in 0..3 {
        if shop.ask(&request).await.unwrap().state() != PaymentState::Pending {
            break;
        }
    }
    // What cannot be done in the state that it has come to is refused, which is as good.
    if nature == Nature::PreAuthorisation && then != 0 {
        let _ = shop.complete(id, amount - 50).await;
    }
    match then {
        1 => drop(shop.reverse(id, amount).await),
        2 => drop(shop.refund(id, 30).await),
        _ => {}
    }
}

#[tokio::test]
async fn m6_whatever_is_lost_the_bank_has_moved_what_the_hub_has_charged() {
    on_each_engine(async |hub| {
        let dice = Dice(SeededRng::new(20_261_122));
        let shop = Shop::open(&hub, at_once()).await;
        shop.holder().await;
        let plays: Vec<Play> = (0..6 * PAYMENTS).map(|_| dice.play()).collect();
        shop.bank.play(&plays);
        // A few at a time, for what is lost of a set of holds is lost for all of them.
        for n in (0..PAYMENTS).step_by(4) {
            let customers = (n..n + 4).map(|n| customer(&shop, dice.nature(), 100 + n as i64, dice.below(4)));
            join_all(customers.collect::<Vec<_>>()).await;
        }
        let shop = shop.killed(at_once()).await;
        shop.bank.play(&[]);
        shop.age_all_holding().await;
        shop.sweep();
        shop.until_nothing_is_due().await;
        // PostgreSQL has the sum of whole numbers as a decimal.
        let charged = "SELECT CAST((SELECT COALESCE(sum(COALESCE(completed_minor, amount_minor)), 0) FROM payments \
                       WHERE kind = 'CARD' AND state = 'POSTED') - (SELECT COALESCE(sum(amount_minor), 0) \
                       FROM payments WHERE kind = 'REFUND' AND state = 'POSTED') AS BIGINT)";
        let reserved = "SELECT CAST(COALESCE(sum(amount_minor), 0) AS BIGINT) FROM payments WHERE state = 'AUTHORISED'";
        let (engine, books) = (hub.engine, (shop.count(charged).await, shop.count(reserved).await));
        assert_eq!((shop.bank.moved(), shop.bank.held()), books, "{engine}");
        for state in ["POSTED", "ABORTED", "DECLINED", "REVERSED"] {
            assert!(shop.count_in(state).await > 0, "{engine}: the storm has left nothing {state}");
        }
        shop.all_is_well().await;
    })
    .await;
}
