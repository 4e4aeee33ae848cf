//! What is lost, late or killed on the way.

use domain::payment::{FrozenInstrument, Verdict};
use domain::repayment::{Legs, Side};
use domain::{LegId, Reason};
use futures_util::future::join_all;

use super::*;
use crate::repayment::steps::Create;
use crate::testing::bank::Play;

impl World {
    /// Takes a repayment in and does nothing more, as a hub that dies then.
    async fn taken(&self, payer: &Payer) -> Repayment {
        let leg = || LegId::from_uuid(self.hub.id());
        let form = self.form(payer);
        let create = Create {
            person_id: payer.person_id,
            device_id: payer.device_id,
            signature: payer.request(&form.to_string()).signature,
            form,
            legs: Legs { paying: leg(), receiving: leg() },
        };
        let outcome = self.repayments.write(Step::Create(Box::new(create))).await.unwrap();
        assert!(outcome.is_new);
        outcome.repayment.unwrap()
    }

    fn bank(&self, side: Side) -> &PlayedBank {
        match side {
            Side::Paying => &self.a,
            Side::Receiving => &self.b,
        }
    }
}

#[tokio::test]
async fn r8_when_either_bank_refuses_nothing_moves_and_it_is_said_which() {
    on_each_engine(async |hub| {
        let world = World::open(&hub, at_once()).await;
        let payer = world.payer().await;
        for (side, play, expected) in [
            (Side::Paying, Play::Refuse(Reason::InsufficientFunds), Reason::InsufficientFunds),
            (Side::Paying, Play::Refuse(Reason::AccountFrozen), Reason::AccountFrozen),
            (Side::Receiving, Play::Refuse(Reason::RepaymentTooLarge), Reason::RepaymentTooLarge),
            (Side::Receiving, Play::Refuse(Reason::CurrencyMismatch), Reason::CurrencyMismatch),
            (Side::Receiving, Play::Impossible(Reason::FieldUnknown), Reason::FieldUnknown),
        ] {
            world.bank(side).play(&[play]);
            let form = world.form(&payer);
            let answer = world.create(&payer, &form.to_string()).await.unwrap();
            let named = if side == Side::Paying { pb::RepaymentSide::Paying } else { pb::RepaymentSide::Receiving };
            assert_eq!((answer.state(), answer.refused_by()), (pb::RepaymentState::Declined, named), "{play:?}");
            assert_eq!(answer.refusal.unwrap().reason, expected.code(), "{}", hub.engine);
            let done = world.comes_to(form.id, State::Aborted).await;
            assert_eq!((done.due_at, world.moved()), (None, (0, 0)), "{}: {play:?}", hub.engine);
        }
        assert_eq!(world.count("SELECT count(*) FROM events").await, 0);
        world.all_is_well().await;
    })
    .await;
}

#[tokio::test]
async fn f4_what_is_frozen_at_the_hub_repays_nothing_whether_it_is_asked_before_or_held_meanwhile() {
    on_each_engine(async |hub| {
        let world = World::open(&hub, at_once()).await;
        let payer = world.payer().await;
        let under_way = world.taken(&payer).await;
        let party = &under_way.paying.party;
        let frozen = FrozenInstrument { bank_id: party.bank_id.clone(), instrument: party.instrument }.words();
        let sql = "UPDATE payers SET frozen = $1, version = version + 1 WHERE person_id = $2";
        let mark = async |frozen: Option<String>| {
            let mut tx = world.hub.store.begin().await.unwrap();
            tx.execute(sql, vec![frozen.into(), payer.person_id.uuid().into()]).await.unwrap();
            tx.commit().await.unwrap();
        };
        mark(Some(frozen)).await;

        let refused = world.create(&payer, &world.form(&payer).to_string()).await;
        let why = refused.err().and_then(|status| proto::reason_of(&status));
        let expected = match party.instrument {
            domain::payment::Instrument::Account(_) => Reason::AccountFrozen,
            domain::payment::Instrument::Card(_) => Reason::CardFrozen,
        };
        assert_eq!(why, Some(expected), "{}", hub.engine);
        let done = world.comes_to(under_way.id, State::Aborted).await;
        assert_eq!((done.refusal, world.moved()), (Some(expected), (0, 0)), "{}", hub.engine);
        // The mark alone was set, with no freeze beside it.
        mark(None).await;
        world.all_is_well().await;
    })
    .await;
}

#[tokio::test]
async fn r8_a_lost_answer_is_asked_for_again_and_moves_the_money_once() {
    on_each_engine(async |hub| {
        let world = World::open(&hub, at_once()).await;
        let payer = world.payer().await;
        for side in Side::BOTH {
            for play in [Play::LoseAnswer, Play::LoseCall] {
                let (before_a, before_b) = (world.a.moved(), world.b.moved());
                world.bank(side).play(&[play, play]);
                let form = world.form(&payer);
                let answer = world.create(&payer, &form.to_string()).await.unwrap();
                assert_eq!(answer.state(), pb::RepaymentState::Pending, "{}: {side:?} {play:?}", hub.engine);
                // The other bank's answer is remembered.
                assert_eq!(world.stored(form.id).await.awaited().collect::<Vec<_>>(), [side]);
                world.comes_to(form.id, State::Posted).await;
                let now = (world.a.moved() - before_a, world.b.moved() - before_b);
                assert_eq!(now, (AMOUNT, AMOUNT), "{}: {side:?} {play:?}", hub.engine);
            }
        }
        assert_eq!(world.count("SELECT count(*) FROM events").await, 4);
        world.all_is_well().await;
    })
    .await;
}

#[tokio::test]
async fn r8_a_bank_that_is_away_until_the_deadline_costs_nobody_anything() {
    on_each_engine(async |hub| {
        let policy = Policy { decide_within: Duration::from_millis(300), ..at_once() };
        let world = World::open(&hub, policy).await;
        let payer = world.payer().await;
        for side in Side::BOTH {
            world.bank(side).play(&[Play::LoseCall; 2_000]);
            let form = world.form(&payer);
            world.create(&payer, &form.to_string()).await.unwrap();
            for _ in 0..2_000 {
                if world.stored(form.id).await.refusal.is_some() {
                    break;
                }
                world.sweep().await;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            let stored = world.stored(form.id).await;
            assert_eq!((stored.refusal, stored.refused_by), (Some(Reason::DecisionTimedOut), Some(side)));
            world.bank(side).play(&[]);
            world.comes_to(form.id, State::Aborted).await;
            assert_eq!(world.moved(), (0, 0), "{}: {side:?}", hub.engine);
            // The bank that was away has a tombstone, so that a hold which comes now is refused.
            assert_eq!(world.bank(side).calls().last().map(String::as_str), Some("void"));
            assert_eq!(world.get(&payer, form.id).await.unwrap().state(), pb::RepaymentState::Declined);
        }
        world.all_is_well().await;
    })
    .await;
}

#[tokio::test]
async fn r8_a_hub_killed_at_any_state_is_carried_on_by_the_next_one() {
    on_each_engine(async |hub| {
        let mut world = World::open(&hub, at_once()).await;
        let payer = world.payer().await;
        // Taken in, and nobody asked.
        let taken = world.taken(&payer).await;
        world = world.killed(at_once()).await;
        world.comes_to(taken.id, State::Posted).await;
        // Both banks hold, and the answers died with the hub.
        let asked = world.taken(&payer).await;
        for side in Side::BOTH {
            world.repayments.inner.banks.hold_side(&asked, side).await;
        }
        world = world.killed(at_once()).await;
        world.comes_to(asked.id, State::Posted).await;
        // Committed, and one of the banks has posted.
        let held = world.taken(&payer).await;
        for side in Side::BOTH {
            world.repayments.inner.banks.hold_side(&held, side).await;
        }
        let committed = world.repayments.write(Step::Held { id: held.id, sides: Side::BOTH.to_vec() }).await.unwrap();
        assert_eq!(committed.repayment.unwrap().state, State::Committed);
        world.repayments.inner.banks.post(&held.paying.party.bank_id, &[held.paying.id]).await;
        world = world.killed(at_once()).await;
        world.comes_to(held.id, State::Posted).await;
        assert_eq!(world.moved(), (3 * AMOUNT, 3 * AMOUNT), "{}", hub.engine);
        // Given up, and neither bank has heard of it.
        let refused = world.taken(&payer).await;
        for side in Side::BOTH {
            world.repayments.inner.banks.hold_side(&refused, side).await;
        }
        let step = Step::Refused { id: refused.id, reason: Reason::BankRefused, by: Side::Receiving };
        world.repayments.write(step).await.unwrap();
        world = world.killed(at_once()).await;
        world.comes_to(refused.id, State::Aborted).await;
        assert_eq!(world.moved(), (3 * AMOUNT, 3 * AMOUNT), "{}", hub.engine);
        assert_eq!(world.count("SELECT count(*) FROM events").await, 3);
        world.all_is_well().await;
    })
    .await;
}

#[tokio::test]
async fn r8_a_bank_that_asks_about_its_leg_is_told_what_was_decided_and_only_of_its_own() {
    on_each_engine(async |hub| {
        let world = World::open(&hub, at_once()).await;
        let payer = world.payer().await;
        let taken = world.taken(&payer).await;
        let (a, b) = (&taken.paying.party.bank_id, &taken.receiving.party.bank_id);
        let ask = async |bank, leg| world.repayments.verdict(bank, taken.id, leg).await.unwrap();
        assert_eq!(ask(a, taken.paying.id).await, Ok(Some(Verdict::Wait)), "{}", hub.engine);
        assert_eq!(ask(b, taken.paying.id).await, Err(Reason::NotYours));
        assert_eq!(ask(a, LegId::from_uuid(hub.id())).await, Ok(None));
        world.comes_to(taken.id, State::Posted).await;
        assert_eq!(ask(b, taken.receiving.id).await, Ok(Some(Verdict::Post)));
    })
    .await;
}

#[tokio::test]
async fn r8_two_hubs_that_take_the_same_repayment_in_at_once_make_one_of_it() {
    on_postgres_twice(async |hub| {
        let one = World::open(&hub, at_once()).await;
        let two = World::replica(&hub, (one.a.clone(), one.b.clone()), "hub-2", at_once()).await;
        let payer = one.payer().await;
        for _ in 0..10 {
            let form = one.form(&payer);
            let text = form.to_string();
            let sent = (0..8).map(|n| if n % 2 == 0 { &one } else { &two }).map(|it| it.create(&payer, &text));
            let answers = join_all(sent).await;
            assert!(answers.iter().all(Result::is_ok), "{answers:?}");
            one.comes_to(form.id, State::Posted).await;
        }
        assert_eq!(one.moved(), (10 * AMOUNT, 10 * AMOUNT));
        assert_eq!((one.a.holds().len(), one.b.holds().len()), (10, 10));
        one.all_is_well().await;
    })
    .await;
}
