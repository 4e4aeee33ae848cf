//! What the tests of this capability and of the phones' stand on.

use super::*;
use crate::testing::TestHub;

pub(crate) fn reminder_parts(hub: &TestHub, feed: &Feed, owner: &Arc<Owner>) -> ReminderParts {
    ReminderParts {
        store: hub.store.clone(),
        keys: hub.keys.clone(),
        clock: hub.clock(),
        feed: feed.clone(),
        owner: owner.clone(),
        zone: TimeZone::UTC,
    }
}
