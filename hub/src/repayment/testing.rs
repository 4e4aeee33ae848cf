//! Repayments for the tests of those who offer their calls.

use std::sync::Arc;
use std::time::Duration;

use domain::payment::Policy;
use server_kit::store::Owner;

use super::RepaymentParts;
use crate::bank::Banks;
use crate::feed::Feed;
use crate::testing::TestHub;

/// What they work with. A phone's call waits for its banks for as long as a test does.
pub(crate) fn repayment_parts(
    hub: &TestHub,
    feed: &Feed,
    owner: &Arc<Owner>,
    banks: Banks,
    policy: Policy,
) -> RepaymentParts {
    RepaymentParts {
        store: hub.store.clone(),
        banks,
        feed: feed.clone(),
        keys: hub.keys.clone(),
        clock: hub.clock(),
        ids: hub.ids.clone(),
        owner: owner.clone(),
        policy,
        answer_within: Duration::from_secs(30),
    }
}
