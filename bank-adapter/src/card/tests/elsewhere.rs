//! Cards of a bank whose credit accounts an existing system keeps: the issuer of tests/peers/issuer.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use domain::card::Proof;
use domain::ledger::{CompletionOrder, Leg, LegState, Nature, Origin, Part, Party, decide_again};
use domain::{LegId, PaymentId, Reason};
use serde_json::{Value, json};
use server_kit::clock::SystemClock;
use server_kit::rng::SystemRng;
use server_kit::store::testing::TestDatabase;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::issuer::{Issuer, Settings};
use super::trial::{DEBIT_ONLY, Holder, PIN, Trial, name, parts};
use crate::card::{Issuing, PinSetting, Presented, pin_block};
use crate::credit_system::{Connector, Kind, PinState, State, of_card, of_leg};
use crate::hsm::{Algorithm, ClearKey, Hsm};
use crate::ledger::card_steps::CardChange;
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
        let (holds, tasks) = connect(&trial, port, &stop).await;
        assert!(holds.system().link().wait_until_up(Duration::from_secs(20)).await, "the line is up");
        Some(Self { trial, holder, issuer, holds, stop, tasks })
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

    /// Waits until the issuer has been told so much of cards: their numbers, and the files in which they stand.
    async fn changes(&mut self, wanted: &[(&str, &str)]) {
        let wanted: Vec<Value> = wanted.iter().map(|(pan, file)| json!([pan, file])).collect();
        let mut changes = Value::Null;
        let told = async {
            while changes.as_array().is_none_or(|changes| *changes != wanted) {
                changes = self.issuer.state().await["changes"].take();
            }
        };
        let told = tokio::time::timeout(Duration::from_secs(20), told).await;
        assert!(told.is_ok(), "{wanted:?}, and not {changes}");
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
        let Self { trial, holds, stop, tasks, .. } = self;
        stop.cancel();
        drop(holds);
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

async fn connect(trial: &Trial, port: u16, stop: &CancellationToken) -> (CreditHolds, Vec<JoinHandle<()>>) {
    let text = format!(
        r#"{{"address": "127.0.0.1:{port}", "institution": "66280000", "mac_key": "credit-system",
            "zone_key": "credit-system", "answer_timeout": "2s", "repeat_pause": "20ms", "repeat_pause_at_most": "100ms",
            "reconnect_pause": "20ms", "reconnect_pause_at_most": "100ms", "sweep_every": "50ms"}}"#
    );
    let config: crate::credit_system::CreditSystemConfig = serde_json::from_str(&text).unwrap();
    let bank = &trial.bank;
    let pins = PinSettler::new(bank.ledger.clone());
    let surroundings = trial.cards.surroundings("trial.example", bank.ids.clone(), Arc::new(pins.clone()));
    let Connector { system, tasks } = Connector::start(&config, surroundings, stop).unwrap();
    bank.ledger.keep_credit_elsewhere(system.bell());
    let within = config.answer_timeout.get();
    let holds = CreditHolds::new(bank.ledger.clone(), system, pins, SystemClock::shared(), within);
    holds.recover().await.unwrap();
    (holds, tasks.into_iter().map(|(_, task)| task).collect())
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
    c8_a_repayment_that_was_not_posted_yet_is_told_before_its_reversal
    c4_both_sides_have_the_new_pin_or_neither
    c8_cash_that_the_debit_side_covers_needs_no_credit_system
    c9_the_credit_system_is_told_where_a_card_stands
    c9_a_card_without_a_credit_side_is_nothing_to_the_credit_system
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

    // A part of it, and then the rest, over a line that breaks: each is taken back once.
    let backs = [(10, "drop-after", 210), (40, "twice", 250)];
    for (minor, how, owed) in backs {
        world.issuer.fault("reversal", how).await;
        let back = world.trial.bank.leg_id();
        for _ in 0..2 {
            assert_eq!(world.trial.bank.refund(back, repaid, minor).await, Ok(LegState::Posted), "{how}");
        }
        world.told(back, Kind::Reversal).await;
        assert_eq!(world.at_issuer().await, (0, owed), "{how}");
    }
    let state = world.issuer.state().await;
    assert_eq!((&state["effects"]["repayment"], &state["effects"]["reversal"]), (&json!(1), &json!(2)));
    let more = world.trial.bank.refund(world.trial.bank.leg_id(), repaid, 1).await;
    assert_eq!(more, Ok(LegState::Refused(Reason::RefundTooLarge)));
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

async fn c8_a_repayment_that_was_not_posted_yet_is_told_before_its_reversal(mut world: World) {
    let [spent, repaid, more, back] = std::array::from_fn(|_| world.trial.bank.leg_id());
    let charge = async |world: &World, leg_id, minor| {
        assert_eq!(world.hold(leg_id, Nature::Purchase, minor).await.unwrap().state, LegState::Held);
        assert_eq!(world.trial.bank.post(leg_id).await, Ok(LegState::Posted));
        world.told(leg_id, Kind::Post).await;
    };
    charge(&world, spent, 900).await;
    // It waits for its turn while its reversal is decided, which posts it.
    world.issuer.fault("repayment", "refuse 96").await;
    world.hold(repaid, Nature::Repayment, 300).await.unwrap();
    assert_eq!(world.trial.bank.refund(back, repaid, 300).await, Ok(LegState::Posted));
    world.told(back, Kind::Reversal).await;
    let order = world.issuer.state().await["order"].take();
    assert!(order.as_array().unwrap().ends_with(&[json!("repayment"), json!("reversal")]), "{order}");
    assert_eq!(world.at_issuer().await, (0, 900));

    // What the credit system has let the card spend since does not keep the money.
    let [repaid, back] = std::array::from_fn(|_| world.trial.bank.leg_id());
    world.hold(repaid, Nature::Repayment, 300).await.unwrap();
    assert_eq!(world.trial.bank.post(repaid).await, Ok(LegState::Posted));
    world.told(repaid, Kind::Repayment).await;
    charge(&world, more, 400).await;
    assert_eq!(world.trial.bank.refund(back, repaid, 300).await, Ok(LegState::Posted), "1,300 of 1,000");
    world.told(back, Kind::Reversal).await;
    assert_eq!(world.at_issuer().await, (0, 1_300));
    world.end().await;
}

async fn c4_both_sides_have_the_new_pin_or_neither(mut world: World) {
    let set_as = async |world: &World, change_id, pin: &str, current: Option<&str>| {
        let typed = |pin| pin_block(&world.trial.typed(&world.holder.face, pin), "till-1").unwrap();
        let ids = (world.holder.card, change_id);
        let set = world.trial.cards.set_shared_pin(
            &world.holds,
            PinSetting { ids, new: typed(pin), current: current.map(typed) },
            teller(),
        );
        set.await.map_err(|error| super::trial::reason(&error))
    };
    let set = async |world: &World, pin: &str, current| set_as(world, world.trial.id(), pin, current).await;
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
    // Each gets its answer again, counts once, and is asked for once.
    let [wrong, done] = std::array::from_fn(|_| world.trial.id());
    for _ in 0..2 {
        let told = set_as(&world, wrong, "161803", Some("000000")).await;
        assert_eq!((told, world.trial.wrong_pins(&world.holder).await), (Err(Reason::CardNotVerified), 2));
    }
    for _ in 0..2 {
        assert_eq!(set_as(&world, done, "161803", Some("314159")).await, Ok(PinState::Done));
        assert_eq!(set_as(&world, wrong, "161803", Some("000000")).await, Err(Reason::CardNotVerified));
    }
    assert_eq!((world.trial.wrong_pins(&world.holder).await, at_issuer(&mut world).await.as_str()), (0, "161803"));
    assert_eq!(set_as(&world, done, "161804", Some("314159")).await, Err(Reason::IdTaken));
    assert_eq!(set_as(&world, wrong, "161803", Some("161803")).await, Err(Reason::IdTaken));
    world.end().await;
}

async fn c8_cash_that_the_debit_side_covers_needs_no_credit_system(mut world: World) {
    let before = world.issuer.seen("balance").await;
    for _ in 0..20 {
        world.issuer.fault("sign-on", "mute").await;
    }
    world.issuer.tell("drop").await;
    let link = world.holds.system().link().clone();
    eventually("the line is down", || async { (!link.is_up()).then_some(()) }).await;
    let [cash, more, paid, wrong] = std::array::from_fn(|_| world.trial.bank.leg_id());
    for _ in 0..2 {
        let leg = world.hold(cash, Nature::CashWithdrawal, 400).await.unwrap();
        assert_eq!((leg.state, parts(&leg)), (LegState::Held, vec![(Part::Debit, 400)]));
        assert_eq!(world.on_debit().await, 100, "the same hold again is the same hold");
    }
    let stored = world.trial.bank.ledger.leg(cash).await.unwrap();
    assert_eq!(decide_again(&stored.decision), Ok(Ok(stored.splits.clone())), "as if nothing were left");
    // What may draw on credit has to be asked about, and is stored nowhere meanwhile.
    let away = Err(Reason::BankAway);
    assert_eq!(world.hold(more, Nature::CashWithdrawal, 101).await.map(|leg| leg.state), away);
    assert_eq!(world.hold(paid, Nature::Purchase, 1).await.map(|leg| leg.state), away);
    let presented = Presented::read(&world.trial.read(&world.holder.face, Some("000000")), "till-1").unwrap();
    let proved = world.trial.cards.prove(presented, Nature::CashWithdrawal, cny(1)).await;
    let (party, proof) = proved.unwrap();
    let refused = world.hold_of(wrong, party, proof, Nature::CashWithdrawal, 1).await.unwrap();
    assert_eq!(refused.state, LegState::Refused(Reason::CardNotVerified));
    assert_eq!(world.trial.wrong_pins(&world.holder).await, 1, "counted once");
    world.issuer.tell("clear").await;
    assert!(link.wait_until_up(Duration::from_secs(20)).await);
    drop(link);
    assert_eq!(world.issuer.seen("balance").await, before, "nobody was asked");
    let leg = world.hold(more, Nature::CashWithdrawal, 101).await.unwrap();
    assert_eq!(parts(&leg), [(Part::Debit, 100), (Part::CashAdvance, 1)]);
    assert_eq!(world.trial.bank.post(cash).await, Ok(LegState::Posted));
    assert_eq!(world.at_issuer().await, (1, 0), "and is not told either");
    world.end().await;
}

async fn c9_the_credit_system_is_told_where_a_card_stands(mut world: World) {
    let (card, old) = (world.holder.card, world.holder.face.pan.reveal().to_owned());
    let change = async |world: &World, card, change| world.trial.change(card, change).await.unwrap();
    change(&world, card, CardChange::Freeze(true)).await;
    change(&world, card, CardChange::Freeze(true)).await;
    world.changes(&[(&old, "FROZEN")]).await;
    change(&world, card, CardChange::Freeze(false)).await;
    world.changes(&[(&old, "FROZEN"), (&old, "ACTIVE")]).await;
    change(&world, card, CardChange::Freeze(true)).await;
    let mut told = vec![(old.as_str(), "FROZEN"), (&old, "ACTIVE"), (&old, "FROZEN")];
    world.changes(&told).await;
    change(&world, card, CardChange::ReportLost).await;
    told.push((&old, "LOST"));
    world.changes(&told).await;

    // The freeze goes on with the card that takes over, of which the credit system hears first that it does.
    let (next, face) = world.trial.cards.replace(card, world.trial.card_id(), teller()).await.unwrap();
    let new = face.pan.reveal().to_owned();
    told.extend([(old.as_str(), "REPLACED"), (new.as_str(), "FROZEN")]);
    world.changes(&told).await;
    change(&world, next.id, CardChange::Freeze(false)).await;
    told.push((&new, "ISSUED"));
    world.changes(&told).await;
    change(&world, next.id, CardChange::Activate).await;
    told.push((&new, "ACTIVE"));
    world.changes(&told).await;
    let holder = Holder { card: next.id, face, ..world.holder };
    assert_eq!(world.trial.change(card, CardChange::Activate).await, Err(Reason::CardReplaced));
    world.holder = holder;
    let leg_id = world.trial.bank.leg_id();
    let party = Party::Card(next.id);
    let leg = world.hold_of(leg_id, party, Proof::Given, Nature::Purchase, 100).await.unwrap();
    assert_eq!((leg.state, world.at_issuer().await), (LegState::Held, (100, 0)), "under the new number");
    change(&world, next.id, CardChange::Close).await;
    told.push((&new, "CLOSED"));
    world.changes(&told).await;
    world.trial.bank.post(leg_id).await.unwrap();
    world.told(leg_id, Kind::Post).await;
    assert_eq!(world.at_issuer().await, (0, 100), "what was held before is charged");
    world.end().await;
}

async fn c9_a_card_without_a_credit_side_is_nothing_to_the_credit_system(world: World) {
    let issuing = Issuing {
        card_id: world.trial.card_id(),
        bin: domain::card::Bin::parse(DEBIT_ONLY).unwrap(),
        debit: Some(world.trial.bank.account_with(500).await),
        credit: None,
        pan: None,
    };
    let (card, _) = world.trial.issue(issuing).await.unwrap();
    for change in [CardChange::Activate, CardChange::Freeze(true), CardChange::ReportLost] {
        world.trial.change(card, change).await.unwrap();
    }
    assert!(of_card(&world.trial.bank.store, card).await.unwrap().is_empty());
    world.end().await;
}
