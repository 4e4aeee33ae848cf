//! Credit history for the tests of those who offer its calls.

use std::num::NonZeroU32;
use std::sync::Arc;

use jiff::tz::TimeZone;
use server_kit::store::Owner;

use super::TestHub;
use crate::credit_history::CreditHistoryParts;
use crate::feed::Feed;
use crate::habits::Habits;
use crate::lookups::tests::unbounded;
use crate::offers::OfferParts;

/// What it works with; a bank may ask as often as a test does.
pub(crate) fn history_parts(hub: &TestHub, feed: &Feed, owner: Arc<Owner>) -> CreditHistoryParts {
    let name = owner.name().to_owned();
    CreditHistoryParts {
        store: hub.store.clone(),
        keys: hub.keys.clone(),
        clock: hub.clock(),
        feed: feed.clone(),
        zone: TimeZone::UTC,
        habits: Habits::start(hub.store.clone(), owner.clone(), TimeZone::UTC).0,
        owner,
        habits_floor: domain::habit::FLOOR,
        inquiries_per_bank_per_minute: NonZeroU32::new(1_000).unwrap(),
        lookups: unbounded(hub, &name),
    }
}

/// What offers work with, in the same surroundings.
pub(crate) fn offer_parts(hub: &TestHub, feed: &Feed, owner: Arc<Owner>) -> OfferParts {
    OfferParts {
        store: hub.store.clone(),
        keys: hub.keys.clone(),
        clock: hub.clock(),
        feed: feed.clone(),
        habits: Habits::start(hub.store.clone(), owner.clone(), TimeZone::UTC).0,
        owner,
        floor: domain::offer::FLOOR,
    }
}
