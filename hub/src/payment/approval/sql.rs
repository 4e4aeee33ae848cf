//! What waits for somebody's answer, and whose phone it is that answers.

use std::collections::HashSet;

use domain::{DeviceId, PaymentId, PersonId, Timestamp};
use server_kit::store::{Keys, Load, Store, StoreError, Tx};
use uuid::Uuid;

/// Events that are looked through, from the last one back: far more than come to anybody while a code lives.
const MOST_EVENTS: i64 = 256;

/// The payments of which the person has been told a code that has not ended, the last one first. By the person's own feed and not by an
/// index of payments, which every payment would have to keep up.
pub(super) async fn asked_of(store: &Store, person_id: PersonId, now: Timestamp) -> Result<Vec<PaymentId>, StoreError> {
    let sql = "SELECT kind, payment_id, expires_at FROM events WHERE person_id = $1 ORDER BY sequence DESC LIMIT $2";
    let rows = store.fetch(sql, vec![person_id.uuid().into(), MOST_EVENTS.into()]).await?;
    let (mut found, mut seen) = (Vec::new(), HashSet::new());
    for row in &rows {
        let is_asked = row.text(0)? == "CODE" && row.maybe_time(2)?.is_some_and(|end| now < end);
        // A payment whose code was sent again stands there twice.
        if is_asked && seen.insert(row.id(1)?) {
            found.push(PaymentId::from_uuid(row.id(1)?));
        }
    }
    Ok(found)
}

/// Of these phones those that are bound, each with its person.
pub(in crate::payment) async fn load_phones(
    tx: &mut Tx,
    phones: Vec<Uuid>,
) -> Result<HashSet<(DeviceId, PersonId)>, StoreError> {
    let load = Load {
        select: "SELECT device_id, person_id, revoked FROM devices WHERE device_id",
        tail: " ORDER BY device_id",
        lock: false,
    };
    let mut bound = HashSet::new();
    for row in &tx.load(load, Keys::Ids(phones)).await? {
        if !row.flag(2)? {
            bound.insert((DeviceId::from_uuid(row.id(0)?), PersonId::from_uuid(row.id(1)?)));
        }
    }
    Ok(bound)
}
