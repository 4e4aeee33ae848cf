//! Acknowledgements, and sessions that go on: small writes that come with every event and can wait a moment, so that
//! many of them share a flush and payments need not share the disk with each.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use domain::{DeviceId, PersonId, Reason, Timestamp};
use server_kit::store::{GroupWriter, StoreError, Tx};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::limits::Limits;
use super::sql;
use super::steps::{Done, Phones, Step};

/// Marks that may wait; more are refused.
const QUEUE: usize = 16_384;
/// Marks in one set.
const MOST: usize = 2_048;
/// How often what has ended is deleted and forgotten.
const TIDY_EVERY: Duration = Duration::from_secs(60);

/// The door to the task. Cheap to clone; the task ends when the last door is closed and all that has queued is written.
#[derive(Clone, Debug)]
pub(super) struct Marks {
    queue: mpsc::Sender<Mark>,
}

#[derive(Debug)]
enum Mark {
    Acknowledge { acknowledged: Acknowledged, reply: oneshot::Sender<Result<Result<i64, Reason>, StoreError>> },
    Extend { token_hash: [u8; 32], expires_at: Timestamp },
}

/// A phone has handled all events up to a sequence.
#[derive(Clone, Copy, Debug)]
pub(super) struct Acknowledged {
    pub(super) device_id: DeviceId,
    pub(super) person_id: PersonId,
    pub(super) through: i64,
}

impl Marks {
    pub(super) fn start(writer: GroupWriter<Phones>, linger: Duration, limits: Arc<Limits>) -> (Self, JoinHandle<()>) {
        let (queue, marks) = mpsc::channel(QUEUE);
        let task = tokio::spawn(run(marks, writer, linger, limits));
        (Self { queue }, task)
    }

    /// Stores an acknowledgement; gives the highest sequence that the phone has acknowledged.
    pub(super) async fn acknowledge(&self, acknowledged: Acknowledged) -> Result<Result<i64, Reason>, StoreError> {
        let (reply, stored) = oneshot::channel();
        self.queue.try_send(Mark::Acknowledge { acknowledged, reply }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => StoreError::Full,
            mpsc::error::TrySendError::Closed(_) => StoreError::Stopped,
        })?;
        stored.await.unwrap_or(Err(StoreError::Stopped))
    }

    /// Moves the end of a session on. Nobody waits for it: if it is lost, the next call of the session asks again.
    pub(super) fn extend(&self, token_hash: [u8; 32], expires_at: Timestamp) {
        let _ = self.queue.try_send(Mark::Extend { token_hash, expires_at });
    }
}

async fn run(mut queue: mpsc::Receiver<Mark>, writer: GroupWriter<Phones>, linger: Duration, limits: Arc<Limits>) {
    let mut tidy = interval(TIDY_EVERY);
    tidy.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let first = tokio::select! {
            first = queue.recv() => match first {
                Some(first) => first,
                None => return,
            },
            _ = tidy.tick() => {
                limits.forget_idle();
                if let Err(error) = writer.write(Step::Tidy).await {
                    tracing::warn!(%error, "sessions that have ended could not be deleted");
                }
                continue;
            }
        };
        sleep(linger).await;
        let mut marks = vec![first];
        while marks.len() < MOST
            && let Ok(next) = queue.try_recv()
        {
            marks.push(next);
        }
        write(&writer, marks).await;
    }
}

async fn write(writer: &GroupWriter<Phones>, marks: Vec<Mark>) {
    let mut batch = Batch::default();
    let mut replies = Vec::new();
    for mark in marks {
        match mark {
            Mark::Acknowledge { acknowledged, reply } => {
                batch.acknowledged.push(acknowledged);
                replies.push(reply);
            }
            Mark::Extend { token_hash, expires_at } => {
                batch.extended.insert(token_hash.to_vec(), expires_at);
            }
        }
    }
    match writer.write(Step::Mark(batch)).await {
        Ok(Ok(Done::Marked(stored))) => {
            for (reply, stored) in replies.into_iter().zip(stored) {
                let _ = reply.send(Ok(stored));
            }
        }
        Ok(other) => tracing::error!(?other, "marks were answered with something else"),
        Err(error) => {
            tracing::warn!(%error, marks = replies.len(), "acknowledgements could not be stored");
            // The particulars are in the log; each phone needs to know only that it may send the same again.
            for reply in replies {
                let _ = reply.send(Err(StoreError::Away("acknowledgements could not be stored".to_owned())));
            }
        }
    }
}

/// What has gathered. Everything in it only ever goes up, so running it twice changes nothing.
#[derive(Debug, Default)]
pub(super) struct Batch {
    acknowledged: Vec<Acknowledged>,
    extended: BTreeMap<Vec<u8>, Timestamp>,
}

impl Batch {
    pub(super) async fn apply(&self, tx: &mut Tx) -> Result<Vec<Result<i64, Reason>>, StoreError> {
        let stored = self.acknowledge(tx).await?;
        self.extend(tx).await?;
        Ok(stored)
    }

    async fn acknowledge(&self, tx: &mut Tx) -> Result<Vec<Result<i64, Reason>>, StoreError> {
        let ids = self.acknowledged.iter().map(|one| one.device_id.uuid()).collect();
        let persons = self.acknowledged.iter().map(|one| one.person_id.uuid()).collect();
        let last: HashMap<PersonId, i64> = sql::load_last_sequences(tx, persons).await?.into_iter().collect();
        let devices = sql::load_devices(tx, ids).await?;
        let mut devices: HashMap<DeviceId, (sql::Device, bool)> =
            devices.into_iter().map(|device| (device.device_id, (device, false))).collect();
        let mut outcomes = Vec::with_capacity(self.acknowledged.len());
        for one in &self.acknowledged {
            let outcome = match devices.get_mut(&one.device_id) {
                None => Err(Reason::DeviceRefused),
                Some(_) if one.through > last.get(&one.person_id).copied().unwrap_or(0) => {
                    Err(Reason::SequenceOutOfRange)
                }
                Some((device, changed)) => {
                    if one.through > device.acknowledged_sequence {
                        device.acknowledged_sequence = one.through;
                        *changed = true;
                    }
                    Ok(device.acknowledged_sequence)
                }
            };
            outcomes.push(outcome);
        }
        let changed = devices.into_values().filter(|(_, changed)| *changed);
        let changed: Vec<_> =
            changed.map(|(device, _)| sql::Device { version: device.version + 1, ..device }).collect();
        sql::put_devices(tx, &changed).await?;
        Ok(outcomes)
    }

    async fn extend(&self, tx: &mut Tx) -> Result<(), StoreError> {
        let sessions = sql::load_sessions(tx, self.extended.keys().cloned().collect()).await?;
        let longer = sessions.into_iter().filter_map(|session| {
            let expires_at = self.extended.get(&session.token_hash).copied()?;
            let version = session.version + 1;
            (expires_at > session.expires_at).then_some(sql::SessionRow { expires_at, version, ..session })
        });
        sql::put_sessions(tx, &longer.collect::<Vec<_>>()).await
    }
}
