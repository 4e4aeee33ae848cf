//! The link between hub and bank is cut just before the bank gets a call, and after it has acted and before the hub hears of
//! it; and packets are held back for longer than the hub waits.

use std::time::Duration;

use federation_tests::databases::Engine;
use federation_tests::interposed::{Call, Moment};
use federation_tests::payer::Payer;
use federation_tests::settled::Ledgers;
use federation_tests::till::{Till, fen};
use federation_tests::wait::until;
use federation_tests::world::{Setup, World};
use proto::terminal::{Payment, PaymentState};

use crate::reason;

const BALANCE: i64 = 100_000;
const PRICE: i64 = 4_200;

struct Scene {
    world: World,
    till: Till,
    payer: Payer,
}

impl Scene {
    async fn on(engine: Engine) -> Self {
        let setup = Setup::on(engine).interposed().with("banks.tries", "1").with("payments.decide_within", "10s");
        let world = setup.start().await;
        let (till, payer) = (world.till("till-1"), world.payer("bank-a", BALANCE).await);
        Self { world, till, payer }
    }

    /// Cuts the link at the next such call, and waits after `act` until that has happened.
    async fn cut<T>(&self, call: Call, moment: Moment, act: impl Future<Output = T>) -> T {
        let scissors = self.world.scissors("bank-a");
        scissors.cut_at(call, moment);
        let done = act.await;
        until("the link to be cut", World::HEALING, async || scissors.are_done().then_some(())).await;
        done
    }

    /// A payment whose hold has reached the bank, and of which the hub knows nothing.
    async fn in_doubt(&self) -> String {
        let (id, code) = self.till.begin(&self.payer, fen(PRICE)).await;
        let attempt = self.till.new_id();
        let handing_in = self.till.authorize(&id, &attempt, &code, self.payer.password());
        let answer = self.cut(Call::Hold, Moment::After, handing_in).await.unwrap();
        assert_eq!(answer.state(), PaymentState::Pending, "{answer:?}");
        id
    }

    async fn settled(self, charged_minor: i64) -> Ledgers {
        until("the bank to hear of everything", World::HEALING, async || at_rest(&self.world).await).await;
        let left = self.world.available(&self.payer).await;
        let ledgers = self.world.settled().await;
        assert_eq!(ledgers.charged_minor(), charged_minor);
        assert_eq!(left, BALANCE - charged_minor);
        ledgers
    }
}

async fn a_hold(engine: Engine) {
    let scene = Scene::on(engine).await;
    for moment in [Moment::Before, Moment::After] {
        let payment = scene.cut(Call::Hold, moment, scene.till.pay(&scene.payer, fen(PRICE))).await;
        assert_eq!(payment.state(), PaymentState::Approved, "{moment:?}: {payment:?}");
    }
    let ledgers = scene.settled(2 * PRICE).await;
    assert_eq!((ledgers.count("POSTED"), ledgers.legs.len()), (2, 2));
}

async fn a_post(engine: Engine) {
    let scene = Scene::on(engine).await;
    for moment in [Moment::Before, Moment::After] {
        let payment = scene.cut(Call::Post, moment, scene.till.pay(&scene.payer, fen(PRICE))).await;
        assert_eq!(payment.state(), PaymentState::Approved, "{moment:?}: {payment:?}");
        until("the hub to post it", World::HEALING, async || at_rest(&scene.world).await).await;
    }
    scene.settled(2 * PRICE).await;
}

async fn a_void(engine: Engine) {
    let scene = Scene::on(engine).await;
    for moment in [Moment::Before, Moment::After] {
        let id = scene.in_doubt().await;
        let answer = scene.cut(Call::Void, moment, scene.till.reverse(&id, fen(PRICE))).await.unwrap();
        assert!(matches!(answer.state(), PaymentState::Pending | PaymentState::Declined), "{answer:?}");
        let payment = scene.till.outcome(&id).await;
        assert_eq!((payment.state(), reason(&payment)), (PaymentState::Declined, "REVERSED_BEFORE_APPROVAL"));
    }
    let ledgers = scene.settled(0).await;
    assert!(ledgers.legs.iter().all(|leg| leg.state == "VOIDED"), "{:?}", ledgers.legs);
}

async fn a_refund(engine: Engine) {
    let scene = Scene::on(engine).await;
    let payment = scene.till.sell(&scene.payer, fen(PRICE)).await;
    for moment in [Moment::Before, Moment::After] {
        let refund = scene.till.new_id();
        let asked = async || scene.till.refund(&refund, &payment, fen(1_000)).await;
        scene.cut(Call::GiveBack, moment, asked()).await.unwrap();
        // A terminal that does not know asks for the same refund again.
        let again = asked().await.unwrap();
        assert!(matches!(again.state(), PaymentState::Pending | PaymentState::Approved), "{again:?}");
        assert_eq!(scene.till.outcome(&refund).await.state(), PaymentState::Approved);
    }
    scene.settled(PRICE - 2_000).await;
}

async fn a_reversal(engine: Engine) {
    let scene = Scene::on(engine).await;
    for moment in [Moment::Before, Moment::After] {
        let payment = scene.till.sell(&scene.payer, fen(PRICE)).await;
        let reversed = scene.cut(Call::GiveBack, moment, scene.till.reverse(&payment, fen(PRICE))).await.unwrap();
        assert_eq!(reversed.state(), PaymentState::Reversed, "{moment:?}");
        until("the bank to give it back", World::HEALING, async || at_rest(&scene.world).await).await;
    }
    let ledgers = scene.settled(0).await;
    assert_eq!((ledgers.count("REVERSED"), ledgers.legs.len()), (2, 4));
}

/// Nothing when a bank still has to hear about something.
async fn at_rest(world: &World) -> Option<()> {
    let states = world.states().await;
    let pending = ["HOLDING", "COMMITTED", "ABORTING", "REVERSING"];
    (!pending.iter().any(|state| states.contains_key(*state))).then_some(())
}

macro_rules! on_both_engines {
    ($($name:ident: $scene:ident;)*) => {
        mod sqlite {
            use super::*;
            $(#[tokio::test]
            async fn $name() {
                $scene(Engine::Sqlite).await;
            })*
        }
        mod postgres {
            use super::*;
            $(#[tokio::test]
            async fn $name() {
                if Engine::Postgres.is_there() {
                    $scene(Engine::Postgres).await;
                }
            })*
        }
    };
}

on_both_engines! {
    m6_a_hold_whose_link_is_cut_before_or_after_the_bank_has_it_is_one_debit: a_hold;
    m6_a_post_whose_link_is_cut_before_or_after_the_bank_has_it_is_one_debit: a_post;
    m6_a_void_whose_link_is_cut_before_or_after_the_bank_has_it_leaves_no_debit: a_void;
    m6_a_refund_whose_link_is_cut_before_or_after_the_bank_has_it_gives_back_once: a_refund;
    m6_a_reversal_whose_link_is_cut_before_or_after_the_bank_has_it_gives_back_once: a_reversal;
}

#[tokio::test]
async fn m6_a_banks_answer_that_this_version_does_not_know_settles_nothing() {
    let scene = Scene::on(Engine::Sqlite).await;
    let id = {
        let (id, code) = scene.till.begin(&scene.payer, fen(PRICE)).await;
        let attempt = scene.till.new_id();
        let handing_in = scene.till.authorize(&id, &attempt, &code, scene.payer.password());
        let answer = scene.cut(Call::Hold, Moment::Garbled, handing_in).await.unwrap();
        assert_eq!(answer.state(), PaymentState::Pending, "{answer:?}");
        id
    };
    assert_eq!(scene.till.outcome(&id).await.state(), PaymentState::Approved);
    let refund = scene.till.new_id();
    let answer = scene.cut(Call::GiveBack, Moment::Garbled, scene.till.refund(&refund, &id, fen(1))).await.unwrap();
    assert_eq!(answer.state(), PaymentState::Pending, "{answer:?}");
    assert_eq!(scene.till.outcome(&refund).await.state(), PaymentState::Approved);
    let doubted = scene.in_doubt().await;
    let reversing = scene.till.reverse(&doubted, fen(PRICE));
    scene.cut(Call::Void, Moment::Garbled, reversing).await.unwrap();
    assert_eq!(scene.till.outcome(&doubted).await.state(), PaymentState::Declined);
    scene.settled(PRICE - 1).await;
}

#[tokio::test]
async fn m6_a_hold_that_is_under_way_for_longer_than_the_decision_may_take_charges_nobody() {
    let world = Setup::on(Engine::Sqlite).interposed().with("payments.decide_within", "2s").start().await;
    let (till, payer) = (world.till("till-1"), world.payer("bank-a", BALANCE).await);
    let (id, code) = till.begin(&payer, fen(PRICE)).await;
    let relay = world.relay("bank-a");
    relay.hold_back();
    let answer = till.authorize(&id, &till.new_id(), &code, payer.password()).await.unwrap();
    assert_eq!(answer.state(), PaymentState::Pending);
    // The hub gives up and has to tell the bank, which hears nothing yet: neither of the hold nor of the void.
    let aborting = async || world.states().await.contains_key("ABORTING").then_some(());
    until("the hub to decide", Duration::from_secs(15), aborting).await;
    relay.let_pass();
    let payment: Payment = till.outcome(&id).await;
    assert_eq!((payment.state(), reason(&payment)), (PaymentState::Declined, "DECISION_TIMED_OUT"));
    // The next payment of the same person goes through the same wire.
    till.sell(&payer, fen(PRICE)).await;
    until("the bank to hear of everything", World::HEALING, async || at_rest(&world).await).await;
    assert_eq!(world.available(&payer).await, BALANCE - PRICE);
    assert_eq!(world.settled().await.charged_minor(), PRICE);
}

#[tokio::test]
async fn m6_a_bank_that_stands_still_is_pending_and_then_charged_once() {
    let mut world = Setup::on(Engine::Sqlite).with("payments.decide_within", "20s").start().await;
    let (till, payer) = (world.till("till-1"), world.payer("bank-a", BALANCE).await);
    let (id, code) = till.begin(&payer, fen(PRICE)).await;
    world.server("bank-a").pause().unwrap();
    let answer = till.authorize(&id, &till.new_id(), &code, payer.password()).await.unwrap();
    assert_eq!(answer.state(), PaymentState::Pending);
    world.server("bank-a").resume().unwrap();
    assert_eq!(till.outcome(&id).await.state(), PaymentState::Approved);
    assert_eq!(world.settled().await.charged_minor(), PRICE);
}
