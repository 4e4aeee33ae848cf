//! Queueing: in the transaction of whoever makes what is told of.

use std::collections::{BTreeMap, BTreeSet};

use domain::notice::ChannelKind;
use domain::{DeviceId, PersonId, Reason};
use server_kit::store::{StoreError, Tx};

use super::preferences::Preferences;
use super::sql::{self, NewNotice};
use super::{Notice, Notices, payload};

/// The longest name of an event.
const MOST_KEY_BYTES: usize = 100;

impl Notices {
    /// Queues notices, a row for each channel that their person wants, and gives their number. What was queued before under the same
    /// key is passed over, so that whoever follows events may begin again anywhere. Call [`Notices::wake`] after the commit.
    ///
    /// Another transaction that queues the same at the same time is a [`StoreError::Conflict`] for the second, who runs again.
    pub async fn queue(&self, tx: &mut Tx, notices: &[Notice]) -> Result<usize, StoreError> {
        if notices.is_empty() || self.inner.channels.is_empty() {
            return Ok(0);
        }
        for notice in notices {
            check(notice)
                .map_err(|reason| StoreError::Refused(format!("a notice cannot be queued: {}", reason.code())))?;
        }
        let persons: Vec<_> = notices.iter().map(|notice| notice.person_id.uuid()).collect();
        let preferences = sql::load_preferences(tx, &*self.inner.parts.keys, persons.clone(), false).await?;
        let preferences: BTreeMap<_, _> =
            preferences.into_iter().map(|(person, _, prefers)| (person, prefers)).collect();
        let mut targets = BTreeMap::<PersonId, Vec<DeviceId>>::new();
        if self.inner.channels.contains(&ChannelKind::Push) {
            for (person, device) in sql::load_targets(tx, persons).await? {
                targets.entry(person).or_default().push(device);
            }
        }
        let plain = Preferences::default();
        let mut rows = BTreeMap::new();
        for notice in notices {
            let prefers = preferences.get(&notice.person_id).unwrap_or(&plain);
            for (channel, device) in self.addresses(notice, prefers, targets.get(&notice.person_id)) {
                rows.insert(row_key(notice, channel, device), (notice, channel, device, prefers));
            }
        }
        let known = sql::known_keys(tx, rows.keys().cloned().collect()).await?;
        let now = tx.now();
        let mut new = Vec::new();
        for (key, (notice, channel, device_id, prefers)) in rows.into_iter().filter(|(key, _)| !known.contains(key)) {
            let notice_id =
                self.inner.parts.ids.uuid().map_err(|error| StoreError::Refused(format!("no id: {error}")))?;
            new.push(NewNotice {
                notice_id,
                key,
                person_id: notice.person_id,
                kind: notice.kind,
                channel,
                device_id,
                payload_sealed: payload::seal_variables(&*self.inner.parts.keys, notice_id, &notice.variables)?,
                occurred_at: notice.occurred_at,
                due_at: prefers.due(notice.kind, now),
                expires_at: notice.variables.expires_at(notice.kind),
            });
        }
        let count = new.len();
        sql::insert(tx, new).await?;
        Ok(count)
    }

    /// By which channels a notice goes, and to which phones.
    fn addresses(
        &self,
        notice: &Notice,
        prefers: &Preferences,
        phones: Option<&Vec<DeviceId>>,
    ) -> BTreeSet<(ChannelKind, Option<DeviceId>)> {
        let wanted = self.inner.channels.iter().copied().filter(|channel| prefers.wants(notice.kind, *channel));
        wanted
            .flat_map(|channel| match channel {
                ChannelKind::Push => phones.into_iter().flatten().map(|phone| (channel, Some(*phone))).collect(),
                ChannelKind::Sms | ChannelKind::Mail => vec![(channel, None)],
            })
            .collect()
    }
}

fn check(notice: &Notice) -> Result<(), Reason> {
    let fine = (1..=MOST_KEY_BYTES).contains(&notice.key.len()) && notice.key.bytes().all(|b| b.is_ascii_graphic());
    if !fine {
        return Err(Reason::NameMalformed);
    }
    notice.variables.check(notice.kind)
}

/// Unique for a person, an event and an address.
fn row_key(notice: &Notice, channel: ChannelKind, device: Option<DeviceId>) -> String {
    let (person, key, channel) = (notice.person_id.uuid().simple(), &notice.key, channel.name());
    match device {
        Some(device) => format!("{person}/{key}/{channel}/{}", device.uuid().simple()),
        None => format!("{person}/{key}/{channel}"),
    }
}
