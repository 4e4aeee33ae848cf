//! Legs that are held for long, and a hub that says what becomes of them.

use std::time::Duration;

use domain::ledger::LegState::{Held, Posted, Voided};
use domain::ledger::{Origin, VoidOrder};
use domain::{LegId, PaymentId, Reason};
use server_kit::clock::SystemClock;
use tonic::Status;

use super::bank::Bank;
use crate::ledger::{Ledger, ResolveOptions, Resolver, Round, Verdict, Verdicts};

/// A hub with these verdicts; it does not know any other leg.
struct FakeHub(Vec<(LegId, Result<Verdict, Status>)>);

impl Verdicts for FakeHub {
    async fn verdict(&self, leg_id: LegId, payment_id: PaymentId) -> Result<Verdict, Status> {
        assert_eq!(leg_id.uuid(), payment_id.uuid());
        self.0.iter().find(|(id, _)| *id == leg_id).map_or(Ok(Verdict::Void), |(_, verdict)| verdict.clone())
    }
}

const AT_ONCE: ResolveOptions =
    ResolveOptions { after: Duration::ZERO, every: Duration::ZERO, pause_at_most: Duration::ZERO, legs_a_round: 2 };

pub(super) async fn legs_that_are_held_for_long_become_what_the_hub_says(bank: Bank) {
    let account = bank.account_with(1_000).await;
    let legs: [LegId; 4] = std::array::from_fn(|_| bank.leg_id());
    for leg in legs {
        bank.hold(leg, account, 100).await.unwrap();
    }
    let [post, wait, void, away] = legs;
    let clock = SystemClock::shared();
    let verdicts =
        vec![(post, Ok(Verdict::Post)), (wait, Ok(Verdict::Wait)), (away, Err(Status::unavailable("the hub is away")))];
    let patient = ResolveOptions { after: Duration::from_secs(60), ..AT_ONCE };
    let mut early = Resolver::new(bank.ledger.clone(), FakeHub(Vec::new()), clock.clone(), patient);
    assert_eq!(early.round().await, Round::default(), "nothing has been held for long");

    let mut resolver = Resolver::new(bank.ledger.clone(), FakeHub(verdicts), clock, AT_ONCE);
    let first = resolver.round().await;
    assert_eq!(first, Round { posted: 1, waiting: 1, full: true, ..Round::default() });
    let second = resolver.round().await;
    assert_eq!(second, Round { voided: 1, broken_off: true, ..Round::default() });
    let state = async |leg| bank.ledger.leg(leg).await.unwrap().state;
    assert_eq!(
        [state(post).await, state(wait).await, state(void).await, state(away).await],
        [Posted, Held, Voided, Held]
    );
    assert_eq!(bank.available(account).await, 700);
    drop((early, resolver));
    bank.end().await;
}

pub(super) async fn legs_that_wait_do_not_keep_others_from_their_turn(bank: Bank) {
    let account = bank.account_with(1_000).await;
    let legs: [LegId; 5] = std::array::from_fn(|_| bank.leg_id());
    for leg in legs {
        bank.hold(leg, account, 100).await.unwrap();
    }
    let waiting = legs[..4].iter().map(|leg| (*leg, Ok(Verdict::Wait))).collect();
    let mut resolver = Resolver::new(bank.ledger.clone(), FakeHub(waiting), SystemClock::shared(), AT_ONCE);
    let mut voided = 0;
    for _ in 0..3 {
        voided += resolver.round().await.voided;
    }
    assert_eq!(voided, 1);
    assert_eq!(bank.ledger.leg(legs[4]).await.unwrap().state, Voided);
    drop(resolver);
    bank.end().await;
}

pub(super) async fn a_leg_that_cannot_be_resolved_does_not_keep_the_others_from_it(bank: Bank) {
    let account = bank.account_with(1_000).await;
    let [poison, contradicted, good]: [LegId; 3] = std::array::from_fn(|_| bank.leg_id());
    for leg in [poison, contradicted, good] {
        bank.hold(leg, account, 100).await.unwrap();
    }
    let verdicts =
        vec![(poison, Err(proto::status(Reason::Fault))), (contradicted, Ok(Verdict::Post)), (good, Ok(Verdict::Post))];
    let hub = Overtaking { verdicts: FakeHub(verdicts), ledger: bank.ledger.clone(), voids: contradicted };
    let all = ResolveOptions { legs_a_round: 10, ..AT_ONCE };
    let mut resolver = Resolver::new(bank.ledger.clone(), hub, SystemClock::shared(), all);
    assert_eq!(resolver.round().await, Round { posted: 1, refused: 2, ..Round::default() });
    let state = async |leg| bank.ledger.leg(leg).await.unwrap().state;
    assert_eq!([state(poison).await, state(contradicted).await, state(good).await], [Held, Voided, Posted]);
    drop(resolver);
    bank.end().await;
}

/// A hub that says that a leg is to be posted while another of its replicas voids it.
struct Overtaking {
    verdicts: FakeHub,
    ledger: Ledger,
    voids: LegId,
}

impl Verdicts for Overtaking {
    async fn verdict(&self, leg_id: LegId, payment_id: PaymentId) -> Result<Verdict, Status> {
        if leg_id == self.voids {
            self.ledger.void(VoidOrder { origin: Origin::Hub, leg_id, payment_id }).await.unwrap();
        }
        self.verdicts.verdict(leg_id, payment_id).await
    }
}
