//! People at the console: one is looked up, told of it, and what they have bound is frozen.

use std::sync::Arc;

use domain::payment::Policy;

use super::*;
use crate::bank::{Banks, LinkOptions};
use crate::freeze::{FreezeParts, Freezes};
use crate::safety_code::{SafetyCodeParts, SafetyCodes};
use crate::sign_in::testing::Holder;

const PHONE: &str = "+8613800138000";

/// What stands behind freezing.
pub(super) async fn lost(hub: &TestHub, directory: &Directory, feed: &Feed) -> (Freezes, SafetyCodes) {
    let owner = Arc::new(Owner::take(&hub.store, "hub-1-lost", hub.id()).await.unwrap());
    let safety = domain::safety_code::Policy::default();
    let (freezes, _) = Freezes::start(FreezeParts {
        store: hub.store.clone(),
        keys: hub.keys.clone(),
        clock: hub.clock(),
        banks: Banks::played(directory.clone(), LinkOptions { timeout: Duration::from_secs(3), tries: 1 }),
        feed: feed.clone(),
        owner: owner.clone(),
        policy: Policy::default(),
        safety,
    });
    let (store, keys, clock, feed) = (hub.store.clone(), hub.keys.clone(), hub.clock(), feed.clone());
    let payments = Policy::default();
    let parts = SafetyCodeParts { store, keys, clock, feed, owner, policy: safety, payments };
    (freezes, SafetyCodes::start(parts).0)
}

async fn find(browser: &mut Browser<'_>, person: &str, purpose: &str) -> Told {
    browser.get("/people").await;
    browser.post("/people", &[("person", person), ("name", ""), ("purpose", purpose), ("why", "case 12")]).await
}

#[tokio::test]
async fn m9_a_person_is_looked_up_for_a_purpose_and_frozen_and_hears_of_both() {
    on_each_engine(async |hub| {
        let world = World::open(&hub, ConsoleConfig::default()).await;
        let holder = Holder::new(&hub, PHONE).await;
        let bank = "INSERT INTO banks (bank_id, version, display_name, endpoint, suspended) VALUES ('bank-a', 1, 'First', '', 0)";
        change(&hub, bank, Vec::new()).await;
        let sql = "INSERT INTO bindings (bank_id, instrument_id, instrument, version, person_id, masked, active, is_default, bound_at) \
                   VALUES ('bank-a', $1, 'ACCOUNT', 1, $2, '****4821', 1, 1, 0)";
        change(&hub, sql, vec![hub.id().into(), holder.id.uuid().into()]).await;
        let outside = world.browser().get("/people").await;
        assert_eq!(outside.location, "/sign-in");
        let mut ann = world.signed_in("ann").await;
        let page = ann.get("/people").await;
        assert!(page.status == StatusCode::OK && page.body.contains("<code>bankhub person find"), "{}", page.body);
        assert_eq!(holder.news().await.len(), 0, "a form finds nobody");
        for (person, purpose, status) in [
            (PHONE, "", StatusCode::UNPROCESSABLE_ENTITY),
            ("13800138000", "PERSON_PURPOSE_LOSS", StatusCode::UNPROCESSABLE_ENTITY),
            ("+8613900139000", "PERSON_PURPOSE_LOSS", StatusCode::NOT_FOUND),
        ] {
            assert_eq!(find(&mut ann, person, purpose).await.status, status, "{person} on {}", hub.engine);
        }
        let found = find(&mut ann, PHONE, "PERSON_PURPOSE_LOSS").await;
        assert_eq!(found.status, StatusCode::OK, "{}", found.body);
        let (id, device) = (holder.id.to_string(), holder.device_id.to_string());
        for shown in [id.as_str(), device.as_str(), "A**", "****4821", &holder.phone.masked()] {
            assert!(found.body.contains(shown), "{shown}: {}", found.body);
        }
        assert!(!found.body.contains(PHONE) && !found.body.contains("Ann<"), "{}", found.body);
        assert_eq!(holder.news().await.len(), 1);
        let order = found.body.split_once("name=\"order\" value=\"").unwrap().1.split('"').next().unwrap().to_owned();
        let fields = [("person", id.as_str()), ("order", order.as_str()), ("why", "lost bag")];
        for _ in 0..2 {
            let told = ann.post("/people/freeze", &fields).await;
            assert_eq!(told.location, "/people?frozen=1", "{}", told.body);
        }
        let after = find(&mut ann, &id, "PERSON_PURPOSE_LOSS").await;
        assert!(after.body.contains("<strong>frozen</strong>"), "{}", after.body);
        let unmarked = ann.post_marked("/people", "", &[("person", PHONE)]).await;
        assert_eq!(unmarked.status, StatusCode::FORBIDDEN);
        // Who only looks at how things stand looks nobody up.
        change(&hub, "UPDATE operators SET role = 'VIEWER', version = version + 1 WHERE operator_id = 'bob'", Vec::new()).await;
        let mut bob = world.signed_in("bob").await;
        assert_eq!(bob.get("/people").await.status, StatusCode::FORBIDDEN);
        let refused = bob.post("/people", &[("person", PHONE), ("purpose", "PERSON_PURPOSE_LOSS"), ("why", "x")]).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
    })
    .await;
}
