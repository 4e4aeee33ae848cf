//! The credit system dies by SIGKILL at each step of what a node asks it for or tells it: before it has done it, after that, and
//! when it has answered.

use super::credit_system::{Peered, hold_of};
use super::pins::FIRST_PIN;
use super::*;

const HOW: [&str; 3] = ["die-before", "die-after", "die-answered"];

async fn post(peered: &mut Peered, leg_id: &str) -> LegState {
    let request = PostLegsRequest { leg_ids: vec![leg_id.to_owned()] };
    peered.trial.hub.post_legs(request).await.unwrap().into_inner().results[0].state()
}

async fn void(peered: &mut Peered, leg_id: &str) -> LegState {
    let request = VoidLegRequest { leg_id: leg_id.to_owned(), payment_id: leg_id.to_owned() };
    peered.trial.hub.void_leg(request).await.unwrap().into_inner().leg.unwrap().state()
}

#[tokio::test]
async fn c8_a_credit_system_that_is_killed_at_a_hold_a_post_or_a_void_comes_to_the_same_end() {
    let Some(mut peered) = Peered::start().await else { return };
    let mut owed = 0;
    for how in HOW {
        let [asked, posted, voided] = std::array::from_fn(|_| peered.trial.id());
        let hold = |leg_id: &str, peered: &Peered| Hold { amount: cny(20), ..hold_of(&peered.card_id, leg_id) };
        for leg_id in [&posted, &voided] {
            let request = hold(leg_id, &peered);
            assert_eq!(peered.hold(&request).await.state(), LegState::Held);
        }
        peered.issuer.fault("hold", how).await;
        let request = hold(&asked, &peered);
        let leg = peered.hold(&request).await;
        let expected = if how == "die-answered" { (LegState::Held, "") } else { (LegState::Refused, "BANK_AWAY") };
        assert_eq!((leg.state(), refusal(&leg)), expected, "{how}");
        peered.issuer.is_dead().await;
        peered = peered.restart_issuer().await;
        assert_eq!(void(&mut peered, &asked).await == LegState::Voided, how == "die-answered", "{how}");
        peered.until(how, async |peered| peered.at_issuer().await == (40, owed)).await;

        peered.issuer.fault("post", how).await;
        assert_eq!(post(&mut peered, &posted).await, LegState::Posted, "{how}: what was held can be posted");
        peered.issuer.is_dead().await;
        peered = peered.restart_issuer().await;
        owed += 20;
        peered.until(how, async |peered| peered.at_issuer().await == (20, owed)).await;

        peered.issuer.fault("void", how).await;
        assert_eq!(void(&mut peered, &voided).await, LegState::Voided, "{how}");
        peered.issuer.is_dead().await;
        peered = peered.restart_issuer().await;
        peered.until(how, async |peered| peered.at_issuer().await == (0, owed)).await;
        let effects = &peered.issuer.state().await["effects"];
        assert_eq!(effects["post"].as_i64(), Some(owed / 20), "{how}: nothing twice");
    }
    assert_eq!(peered.trial.available(&peered.debit).await, 500);
    peered.trial.node.stop().await.unwrap();
}

#[tokio::test]
async fn c4_a_credit_system_that_is_killed_at_a_change_of_a_pin_has_the_same_pin_as_the_node_afterwards() {
    let Some(mut peered) = Peered::start().await else { return };
    peered.first_pin().await;
    let mut current = FIRST_PIN.to_owned();
    for (how, pin) in HOW.into_iter().zip(["111222", "222333", "333444"]) {
        let (change_id, before) = (peered.trial.id(), peered.pin_at_issuer().await.1);
        peered.issuer.fault("pin", how).await;
        // The call returns while the peer is away, or it is answered just before that.
        peered.set_pin(&change_id, pin, &current).await.unwrap();
        peered.issuer.is_dead().await;
        peered = peered.restart_issuer().await;
        peered.sees_through(&change_id, pin, &current).await;
        peered.both_have(pin, &current).await;
        assert_eq!(peered.pin_at_issuer().await.1, before + 1, "{how}: once");
        current = pin.to_owned();
    }
    peered.trial.node.stop().await.unwrap();
}
