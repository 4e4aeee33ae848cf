//! While it asks for a hold.

use super::super::credit_system::hold_of;
use super::*;

#[tokio::test]
async fn c8_a_node_that_is_killed_while_it_asks_comes_to_the_same_end() {
    if is_the_one_that_dies().await {
        return;
    }
    let this_test = "holds::c8_a_node_that_is_killed_while_it_asks_comes_to_the_same_end";
    for Place { federation, with_issuer, _database } in places().await {
        let Some(mut peered) = Peered::in_federation(federation).await else { return };
        for (point, expected) in [
            ("asked.before", None),
            ("asked.after", Some("BANK_AWAY")),
            ("asked.sent", Some("BANK_AWAY")),
            ("asked.answered", Some("BANK_AWAY")),
            ("settled.before", Some("BANK_AWAY")),
            ("settled.after", Some("")),
        ] {
            for with_issuer in with_issuer.iter().copied() {
                let leg_id = peered.trial.id();
                let asking = async |peered: &mut Peered| ask(peered, &leg_id).await;
                peered = Box::pin(killed(peered, (this_test, point, with_issuer), asking)).await;
                let trial = &mut peered.trial;
                let read = trial.hub.get_leg(GetLegRequest { leg_id: leg_id.clone() }).await;
                let leg = read.ok().map(|answer| answer.into_inner().leg.unwrap());
                assert_eq!(leg.as_ref().map(refusal), expected, "{point}");
                // Whoever asked got no answer, and gives it up.
                let void = VoidLegRequest { leg_id: leg_id.clone(), payment_id: leg_id };
                trial.hub.void_leg(void).await.unwrap();
                assert_eq!(trial.available(&peered.debit).await, 500, "{point}");
                peered.until(point, async |peered| peered.at_issuer().await == (0, 0)).await;
            }
        }
        stop_when_all_is_told(&peered.trial.federation, peered.trial.node).await;
    }
}

/// Asks until the node is gone; until the line is up nothing is asked.
async fn ask(peered: &mut Peered, leg_id: &str) {
    let request = hold_of(&peered.card_id, leg_id);
    let asking = async {
        while let Err(status) = hold_one(&mut peered.trial.hub, request.clone()).await {
            if reason_of(&status) != Some(Reason::BankAway) {
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    tokio::time::timeout(NEVER, asking).await.expect("it is asked");
}
