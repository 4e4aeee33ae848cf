//! Account passwords are hashed by Argon2id, which costs memory and time on purpose: on threads of their own, few at a time.

use std::fmt;
use std::sync::Arc;

use argon2::password_hash::{PasswordHash, PasswordHasher as _, PasswordVerifier as _, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use domain::Reason;
use domain::sign_in::AccountPassword;
use server_kit::rng::SharedRng;
use tokio::sync::Semaphore;

/// 46 MiB and one pass, as OWASP's cheat sheet on storing passwords has it.
const MEMORY_KIB: u32 = 46 * 1024;
const PASSES: u32 = 1;
const LANES: u32 = 1;
const SALT_BYTES: usize = 16;
/// Hashes under way: so much memory and so many cores at most.
const AT_ONCE: usize = 2;
/// Those and the ones that wait; whoever comes then is told to come later.
const MOST_WAITING: usize = 32;
/// With the usual costs, so that nobody's password takes as long as somebody's. Whatever is compared with it is refused.
const NOBODY: &str = "$argon2id$v=19$m=47104,t=1,p=1$c29tZWJvZHkgZWxzZQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Hashes and compares. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Hasher {
    rng: SharedRng,
    waiting: Arc<Semaphore>,
    working: Arc<Semaphore>,
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hasher").field("free", &self.working.available_permits()).finish_non_exhaustive()
    }
}

impl Hasher {
    pub(crate) fn new(rng: SharedRng) -> Self {
        let (waiting, working) = (Arc::new(Semaphore::new(MOST_WAITING)), Arc::new(Semaphore::new(AT_ONCE)));
        Self { rng, waiting, working }
    }

    /// The hash to store, as a PHC string. `Err(TooBusy)` when too many wait.
    pub(crate) async fn hash(&self, password: AccountPassword) -> Result<String, Reason> {
        let mut salt = [0; SALT_BYTES];
        self.rng.fill(&mut salt).map_err(|error| super::fault(&error))?;
        let salt = SaltString::encode_b64(&salt).map_err(|error| super::fault(&error))?;
        let work = move || argon2()?.hash_password(password.reveal().as_bytes(), &salt).map(|hash| hash.to_string());
        self.work(work).await?.map_err(|error| super::fault(&error))
    }

    /// Whether `stored` is the hash of this password; for somebody without one the same work comes to no. `Err(TooBusy)` when too many
    /// wait.
    pub(crate) async fn verify(&self, password: AccountPassword, stored: Option<&str>) -> Result<bool, Reason> {
        let (is_somebody, stored) = (stored.is_some(), stored.unwrap_or(NOBODY).to_owned());
        let work = move || {
            let hash = PasswordHash::new(&stored)?;
            match argon2()?.verify_password(password.reveal().as_bytes(), &hash) {
                Ok(()) => Ok(true),
                Err(argon2::password_hash::Error::Password) => Ok(false),
                Err(error) => Err(error),
            }
        };
        let is_right = self.work(work).await?.map_err(|error| super::fault(&error))?;
        Ok(is_right && is_somebody)
    }

    async fn work<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Reason> {
        let waiting = self.waiting.clone().try_acquire_owned().map_err(|_| Reason::TooBusy)?;
        let working = self.working.clone().acquire_owned().await.map_err(|error| super::fault(&error))?;
        // The permits go along: work cannot be called back, also when nobody waits for it any more.
        let task = tokio::task::spawn_blocking(move || {
            let _permits = (waiting, working);
            work()
        });
        task.await.map_err(|error| super::fault(&error))
    }
}

fn argon2() -> Result<Argon2<'static>, argon2::password_hash::Error> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

#[cfg(test)]
mod tests {
    use server_kit::rng::SystemRng;

    use super::*;

    fn password(text: &str) -> AccountPassword {
        AccountPassword::parse(text).unwrap()
    }

    #[tokio::test]
    async fn m8_an_account_password_is_argon2id_with_its_own_salt_and_nobody_has_one() {
        let hasher = Hasher::new(SystemRng::shared());
        let stored = hasher.hash(password("correct horse battery")).await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=47104,t=1,p=1$"), "{stored}");
        assert_ne!(hasher.hash(password("correct horse battery")).await.unwrap(), stored);
        assert!(hasher.verify(password("correct horse battery"), Some(&stored)).await.unwrap());
        assert!(!hasher.verify(password("correct horse batter."), Some(&stored)).await.unwrap());
        assert!(!hasher.verify(password("correct horse battery"), None).await.unwrap());
        assert!(hasher.verify(password("correct horse battery"), Some("$argon2id$")).await.is_err());
    }

    #[tokio::test]
    async fn m8_whoever_comes_when_too_many_wait_is_told_to_come_later() {
        let hasher = Hasher::new(SystemRng::shared());
        let all = hasher.waiting.clone().acquire_many_owned(u32::try_from(MOST_WAITING).unwrap()).await.unwrap();
        assert_eq!(hasher.verify(password("correct horse battery"), None).await, Err(Reason::TooBusy));
        drop(all);
        assert_eq!(hasher.verify(password("correct horse battery"), None).await, Ok(false));
    }
}
