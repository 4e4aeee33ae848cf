//! Keys in a hardware module behind PKCS#11. They are marked sensitive and not extractable, and none that is not so marked
//! is used.
//!
//! The library must be made for threads. Whatever it reports is [`HsmError::Unavailable`], and ends the connection: the call
//! after it loads the keys anew. A PIN of the token that was refused is not tried again before the process starts anew, since modules
//! lock after a few.

mod asked;
mod connection;
mod objects;

use std::cell::Cell;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use secrecy::SecretString;

use super::HsmError;
use super::config::Pkcs11Config;
use super::device::{Device, NewKey, Primitives, Session};
use super::directory::Directory;
use super::key::{KeyInfo, KeyName};
use asked::{Asked, Handles};
use connection::{Connection, Lent};

/// A token in a hardware module.
pub(super) struct Token {
    config: Pkcs11Config,
    pin: SecretString,
    connection: Mutex<Option<Arc<Connection>>>,
    pin_refused: AtomicBool,
    /// Held while the keys are changed.
    changing: Mutex<()>,
}

impl Token {
    /// Reaches the token and loads its keys.
    pub(super) fn open(config: Pkcs11Config, pin: SecretString) -> Result<Self, HsmError> {
        let (connection, pin_refused, changing) = (Mutex::new(None), AtomicBool::new(false), Mutex::new(()));
        let token = Self { config, pin, connection, pin_refused, changing };
        token.connection()?;
        Ok(token)
    }

    fn slot(&self) -> MutexGuard<'_, Option<Arc<Connection>>> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn connection(&self) -> Result<Arc<Connection>, HsmError> {
        let mut slot = self.slot();
        if let Some(connection) = &*slot {
            return Ok(connection.clone());
        }
        if self.pin_refused.load(Ordering::SeqCst) {
            return Err(HsmError::unavailable("the token refused the PIN, which is not tried again"));
        }
        let connection = Connection::open(&self.config, &self.pin).map_err(|failure| {
            self.pin_refused.fetch_or(failure.pin_refused, Ordering::SeqCst);
            failure.error
        })?;
        let connection = Arc::new(connection);
        *slot = Some(connection.clone());
        Ok(connection)
    }

    /// Lets the next call connect anew. Those that use the same connection end by themselves.
    fn lose(&self, lost: &Arc<Connection>) {
        let mut slot = self.slot();
        if slot.as_ref().is_some_and(|connection| Arc::ptr_eq(connection, lost)) {
            *slot = None;
        }
    }

    /// Changes the keys, and loads them again whether that went well or not.
    fn change<T>(&self, change: impl FnOnce(&Connection) -> Result<T, HsmError>) -> Result<T, HsmError> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let connection = self.connection()?;
        let changed = connection.load_keys().and_then(|()| change(&connection));
        if connection.load_keys().is_err() || matches!(changed, Err(HsmError::Unavailable { .. })) {
            self.lose(&connection);
        }
        changed
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Token");
        shown.field("library", &self.config.library).field("token", &self.config.token).finish_non_exhaustive()
    }
}

impl Device for Arc<Token> {
    type Session = TokenSession;

    fn session(&self) -> Result<TokenSession, HsmError> {
        let connection = self.connection()?;
        let keys = connection.keys();
        let lent = Lent::take(&connection).inspect_err(|error| {
            if !matches!(error, HsmError::Busy) {
                self.lose(&connection);
            }
        })?;
        Ok(TokenSession { token: self.clone(), lent, keys, failed: Cell::new(false) })
    }

    fn install(&self, new: &NewKey<'_>) -> Result<KeyInfo, HsmError> {
        self.change(|connection| {
            let version = connection.keys().next_version(new.name);
            connection.with_keeper(|keeper| objects::install(keeper, &connection.keys(), new, version))?;
            connection.load_keys()?;
            connection.keys().info(new.name, version)
        })
    }

    fn retire(&self, name: &KeyName, version: u32) -> Result<(), HsmError> {
        self.change(|connection| connection.with_keeper(|keeper| objects::retire(keeper, name, version)))
    }

    fn reload(&self) -> Result<(), HsmError> {
        self.change(|_| Ok(()))
    }
}

/// One session of the token, and the keys as they were when it was taken.
pub(super) struct TokenSession {
    token: Arc<Token>,
    lent: Lent,
    keys: Arc<Directory<Handles>>,
    failed: Cell<bool>,
}

impl TokenSession {
    /// Puts one question. Whatever hinders an answer ends the connection.
    fn ask<T>(&self, question: impl FnOnce(Asked<'_>) -> Result<T, HsmError>) -> Result<T, HsmError> {
        let session = self.lent.session().ok_or_else(|| HsmError::unavailable("the session is gone"));
        let answer = session.and_then(|session| question(Asked(session)));
        self.failed.set(self.failed.get() || answer.is_err());
        answer
    }
}

impl Drop for TokenSession {
    fn drop(&mut self) {
        if self.failed.get() {
            self.token.lose(self.lent.connection());
        } else {
            self.lent.give_back();
        }
    }
}

impl Session for TokenSession {
    fn directory(&self) -> &Directory<Handles> {
        &self.keys
    }
}

impl Primitives for TokenSession {
    type Key = Handles;

    fn encrypt(&self, key: &Handles, block: &mut [u8]) -> Result<(), HsmError> {
        self.ask(|asked| asked.encrypt(key, block))
    }

    fn decrypt(&self, key: &Handles, block: &mut [u8]) -> Result<(), HsmError> {
        self.ask(|asked| asked.decrypt(key, block))
    }

    fn chain(&self, key: &Handles, blocks: &[u8]) -> Result<[u8; 8], HsmError> {
        self.ask(|asked| asked.chain(key, blocks))
    }

    fn cmac(&self, key: &Handles, message: &[u8]) -> Result<[u8; 16], HsmError> {
        self.ask(|asked| asked.cmac(key, message))
    }

    fn hmac(&self, key: &Handles, message: &[u8]) -> Result<[u8; 32], HsmError> {
        self.ask(|asked| asked.hmac(key, message))
    }
}
