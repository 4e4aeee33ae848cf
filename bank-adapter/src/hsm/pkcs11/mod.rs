//! Keys in a hardware module behind PKCS#11. They are marked sensitive and not extractable, and none that is not so
//! marked is used.
//!
//! The library must be made for threads. Whatever it reports is [`HsmError::Unavailable`], and ends the connection: the
//! call after it loads the keys anew. A PIN of the token that was refused is not tried again by the process, and a
//! token that the next wrong one would lock is not tried at all.

mod asked;
mod connection;
mod objects;

use std::cell::Cell;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use secrecy::SecretString;

use super::HsmError;
use super::config::Pkcs11Config;
use super::device::{Device, NewKey, Primitives, Session};
use super::directory::Directory;
use super::key::{KeyInfo, KeyName};
use asked::{Asked, Handles};
use connection::{Connection, Lent};

/// Whether the token can be asked.
enum Link {
    Down,
    /// One caller tries, and the others wait for it, but not for ever.
    Reaching,
    Up(Arc<Connection>),
}

/// A token in a hardware module.
pub(super) struct Token {
    config: Pkcs11Config,
    pin: SecretString,
    link: Mutex<Link>,
    /// Told when the link is no longer [`Link::Reaching`].
    reached: Condvar,
    pin_refused: AtomicBool,
    /// Held while the keys are changed.
    changing: Mutex<()>,
}

impl Token {
    /// Reaches the token and loads its keys.
    pub(super) fn open(config: Pkcs11Config, pin: SecretString) -> Result<Self, HsmError> {
        let (link, reached) = (Mutex::new(Link::Down), Condvar::new());
        let token = Self { config, pin, link, reached, pin_refused: AtomicBool::new(false), changing: Mutex::new(()) };
        token.connection()?;
        Ok(token)
    }

    fn link(&self) -> MutexGuard<'_, Link> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn connection(&self) -> Result<Arc<Connection>, HsmError> {
        let reaching = |link: &mut Link| matches!(link, Link::Reaching);
        let waited = self.reached.wait_timeout_while(self.link(), self.config.wait.into(), reaching);
        let (mut link, _) = waited.unwrap_or_else(PoisonError::into_inner);
        match &*link {
            Link::Up(connection) => return Ok(connection.clone()),
            Link::Reaching => return Err(HsmError::Busy),
            Link::Down if self.pin_refused.load(Ordering::SeqCst) => {
                return Err(HsmError::unavailable("the token refused the PIN, which is not tried again"));
            }
            Link::Down => *link = Link::Reaching,
        }
        // A module may hang, and then those who come after must not hang with this caller.
        drop(link);
        let opened = Connection::open(&self.config, &self.pin).map(Arc::new).map_err(|failure| {
            self.pin_refused.fetch_or(failure.pin_refused, Ordering::SeqCst);
            failure.error
        });
        *self.link() = opened.as_ref().map_or(Link::Down, |connection| Link::Up(connection.clone()));
        self.reached.notify_all();
        opened
    }

    /// Lets the next call connect anew. Those that use the same connection end by themselves.
    fn lose(&self, lost: &Arc<Connection>) {
        let mut link = self.link();
        if matches!(&*link, Link::Up(connection) if Arc::ptr_eq(connection, lost)) {
            *link = Link::Down;
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
