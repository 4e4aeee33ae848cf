//! The library, a token that is logged in to, its keys, and a bounded number of sessions.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use secrecy::SecretString;

use super::super::HsmError;
use super::super::config::Pkcs11Config;
use super::super::directory::Directory;
use super::asked::Handles;
use super::objects;

/// Libraries that are loaded, for as long as the process lives: one that is unloaded under a thread of its own, or
/// initialised twice, takes the process with it.
static LIBRARIES: Mutex<BTreeMap<PathBuf, Pkcs11>> = Mutex::new(BTreeMap::new());

/// Why there is no connection.
pub(super) struct Failure {
    pub(super) error: HsmError,
    /// Another try with the same PIN could lock the token.
    pub(super) pin_refused: bool,
}

impl From<HsmError> for Failure {
    fn from(error: HsmError) -> Self {
        Self { error, pin_refused: false }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        unavailable(&error).into()
    }
}

/// What the module said, by the names that PKCS#11 gives it.
pub(super) fn unavailable(error: &Error) -> HsmError {
    HsmError::unavailable(match error {
        Error::Pkcs11(code, function) => format!("{function:?} gives {code:?}"),
        other => other.to_string(),
    })
}

/// A token that is logged in to.
pub(super) struct Connection {
    library: Pkcs11,
    slot: Slot,
    /// Keeps the token logged in, and changes keys.
    keeper: Mutex<Session>,
    keys: RwLock<Arc<Directory<Handles>>>,
    pool: Mutex<Pool>,
    given_back: Condvar,
    most: usize,
    wait: Duration,
}

#[derive(Default)]
struct Pool {
    idle: Vec<Session>,
    lent: usize,
}

impl Connection {
    pub(super) fn open(config: &Pkcs11Config, pin: &SecretString) -> Result<Self, Failure> {
        let library = load(&config.library)?;
        let slot = find(&library, &config.token)?;
        let about = library.get_token_info(slot)?;
        if about.user_pin_final_try() || about.user_pin_locked() {
            return Err(HsmError::unavailable("the token has one try of its PIN left, or none: log in by hand").into());
        }
        let keeper = library.open_rw_session(slot)?;
        match keeper.login(UserType::User, Some(pin)) {
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => {}
            Err(error) => {
                let refused = [RvError::PinIncorrect, RvError::PinInvalid, RvError::PinLenRange, RvError::PinLocked];
                let pin_refused = matches!(&error, Error::Pkcs11(code, _) if refused.contains(code));
                return Err(Failure { error: unavailable(&error), pin_refused });
            }
        }
        let keys = RwLock::new(Arc::new(objects::read(&keeper)?));
        let (pool, given_back) = (Mutex::default(), Condvar::new());
        let (most, wait) = (config.sessions.max(1), config.wait.into());
        Ok(Self { library, slot, keeper: Mutex::new(keeper), keys, pool, given_back, most, wait })
    }

    /// The keys as they were loaded last.
    pub(super) fn keys(&self) -> Arc<Directory<Handles>> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn load_keys(&self) -> Result<(), HsmError> {
        let keys = Arc::new(self.with_keeper(objects::read)?);
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
        Ok(())
    }

    pub(super) fn with_keeper<T>(&self, work: impl FnOnce(&Session) -> T) -> T {
        work(&self.keeper.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn pool(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn load(path: &Path) -> Result<Pkcs11, HsmError> {
    let mut libraries = LIBRARIES.lock().unwrap_or_else(PoisonError::into_inner);
    let library = match libraries.get(path) {
        Some(library) => library.clone(),
        None => Pkcs11::new(path).map_err(|error| unavailable(&error))?,
    };
    match library.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
        Err(error) => return Err(unavailable(&error)),
    }
    libraries.insert(path.to_owned(), library.clone());
    Ok(library)
}

/// The one slot whose token has this label.
fn find(library: &Pkcs11, label: &str) -> Result<Slot, HsmError> {
    let slots = library.get_slots_with_initialized_token().map_err(|error| unavailable(&error))?;
    let has_label = |slot: &Slot| library.get_token_info(*slot).is_ok_and(|token| token.label() == label);
    let found: Vec<Slot> = slots.into_iter().filter(has_label).collect();
    match found.as_slice() {
        [slot] => Ok(*slot),
        [] => Err(HsmError::unavailable(format!("there is no token {label}"))),
        _ => Err(HsmError::unavailable(format!("there are two tokens {label}"))),
    }
}

/// A session that is taken from a connection for one operation.
pub(super) struct Lent {
    connection: Arc<Connection>,
    session: Option<Session>,
}

impl Lent {
    /// Waits for a session when as many as may be are in use.
    pub(super) fn take(connection: &Arc<Connection>) -> Result<Self, HsmError> {
        let pool = connection.pool();
        let full = |pool: &mut Pool| pool.idle.is_empty() && pool.lent >= connection.most;
        let waited = connection.given_back.wait_timeout_while(pool, connection.wait, full);
        let (mut pool, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if full(&mut pool) {
            return Err(HsmError::Busy);
        }
        let idle = pool.idle.pop();
        // Counted before it is opened, so that the bound holds; given back by `drop` whatever comes.
        pool.lent += 1;
        drop(pool);
        let mut lent = Self { connection: connection.clone(), session: idle };
        if lent.session.is_none() {
            let opened = connection.library.open_ro_session(connection.slot);
            lent.session = Some(opened.map_err(|error| unavailable(&error))?);
        }
        Ok(lent)
    }

    pub(super) const fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    pub(super) const fn session(&self) -> Option<&Session> {
        self.session.as_ref()
    }

    /// Lets others use the session. One that is not given back is closed.
    pub(super) fn give_back(&mut self) {
        if let Some(session) = self.session.take() {
            self.connection.pool().idle.push(session);
        }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let mut pool = self.connection.pool();
        pool.lent = pool.lent.saturating_sub(1);
        drop(pool);
        self.connection.given_back.notify_one();
    }
}
