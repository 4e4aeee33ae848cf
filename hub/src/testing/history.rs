//! Credit history for the tests of those who offer its calls.

use std::num::NonZeroU32;
use std::sync::Arc;

use jiff::tz::TimeZone;
use server_kit::store::Owner;

use super::TestHub;
use crate::credit_history::CreditHistoryParts;
use crate::feed::Feed;

/// What it works with; a bank may ask as often as a test does.
pub(crate) fn history_parts(hub: &TestHub, feed: &Feed, owner: Arc<Owner>) -> CreditHistoryParts {
    CreditHistoryParts {
        store: hub.store.clone(),
        keys: hub.keys.clone(),
        clock: hub.clock(),
        feed: feed.clone(),
        owner,
        zone: TimeZone::UTC,
        inquiries_per_bank_per_minute: NonZeroU32::new(1_000).unwrap(),
    }
}
