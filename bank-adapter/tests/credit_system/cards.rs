//! Where a card stands, told to the credit system across whatever breaks (C9).

use bank_adapter::credit_system::{self, About, CardStatus, Retold, State, StuckKey};
use domain::Reason;
use domain::card::{Card, CardState};
use server_kit::config::HumanDuration;
use server_kit::store::testing::databases;

use crate::front::successor;
use crate::world::World;

const QUICK: HumanDuration = HumanDuration::from_millis(500);

impl World {
    /// Tells where the card stands, and waits until the credit system knows.
    async fn stands(&self, state: CardState, frozen: bool) {
        let card = self.card_as(state, frozen);
        self.tell_card(&card).await;
        self.card_reaches(card.id, CardStatus::of(&card), State::Acknowledged).await;
    }

    /// The files that the issuer has put the card in, one after the other.
    async fn files(&mut self) -> Vec<String> {
        let state = self.issuer.state().await;
        let changes = state["changes"].as_array().unwrap().clone();
        let of_card = changes.iter().filter(|change| change[0] == self.pan.reveal());
        of_card.map(|change| change[1].as_str().unwrap().to_owned()).collect()
    }
}

#[tokio::test]
async fn c9_a_card_that_is_frozen_lost_or_closed_is_refused_at_the_credit_system_too() {
    use CardState::{Active, Closed, Lost};
    for database in databases().await {
        let Some(mut world) = World::on(database, "ascii", |_| {}).await else { return };
        world.up().await;
        for (state, frozen, held) in [
            (Active, true, State::Refused(Reason::CardFrozen)),
            (Active, false, State::Approved),
            (Lost, false, State::Refused(Reason::CardLost)),
            (Closed, false, State::Refused(Reason::CardClosed)),
        ] {
            world.stands(state, frozen).await;
            assert_eq!(world.hold(world.leg(), 10).await, Ok(held), "{state:?} {frozen}");
        }
        assert_eq!(world.files().await, ["FROZEN", "ACTIVE", "LOST", "CLOSED"]);
        world.end().await;
    }
}

#[tokio::test]
async fn c9_the_status_of_a_card_is_written_in_every_dialect() {
    for dialect in ["ascii-binary", "ebcdic", "bcd", "union-pay"] {
        let Some(mut world) = World::with(dialect, |_| {}).await else { return };
        world.up().await;
        world.stands(CardState::Active, true).await;
        assert_eq!(world.files().await, ["FROZEN"], "{dialect}");
        world.end().await;
    }
}

#[tokio::test]
async fn c9_an_unfreeze_never_overtakes_its_freeze_whatever_breaks_between_them() {
    for how in ["pass", "mute", "park", "drop-before", "drop-after", "die-before", "die-after", "die-answered"] {
        let Some(mut world) = World::with("ascii", |config| config.answer_timeout = QUICK).await else { return };
        world.up().await;
        world.issuer.fault("card", how).await;
        world.tell_card(&world.card_as(CardState::Active, true)).await;
        if how.starts_with("die") {
            world.issuer.is_dead().await;
            world.tell_card(&world.card_as(CardState::Active, false)).await;
            world = world.restart_issuer().await;
        } else {
            world.issuer.sees("card", 1).await;
            world.tell_card(&world.card_as(CardState::Active, false)).await;
        }
        world.card_reaches(world.card, CardStatus::Active, State::Acknowledged).await;
        assert_eq!(world.files().await, ["FROZEN", "ACTIVE"], "{how}: once each, in order");
        world.end().await;
    }
}

#[tokio::test]
async fn c9_while_the_credit_system_is_away_the_last_status_takes_the_place_of_those_before_it() {
    for database in databases().await {
        let Some(mut world) = World::on(database, "ascii", |_| {}).await else { return };
        world.up().await;
        for _ in 0..20 {
            world.issuer.fault("sign-on", "mute").await;
        }
        world.issuer.tell("drop").await;
        world.down().await;
        for frozen in [true, false, true] {
            world.tell_card(&world.card_as(CardState::Active, frozen)).await;
        }
        world.issuer.tell("clear").await;
        let mut world = world.crash().await;
        world.card_reaches(world.card, CardStatus::Frozen, State::Acknowledged).await;
        assert_eq!(world.files().await, ["FROZEN"]);
        let told = credit_system::of_card(world.store(), world.card).await.unwrap();
        let states: Vec<State> = told.iter().map(|advice| advice.state).collect();
        assert_eq!(states, [State::Superseded, State::Superseded, State::Acknowledged]);
        world.end().await;
    }
}

#[tokio::test]
async fn c9_a_card_that_takes_over_is_told_of_after_the_one_that_it_replaces() {
    for database in databases().await {
        let Some(mut world) = World::on(database, "ascii", |_| {}).await else { return };
        world.up().await;
        world.issuer.fault("card", "refuse 96").await;
        let replaced = Card { replaced_by: Some(successor()), ..world.card_as(CardState::Replaced, false) };
        let next = Card { id: successor(), ..world.card_as(CardState::Active, false) };
        world.tell_card(&replaced).await;
        world.tell_card(&next).await;
        world.card_reaches(successor(), CardStatus::Active, State::Acknowledged).await;
        let state = world.issuer.state().await;
        let files: Vec<_> = state["changes"].as_array().unwrap().iter().map(|change| change[1].clone()).collect();
        assert_eq!(files, ["REPLACED", "ACTIVE"]);
        assert_eq!(state["accounts"].as_object().unwrap().len(), 2, "both numbers lead to the account");
        assert_eq!(world.hold(world.leg(), 10).await, Ok(State::Refused(Reason::CardClosed)));
        let by_successor = credit_system::CreditHold { card_id: successor(), ..world.hold_of(world.leg(), 10) };
        assert_eq!(world.hold_as(by_successor).await, Ok(State::Approved));
        world.end().await;
    }
}

#[tokio::test]
async fn c9_a_status_that_is_refused_waits_for_an_operator_or_gives_way_to_the_next_one() {
    for database in databases().await {
        let Some(mut world) = World::on(database, "ascii", |_| {}).await else { return };
        world.up().await;
        world.issuer.fault("card", "refuse 25").await;
        world.tell_card(&world.card_as(CardState::Active, true)).await;
        let refusal = Reason::CardUnknown;
        world.card_reaches(world.card, CardStatus::Frozen, State::Stuck(refusal)).await;
        let stuck = credit_system::stuck(world.store(), None, 10).await.unwrap();
        let found: Vec<_> = stuck.iter().map(|it| (it.key(), it.about, it.refusal)).collect();
        assert_eq!(found, [(StuckKey::Card(world.card), About::Card(CardStatus::Frozen), refusal)]);
        let retold = world.retell_card(world.card).await;
        assert_eq!(retold, Ok(Retold { state: State::Waiting, refusal: Some(refusal) }));
        world.card_reaches(world.card, CardStatus::Frozen, State::Acknowledged).await;
        assert_eq!(world.retell_card(world.card).await, Ok(Retold { state: State::Acknowledged, refusal: None }));
        assert!(world.issuer.seen("0323").await > 0, "told before");

        world.issuer.fault("card", "refuse 25").await;
        world.tell_card(&world.card_as(CardState::Active, false)).await;
        world.card_reaches(world.card, CardStatus::Active, State::Stuck(refusal)).await;
        world.stands(CardState::Lost, false).await;
        assert_eq!(world.files().await, ["FROZEN", "LOST"]);
        assert!(credit_system::stuck(world.store(), None, 10).await.unwrap().is_empty(), "nobody has to look");
        world.end().await;
    }
}
