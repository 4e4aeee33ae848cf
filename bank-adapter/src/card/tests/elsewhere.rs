//! Cards of a bank whose credit accounts an existing system keeps: the issuer of tests/peers/issuer.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use domain::card::Proof;
use domain::ledger::{CompletionOrder, Leg, LegState, Nature, Origin, Part, Party, decide_again};
use domain::{LegId, PaymentId, Reason};
use server_kit::clock::SystemClock;
use server_kit::rng::SystemRng;
use server_kit::store::testing::TestDatabase;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::issuer::{Issuer, Settings};
use super::trial::{Holder, PIN, Trial, name, parts};
use crate::card::{PinSetting, Presented, pin_block};
use crate::credit_system::{Connector, Forwarder, Kind, PinState, State, of_leg};
use crate::hsm::{Algorithm, ClearKey, Hsm};
use crate::ledger::conformance::bank::{cny, teller};
use crate::ledger::{CreditHolds, PinSettler};

pub(crate) const MAC: &str = "0123456789ABCDEFFEDCBA9876543210";
pub(crate) const ZONE: &str = "404142434445464748494A4B4C4D4E4F";

/// A bank, its credit system, and a card: 500 on its debit side, at the credit system 1,000, 200 of it as cash.
struct World {
    trial: Trial,
    holder: Holder,
    issuer: Issuer,
    holds: CreditHolds,
    forwarder: Forwarder,
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

impl World {
    async fn start(database: TestDatabase) -> Option<Self> {
        let trial = Trial::start(database).await;
        let (mac, zone_key) = (format!("des:{MAC}"), ZONE.to_owned());
        let state = trial.folder().join("issuer.journal");
        let mut issuer = Issuer::start(Settings { dialect: "ascii", mac, zone_key, state, certificate: None }).await?;
        peer_keys(&*trial.hsm);
        let holder = trial.holder().await;
        issuer.tell(&format!("account {} 1000 200 {PIN}", holder.face.pan.reveal())).await;
        let (stop, port) = (CancellationToken::new(), issuer.port);
        let (holds, forwarder, tasks) = connect(&trial, port, &stop).await;
        assert!(holds.system().link().wait_until_up(Duration::from_secs(20)).await, "the line is up");
        Some(Self { trial, holder, issuer, holds, forwarder, stop, tasks })
    }

    /// A hold with the card as it is read, with its PIN.
    async fn hold(&self, leg_id: LegId, nature: Nature, minor: i64) -> Result<Leg, Reason> {
        let presented = Presented::read(&self.trial.read(&self.holder.face, Some(PIN)), "till-1")?;
        let (party, proof) = self.trial.cards.prove(presented, nature, cny(minor)).await.unwrap();
        self.hold_of(leg_id, party, proof, nature, minor).await
    }

    async fn hold_of(
        &self,
        leg_id: LegId,
        party: Party,
        proof: Proof,
        nature: Nature,
        minor: i64,
    ) -> Result<Leg, Reason> {
        let order = Trial::order_of(leg_id, party, proof, nature, minor);
        let [held] = <[_; 1]>::try_from(self.holds.hold_all(vec![order]).await.unwrap()).unwrap();
        held
    }

    /// What the issuer has of the card: held and owed.
    async fn at_issuer(&mut self) -> (i64, i64) {
        let state = self.issuer.state().await;
        let account = &state["accounts"][self.holder.face.pan.reveal()];
        (account["held"].as_i64().unwrap(), account["owed"].as_i64().unwrap())
    }

    async fn on_debit(&self) -> i64 {
        self.trial.bank.available(self.holder.debit).await
    }

    async fn told(&self, leg_id: LegId, kind: Kind) {
        eventually("it is told", || async {
            let orders = of_leg(&self.trial.bank.store, leg_id).await.unwrap();
            orders.iter().any(|it| it.key.kind == kind && it.state == State::Acknowledged).then_some(())
        })
        .await;
    }

    async fn end(self) {
        let Self { trial, holds, forwarder, stop, tasks, .. } = self;
        stop.cancel();
        drop((holds, forwarder));
        for task in tasks {
            tokio::time::timeout(Duration::from_secs(20), task).await.expect("every task ends").unwrap();
        }
        trial.end().await;
    }
}

/// Brings in what a key store shares with the issuer.
pub(crate) fn peer_keys(hsm: &dyn Hsm) {
    let clear = |digits: &str| ClearKey::from_hex(Algorithm::TripleDes, &digits.to_owned().into()).unwrap();
    let random = || ClearKey::random(Algorithm::Aes256, &SystemRng::new()).unwrap();
    let (kek, half) = (random(), random());
    let other = ClearKey::combine(&[kek.clone(), half.clone()]).unwrap();
    hsm.load(&name("key-transport:peer"), &[half, other]).unwrap();
    for (key, digits) in [("mac:credit-system", MAC), ("zone-pin:credit-system", ZONE)] {
        let wrapped = clear(digits).wrap(&name(key), &kek).unwrap();
        hsm.import(&name(key), &name("key-transport:peer"), &wrapped).unwrap();
    }
}

async fn connect(trial: &Trial, port: u16, stop: &CancellationToken) -> (CreditHolds, Forwarder, Vec<JoinHandle<()>>) {
    let text = format!(
        r#"{{"address": "127.0.0.1:{port}", "institution": "66280000", "mac_key": "credit-system",
            "zone_key": "credit-system", "answer_timeout": "2s", "repeat_pause": "20ms", "repeat_pause_at_most": "100ms",
            "reconnect_pause": "20ms", "reconnect_pause_at_most": "100ms", "sweep_every": "50ms"}}"#
    );
    let config: crate::credit_system::CreditSystemConfig = serde_json::from_str(&text).unwrap();
    let bank = &trial.bank;
    let pins = PinSettler::new(bank.ledger.clone());
    let surroundings = trial.cards.surroundings("trial.example", bank.ids.clone(), Arc::new(pins.clone()));
    let Connector { system, forwarder, tasks } = Connector::start(&config, surroundings, stop).unwrap();
    bank.ledger.keep_credit_elsewhere(system.bell());
    let within = config.answer_timeout.get();
    let holds = CreditHolds::new(bank.ledger.clone(), system, pins, SystemClock::shared(), within);
    holds.recover().await.unwrap();
    (holds, forwarder, tasks.into_iter().map(|(_, task)| task).collect())
}

async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, ask: impl Fn() -> F) -> T {
    let asking = async {
        loop {
            if let Some(found) = ask().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), asking).await.unwrap_or_else(|_| panic!("never: {what}"))
}

macro_rules! on_both_engines {
    ($($case:ident)*) => {
        mod on_sqlite {
            $(#[tokio::test]
            async fn $case() {
                if let Some(world) = super::World::start(super::TestDatabase::sqlite()).await {
                    super::$case(world).await;
                }
            })*
        }
        mod on_postgres {
            $(#[tokio::test]
            async fn $case() {
                let Some(database) = super::TestDatabase::postgres().await else { return };
                if let Some(world) = super::World::start(database).await {
                    super::$case(world).await;
                }
            })*
        }
    };
}

on_both_engines! {
    c8_c6_the_credit_system_decides_its_part_of_a_purchase_and_is_told_the_rest
    c8_what_the_credit_system_refuses_or_does_not_answer_holds_nothing_afterwards
    c8_a_void_a_completion_and_a_repayment_reach_the_credit_system
    c8_a_leg_that_is_voided_while_it_is_asking_stays_so_and_its_approval_is_voided
    c8_a_hold_whose_caller_has_died_is_voided_when_the_node_starts
    c4_both_sides_have_the_new_pin_or_neither
}

async fn c8_c6_the_credit_system_decides_its_part_of_a_purchase_and_is_told_the_rest(mut world: World) {
    let leg_id = world.trial.bank.leg_id();
    let leg = world.hold(leg_id, Nature::Purchase, 1_200).await.unwrap();
    assert_eq!((leg.state, parts(&leg)), (LegState::Held, vec![(Part::Credit, 1_000), (Part::Debit, 200)]));
    assert_eq!((world.at_issuer().await, world.on_debit().await), ((1_000, 0), 300));
    let again = world.hold(leg_id, Nature::Purchase, 1_200).await.unwrap();
    assert_eq!((again.state, &again.splits), (leg.state, &leg.splits), "the same hold again is the same hold");
    let more = world.hold(world.trial.bank.leg_id(), Nature::Purchase, 301).await.unwrap();
    assert_eq!(more.state, LegState::Refused(Reason::InsufficientFunds), "nothing is left there, as it says");
    let stored = world.trial.bank.ledger.leg(leg_id).await.unwrap();
    assert_eq!(decide_again(&stored.decision), Ok(Ok(stored.splits.clone())), "what it said is what was known");

    let of_ledger = world.trial.balance(&world.trial.read(&world.holder.face, Some(PIN))).await.unwrap();
    let told = world.holds.available(world.holder.card, of_ledger).await.unwrap();
    assert_eq!((told.debit, told.credit, told.cash_advance), (Some(cny(300)), Some(cny(0)), Some(cny(0))));

    assert_eq!(world.trial.bank.post(leg_id).await, Ok(LegState::Posted));
    world.told(leg_id, Kind::Post).await;
    assert_eq!(world.at_issuer().await, (0, 1_000));
    let back = world.trial.bank.leg_id();
    assert_eq!(world.trial.bank.refund(back, leg_id, 250).await, Ok(LegState::Posted));
    world.told(back, Kind::Refund).await;
    assert_eq!((world.at_issuer().await, world.on_debit().await), ((0, 950), 500));
    world.end().await;
}

async fn c8_what_the_credit_system_refuses_or_does_not_answer_holds_nothing_afterwards(mut world: World) {
    for (how, refusal) in [("refuse 51", Reason::InsufficientFunds), ("mute", Reason::BankAway)] {
        world.issuer.fault("hold", how).await;
        let leg_id = world.trial.bank.leg_id();
        let leg = world.hold(leg_id, Nature::Purchase, 1_200).await.unwrap();
        assert_eq!(leg.state, LegState::Refused(refusal), "{how}");
        assert_eq!(world.on_debit().await, 500, "{how}");
        assert_eq!(world.trial.bank.ledger.leg(leg_id).await.unwrap().state, leg.state, "{how}");
        if refusal == Reason::BankAway {
            world.told(leg_id, Kind::Void).await;
        }
        assert_eq!(world.at_issuer().await, (0, 0), "{how}");
    }
    world.issuer.fault("balance", "mute").await;
    let leg_id = world.trial.bank.leg_id();
    assert_eq!(world.hold(leg_id, Nature::Purchase, 10).await.map(|leg| leg.state), Err(Reason::BankAway));
    assert!(world.trial.bank.ledger.leg(leg_id).await.is_err(), "nothing was stored, and the same again is safe");
    assert_eq!(world.hold(leg_id, Nature::Purchase, 10).await.map(|leg| leg.state), Ok(LegState::Held));
    world.end().await;
}

async fn c8_a_void_a_completion_and_a_repayment_reach_the_credit_system(mut world: World) {
    let [dropped, cash, used, repaid] = std::array::from_fn(|_| world.trial.bank.leg_id());
    world.hold(dropped, Nature::Purchase, 300).await.unwrap();
    assert_eq!(world.at_issuer().await, (300, 0));
    assert_eq!(world.trial.bank.void(dropped).await, Ok(LegState::Voided));
    world.told(dropped, Kind::Void).await;
    assert_eq!(world.at_issuer().await, (0, 0));

    let leg = world.hold(cash, Nature::CashWithdrawal, 600).await.unwrap();
    assert_eq!(parts(&leg), [(Part::Debit, 500), (Part::CashAdvance, 100)]);
    world.trial.bank.post(cash).await.unwrap();
    world.told(cash, Kind::Post).await;
    assert_eq!(world.at_issuer().await, (0, 100));

    world.hold(used, Nature::PreAuthorisation, 400).await.unwrap();
    let order = CompletionOrder {
        origin: Origin::Hub,
        leg_id: used,
        payment_id: PaymentId::from_uuid(used.uuid()),
        amount: cny(150),
    };
    world.trial.bank.ledger.complete(order).await.unwrap();
    world.told(used, Kind::Post).await;
    assert_eq!(world.at_issuer().await, (0, 250));

    let paid_in = world.hold(repaid, Nature::Repayment, 50).await.unwrap();
    assert_eq!((paid_in.state, world.trial.bank.post(repaid).await), (LegState::Held, Ok(LegState::Posted)));
    world.told(repaid, Kind::Repayment).await;
    assert_eq!(world.at_issuer().await, (0, 200));
    let taken_back = world.trial.bank.refund(world.trial.bank.leg_id(), repaid, 10).await;
    assert_eq!(taken_back, Err(Reason::NatureUnsupported), "the credit system has no message for it");
    world.end().await;
}

async fn c8_a_leg_that_is_voided_while_it_is_asking_stays_so_and_its_approval_is_voided(mut world: World) {
    world.issuer.fault("hold", "park").await;
    let leg_id = world.trial.bank.leg_id();
    let (party, proof) = (Party::Card(world.holder.card), Proof::Given);
    let order = move || vec![Trial::order_of(leg_id, party, proof, Nature::Purchase, 1_200)];
    let hold = |holds: CreditHolds| tokio::spawn(async move { holds.hold_all(order()).await });
    let (first, second) = (hold(world.holds.clone()), hold(world.holds.clone()));
    world.issuer.sees("hold", 1).await;
    assert_eq!(world.trial.bank.post(leg_id).await, Err(Reason::BankAway), "nobody was told that it is held");
    assert_eq!(world.trial.bank.void(leg_id).await, Ok(LegState::Voided));
    assert_eq!(world.on_debit().await, 500);
    world.issuer.tell("release").await;
    for held in [first, second] {
        let [leg] = <[_; 1]>::try_from(held.await.unwrap().unwrap()).unwrap();
        assert_eq!(leg.unwrap().state, LegState::Voided);
    }
    world.told(leg_id, Kind::Void).await;
    assert_eq!(world.at_issuer().await, (0, 0));
    assert_eq!(world.issuer.seen("hold").await, 1, "the same hold while it is asking asks nobody");
    world.end().await;
}

async fn c8_a_hold_whose_caller_has_died_is_voided_when_the_node_starts(mut world: World) {
    let leg_id = world.trial.bank.leg_id();
    let order = Trial::order_of(leg_id, Party::Card(world.holder.card), Proof::Given, Nature::Purchase, 1_200);
    world.holds.ask_and_die(order).await;
    assert_eq!(world.on_debit().await, 300);
    world.holds.recover().await.unwrap();
    let leg = world.trial.bank.ledger.leg(leg_id).await.unwrap();
    assert_eq!((leg.state, world.on_debit().await), (LegState::Refused(Reason::BankAway), 500));
    world.told(leg_id, Kind::Void).await;
    assert_eq!(world.at_issuer().await, (0, 0));
    world.end().await;
}

async fn c4_both_sides_have_the_new_pin_or_neither(mut world: World) {
    let set = async |world: &World, pin: &str, current: Option<&str>| {
        let typed = |pin| pin_block(&world.trial.typed(&world.holder.face, pin), "till-1").unwrap();
        let ids = (world.holder.card, world.trial.id());
        let set = world.trial.cards.set_shared_pin(
            &world.holds,
            PinSetting { ids, new: typed(pin), current: current.map(typed) },
            teller(),
        );
        set.await.map_err(|error| super::trial::reason(&error))
    };
    let at_issuer = async |world: &mut World| {
        let state = world.issuer.state().await;
        state["accounts"][world.holder.face.pan.reveal()]["pin"].as_str().unwrap().to_owned()
    };
    assert_eq!(set(&world, "314159", Some(PIN)).await, Ok(PinState::Done));
    assert_eq!(at_issuer(&mut world).await, "314159");
    assert_eq!(world.trial.pay(&world.holder, Some("314159"), 1).await, Ok(LegState::Held));
    world.issuer.fault("pin", "refuse 57").await;
    let refused = set(&world, "161803", None).await;
    assert_eq!(refused, Ok(PinState::Refused(Reason::NatureUnsupported)));
    assert_eq!(at_issuer(&mut world).await, "314159");
    assert_eq!(set(&world, "161803", Some("000000")).await, Err(Reason::CardNotVerified), "nobody is asked");
    assert_eq!(world.trial.wrong_pins(&world.holder).await, 1);
    world.end().await;
}
