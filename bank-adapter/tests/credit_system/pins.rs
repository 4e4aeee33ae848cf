//! Changes of PINs: both sides or neither.

use bank_adapter::credit_system::{self, PinState};
use domain::Reason;
use server_kit::config::HumanDuration;
use server_kit::store::testing::databases;

use crate::world::World;

const QUICK: HumanDuration = HumanDuration::from_millis(500);

#[tokio::test]
async fn c4_a_new_pin_reaches_both_sides_and_is_forgotten_on_the_way() {
    let Some(mut world) = World::new().await else { return };
    world.up().await;
    world.both_have("123456").await;
    let id = world.intend_pin("65432").await.unwrap();
    let change = world.pin_change_over(id).await;
    assert_eq!((change.state, change.new, change.tries), (PinState::Done, None, 1));
    world.both_have("65432").await;
    world.end().await;
}

#[tokio::test]
async fn c4_a_pin_that_the_credit_system_refuses_reaches_neither() {
    for database in databases().await {
        let Some(mut world) = World::on(database, "ascii", |_| {}).await else { return };
        world.up().await;
        world.issuer.fault("pin", "refuse 75").await;
        let id = world.intend_pin("65432").await.unwrap();
        let change = world.pin_change_over(id).await;
        assert_eq!((change.state, change.new), (PinState::Refused(Reason::CardLocked), None));
        world.both_have("123456").await;
        let again = world.intend_pin("777777").await.unwrap();
        world.pin_change_over(again).await;
        world.both_have("777777").await;
        world.end().await;
    }
}

#[tokio::test]
async fn c4_a_credit_system_that_breaks_in_the_middle_of_a_change_is_asked_until_the_outcome_is_known() {
    for how in [
        "die-before",
        "die-after",
        "die-answered",
        "drop-before",
        "drop-after",
        "mute",
        "park",
        "twice",
        "garbage",
        "bad-mac",
        "refuse 91",
        "refuse 94",
    ] {
        let Some(mut world) = World::with("ascii", |config| config.answer_timeout = QUICK).await else { return };
        world.up().await;
        world.issuer.fault("pin", how).await;
        let id = world.intend_pin("65432").await.unwrap();
        if how.starts_with("die") {
            world.issuer.is_dead().await;
            world = world.restart_issuer().await;
        }
        assert_eq!(world.pin_change_over(id).await.state, PinState::Done, "{how}");
        world.both_have("65432").await;
        assert_eq!(world.issuer.state().await["effects"]["pin"], 1, "{how}");
        world.end().await;
    }
}

#[tokio::test]
async fn c4_a_change_that_a_crash_of_the_front_interrupted_goes_on_after_it() {
    for how in ["mute", "park", "drop-after", "pass"] {
        for database in databases().await {
            let Some(mut world) = World::on(database, "ascii", |config| config.answer_timeout = QUICK).await else {
                return;
            };
            world.up().await;
            world.issuer.fault("pin", how).await;
            let id = world.intend_pin("65432").await.unwrap();
            world.issuer.sees("pin", 1).await;
            let mut world = world.crash().await;
            assert_eq!(world.pin_change_over(id).await.state, PinState::Done, "{how}");
            world.both_have("65432").await;
            assert_eq!(world.issuer.state().await["effects"]["pin"], 1, "{how}");
            world.end().await;
        }
    }
}

#[tokio::test]
async fn c4_one_change_of_a_card_at_a_time() {
    let Some(mut world) = World::with("ascii", |config| config.answer_timeout = QUICK).await else { return };
    world.up().await;
    world.issuer.fault("pin", "mute").await;
    let first = world.intend_pin("65432").await.unwrap();
    world.issuer.sees("pin", 1).await;
    assert_eq!(world.intend_pin("777777").await, Err(Reason::PinChangePending));
    world.pin_change_over(first).await;
    world.both_have("65432").await;
    assert!(credit_system::change(world.store(), first).await.unwrap().is_some_and(|change| change.new.is_none()));
    world.end().await;
}
