//! While it changes a PIN that its credit system has too.

use proto::counter::PinChange;

use super::super::pins::FIRST_PIN;
use super::*;

#[tokio::test]
async fn c4_a_node_that_is_killed_while_it_changes_a_pin_has_the_pin_of_its_credit_system_afterwards() {
    if is_the_one_that_dies().await {
        return;
    }
    let this_test = "pins::c4_a_node_that_is_killed_while_it_changes_a_pin_has_the_pin_of_its_credit_system_afterwards";
    // Where it dies; whether the change is durable by then, and whether the credit system has made it.
    let points = [
        ("pin.asked.before", false, false),
        ("pin.asked.after", true, false),
        ("credit.pin.before", true, false),
        ("credit.pin.after", true, false),
        ("pin.ended.before", true, true),
        ("pin.ended.after", true, true),
    ];
    for Place { federation, with_issuer, _database } in places().await {
        let Some(mut peered) = Peered::in_federation(federation).await else { return };
        peered.first_pin().await;
        let mut current = FIRST_PIN.to_owned();
        let mut changes = peered.pin_at_issuer().await.1;
        for (at, (point, is_durable, is_made)) in points.into_iter().enumerate() {
            for with_issuer in with_issuer.iter().copied() {
                let (change_id, pin) = (peered.trial.id(), format!("55{}{at}66", u8::from(with_issuer)));
                let before = current.as_str();
                let changing = async |peered: &mut Peered| {
                    let _: Result<PinChange, Status> = peered.set_pin(&change_id, &pin, before).await;
                    let wanted = if is_made { (pin.clone(), changes + 1) } else { (before.to_owned(), changes) };
                    assert_eq!(peered.pin_at_issuer().await, wanted, "{point}");
                };
                peered = Box::pin(killed(peered, (this_test, point, with_issuer), changing)).await;
                if is_durable {
                    // Nobody sends it again, and it comes to its end.
                    peered.until(point, async |peered| peered.pin_at_issuer().await.0 == pin).await;
                } else {
                    peered.both_have(before, &pin).await;
                }
                // Whoever asked got no answer and sends the same change again.
                peered.sees_through(&change_id, &pin, before).await;
                changes += 1;
                peered.both_have(&pin, before).await;
                assert_eq!(peered.pin_at_issuer().await.1, changes, "{point}: once");
                current = pin;
            }
        }
        stop_when_all_is_told(&peered.trial.federation, peered.trial.node).await;
    }
}
