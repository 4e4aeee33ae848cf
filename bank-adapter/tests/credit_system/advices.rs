//! Holds and what follows them.

use bank_adapter::credit_system::{Advice, Kind, State};
use domain::Reason;

use crate::world::{LIMIT, World, cny};

#[tokio::test]
async fn c8_a_hold_is_asked_for_posted_and_refunded_at_the_existing_credit_system() {
    let Some(mut world) = World::new().await else { return };
    world.up().await;
    let (leg, refund) = (world.leg(), world.leg());
    assert_eq!(world.hold(leg, 300).await, Ok(State::Approved));
    assert_eq!(world.books().await, (300, 0));
    world.post(leg, 250).await;
    assert_eq!(world.queue(Advice::Refund { leg_id: refund, original_leg_id: leg, amount: cny(50) }).await, Ok(true));
    world.acknowledged(leg, Kind::Post).await;
    world.acknowledged(refund, Kind::Refund).await;
    assert_eq!(world.books().await, (0, 200));
    let other = world.leg();
    assert_eq!(world.hold(other, LIMIT).await, Ok(State::Refused(Reason::InsufficientFunds)));
    world.end().await;
}
