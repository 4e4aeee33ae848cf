//! What the hub said last, sealed in the phone's folder, for when it cannot be reached.

use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::SystemTime;

use domain::Timestamp;
use proto::Message;
use ring::digest;
use tonic::{Request, Response, Status};

use crate::error::{Failure, Trouble};
use crate::log::LogLevel;
use crate::phone::Inner;
use crate::platform::moment;
use crate::session::Hub;
use crate::vault::{Lasting, Vault};

/// How many answers are kept, and how large they may be in all.
const MOST_ENTRIES: usize = 64;
const MOST_BYTES: u64 = 4 << 20;
const PREFIX: &str = "cache-";
const TIME_BYTES: usize = 8;

/// How old an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Freshness {
    /// When the hub gave it, by the phone's clock.
    pub fetched_at: SystemTime,
    /// Whether the hub could not be reached, so that this is what it said last.
    pub is_cached: bool,
}

/// Answers by what was asked.
#[derive(Debug)]
pub(crate) struct Cache {
    vault: Vault,
    /// Held while entries are written and counted.
    turn: Mutex<()>,
}

impl Cache {
    pub(crate) fn new(vault: Vault) -> Self {
        Self { vault, turn: Mutex::new(()) }
    }

    fn put(&self, name: &str, at: Timestamp, answer: &[u8]) -> Result<(), Trouble> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        self.vault.write(name, &[&at.micros().to_be_bytes()[..], answer].concat(), Lasting::Perhaps)?;
        let files = self.vault.files(PREFIX)?;
        let (mut count, mut bytes) = (files.len(), files.iter().map(|(_, size)| size).sum::<u64>());
        for (file, size) in files {
            if count <= MOST_ENTRIES && bytes <= MOST_BYTES {
                break;
            }
            self.vault.remove(&file)?;
            (count, bytes) = (count.saturating_sub(1), bytes.saturating_sub(size));
        }
        Ok(())
    }

    /// What was stored under the name; one that cannot be read is none.
    fn get(&self, name: &str) -> Option<(Timestamp, Vec<u8>)> {
        let stored = self.vault.read(name).ok().flatten()?;
        let (at, answer) = stored.split_first_chunk::<TIME_BYTES>()?;
        Some((Timestamp::from_micros(i64::from_be_bytes(*at)), answer.to_vec()))
    }

    fn remove(&self, name: &str) -> Result<(), Trouble> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        self.vault.remove(name)
    }

    pub(crate) fn count(&self) -> usize {
        self.vault.files(PREFIX).map_or(0, |files| files.len())
    }

    pub(crate) fn clear(&self) -> Result<(), Trouble> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        for (file, _) in self.vault.files(PREFIX)? {
            self.vault.remove(&file)?;
        }
        Ok(())
    }
}

/// The file of what a call answered to this question.
fn file_name(call: &str, question: &[u8]) -> String {
    let hash = digest::digest(&digest::SHA256, &[call.as_bytes(), b"\n", question].concat());
    let mut name = format!("{PREFIX}{call}-");
    for byte in hash.as_ref().iter().take(16) {
        let _ = write!(name, "{byte:02x}");
    }
    name
}

impl Inner {
    /// Asks the hub something that changes nothing, and keeps the answer; when the hub cannot be reached, gives what it said last.
    pub(crate) async fn read<T, R, C, F>(
        &self,
        name: &'static str,
        question: T,
        call: C,
    ) -> Result<(R, Freshness), Failure>
    where
        T: Message + Clone,
        R: Message + Default,
        C: Fn(Hub, Request<T>) -> F,
        F: Future<Output = Result<Response<R>, Status>>,
    {
        let file = file_name(name, &question.encode_to_vec());
        match self.insist(question, call).await {
            Ok(answer) => {
                let now = self.clock.now();
                if let Err(trouble) = self.cache.put(&file, now, &answer.encode_to_vec()) {
                    self.log.say(LogLevel::Warn, || format!("an answer to {name} was not kept: {}", trouble.code()));
                }
                Ok((answer, Freshness { fetched_at: moment(now), is_cached: false }))
            }
            Err(failure) if failure.is_unreachable() => {
                let (at, bytes) = self.cache.get(&file).ok_or_else(|| failure.clone())?;
                let answer = R::decode(bytes.as_slice()).map_err(|_| failure)?;
                Ok((answer, Freshness { fetched_at: moment(at), is_cached: true }))
            }
            Err(failure) => Err(failure),
        }
    }

    /// Forgets what the hub said last to this question, when it is known to be so no more.
    pub(crate) fn forget_read(&self, name: &'static str, question: &impl Message) -> Result<(), Trouble> {
        self.cache.remove(&file_name(name, &question.encode_to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secure_store::MemorySecureStore;

    #[tokio::test]
    async fn s1_the_cache_keeps_the_newest_answers_and_stays_small() {
        let folder = tempfile::tempdir().unwrap();
        let vault = Vault::open(folder.path(), &*MemorySecureStore::new()).await.unwrap();
        let cache = Cache::new(vault);
        let name = |n: u32| file_name("page", &n.to_be_bytes());
        for n in 0..100 {
            cache.put(&name(n), Timestamp::from_secs(i64::from(n)), &n.to_be_bytes()).unwrap();
        }
        assert_eq!(cache.count(), MOST_ENTRIES);
        assert_eq!(cache.get(&name(99)), Some((Timestamp::from_secs(99), 99_u32.to_be_bytes().to_vec())));
        assert_eq!(cache.get(&name(0)), None);
        cache.put(&name(100), Timestamp::from_secs(100), &vec![7; 5 << 20]).unwrap();
        assert_eq!(cache.count(), 0, "what is larger than all of it is not kept");
        cache.clear().unwrap();
        assert_eq!(cache.get(&name(99)), None);
    }
}
