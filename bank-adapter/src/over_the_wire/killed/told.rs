//! While it posts and voids, and tells of it.

use super::super::credit_system::hold_of;
use super::*;

/// What each hold takes of the credit side.
const MINOR: i64 = 20;

/// What becomes of a leg that is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Post,
    Void,
}

impl End {
    const fn state(self) -> LegState {
        match self {
            Self::Post => LegState::Posted,
            Self::Void => LegState::Voided,
        }
    }

    /// The leg afterwards; none when the node is gone.
    async fn of(self, peered: &mut Peered, leg_id: &str) -> Option<LegState> {
        let hub = &mut peered.trial.hub;
        let leg_id = leg_id.to_owned();
        match self {
            Self::Post => {
                let told = hub.post_legs(PostLegsRequest { leg_ids: vec![leg_id] }).await.ok()?;
                Some(told.into_inner().results[0].state())
            }
            Self::Void => {
                let told = hub.void_leg(VoidLegRequest { payment_id: leg_id.clone(), leg_id }).await.ok()?;
                Some(told.into_inner().leg.unwrap().state())
            }
        }
    }
}

#[tokio::test]
async fn c8_a_node_that_is_killed_at_a_post_or_a_void_tells_it_once() {
    if is_the_one_that_dies().await {
        return;
    }
    let this_test = "told::c8_a_node_that_is_killed_at_a_post_or_a_void_tells_it_once";
    let decided = [(End::Post, ["D5.before", "D5.after"]), (End::Void, ["void.before", "void.after"])];
    // About to be told, told and not yet noted, acknowledged.
    let telling = ["credit.sending.before", "credit.sending.after", "credit.told.before", "credit.told.after"];
    for Place { federation, with_issuer, _database } in places().await {
        let Some(mut peered) = Peered::in_federation(federation).await else { return };
        let (mut posts, mut voids) = (0, 0);
        for (how, [before, after]) in decided {
            for point in [before, after].into_iter().chain(telling) {
                for with_issuer in with_issuer.iter().copied() {
                    let leg_id = peered.trial.id();
                    let request = Hold { amount: cny(MINOR), ..hold_of(&peered.card_id, &leg_id) };
                    assert_eq!(peered.hold(&request).await.state(), LegState::Held);
                    let ending = async |peered: &mut Peered| {
                        how.of(peered, &leg_id).await;
                    };
                    peered = Box::pin(killed(peered, (this_test, point, with_issuer), ending)).await;
                    match how {
                        End::Post => posts += 1,
                        End::Void => voids += 1,
                    }
                    let hub = &mut peered.trial.hub;
                    let read = hub.get_leg(GetLegRequest { leg_id: leg_id.clone() }).await.unwrap();
                    let state = read.into_inner().leg.unwrap().state();
                    if point == before {
                        assert_eq!((state, peered.at_issuer().await.0), (LegState::Held, MINOR), "{how:?} {point}");
                        how.of(&mut peered, &leg_id).await.unwrap();
                    } else {
                        assert_eq!(state, how.state(), "{how:?} {point}: nothing is lost");
                    }
                    peered.until(point, async |peered| peered.at_issuer().await == (0, posts * MINOR)).await;
                    // Whoever asked got no answer and asks again.
                    assert_eq!(how.of(&mut peered, &leg_id).await, Some(how.state()), "{how:?} {point}");
                }
            }
        }
        let state = peered.issuer.state().await;
        let effects = ["hold", "post", "void"].map(|what| state["effects"][what].as_i64().unwrap());
        assert_eq!(effects, [posts + voids, posts, voids], "nothing twice");
        assert_eq!(peered.at_issuer().await, (0, posts * MINOR));
        assert_eq!(peered.trial.available(&peered.debit).await, 500);
        stop_when_all_is_told(&peered.trial.federation, peered.trial.node).await;
    }
}
