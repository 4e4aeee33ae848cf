//! What a bank learns of its offer.

use super::{Answer, Delivery, Offer, State};
use crate::PersonId;

/// The fewest deliveries of which a bank is told the number, unless an operator asks for more.
pub const FLOOR: u32 = 5;

/// What a bank learns of its offer. Who accepts tells the bank so; who does not is in no list, and in no number below the
/// floor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Where it is in its life. A budget below the floor is never seen used up, since it would be the number of deliveries.
    pub state: State,
    /// To at least so many people it was delivered: a multiple of the floor, or none below it.
    pub delivered_at_least: Option<u32>,
    /// Who accepted, in the order of ids, so that the order of acceptance is not told. How many there are needs no floor:
    /// each of them has told the bank.
    pub accepted_by: Vec<PersonId>,
}

/// What the bank is told of an offer and its deliveries. A floor below two counts as two. Deliveries of other offers are
/// left out.
pub fn report<'d>(offer: &Offer, deliveries: impl IntoIterator<Item = &'d Delivery>, floor: u32) -> Report {
    let floor = floor.max(2);
    let ours = deliveries.into_iter().filter(|delivery| delivery.offer_id == offer.filing.id);
    let mut accepted_by: Vec<PersonId> = ours
        .filter(|delivery| matches!(delivery.answer, Answer::Accepted(_)))
        .map(|delivery| delivery.person_id)
        .collect();
    accepted_by.sort_unstable();
    let state = match offer.state {
        State::UsedUp if offer.filing.budget < floor => State::Running,
        state => state,
    };
    let delivered = offer.delivered - offer.delivered % floor;
    Report { state, delivered_at_least: (delivered > 0).then_some(delivered), accepted_by }
}
