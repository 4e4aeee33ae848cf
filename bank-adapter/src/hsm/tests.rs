//! A store that errs is not believed. The errors are put in below the algorithms, one at a time and for good.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use secrecy::SecretString;
use server_kit::clock::SystemClock;
use server_kit::rng::{SeededRng, SharedRng, SystemRng};
use tempfile::TempDir;

use super::device::{Device, NewKey, Primitives, Session};
use super::directory::Directory;
use super::sealed_file::{SealedKeys, SoftSession};
use super::software::SoftKey;
use super::store::Store;
use super::*;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Error {
    /// Nothing.
    None,
    /// One answer has this bit changed.
    Once { answer: usize, bit: usize },
    /// Every answer to this question has this bit changed.
    Always { question: Question, bit: usize },
    /// One question gets no answer.
    NoAnswer { answer: usize },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Question {
    Encrypt,
    Decrypt,
    Chain,
    Hmac,
}

#[derive(Debug)]
struct Erring {
    keys: SealedKeys,
    error: Error,
    answers: Arc<AtomicUsize>,
}

struct ErringSession {
    session: SoftSession,
    error: Error,
    answers: Arc<AtomicUsize>,
}

impl ErringSession {
    fn spoil(&self, asked: Question, answer: &mut [u8]) -> Result<(), HsmError> {
        let count = self.answers.fetch_add(1, Ordering::SeqCst);
        let bit = match self.error {
            Error::Once { answer, bit } if answer == count => bit,
            Error::Always { question, bit } if question == asked => bit,
            Error::NoAnswer { answer } if answer == count => return Err(HsmError::unavailable("it is away")),
            _ => return Ok(()),
        };
        let bit = bit % (answer.len() * 8);
        answer[bit / 8] ^= 1 << (bit % 8);
        Ok(())
    }
}

impl Primitives for ErringSession {
    type Key = SoftKey;

    fn encrypt(&self, key: &SoftKey, block: &mut [u8]) -> Result<(), HsmError> {
        self.session.encrypt(key, block)?;
        self.spoil(Question::Encrypt, block)
    }

    fn decrypt(&self, key: &SoftKey, block: &mut [u8]) -> Result<(), HsmError> {
        self.session.decrypt(key, block)?;
        self.spoil(Question::Decrypt, block)
    }

    fn chain(&self, key: &SoftKey, blocks: &[u8]) -> Result<[u8; 8], HsmError> {
        let mut answer = self.session.chain(key, blocks)?;
        self.spoil(Question::Chain, &mut answer).map(|()| answer)
    }

    fn cmac(&self, key: &SoftKey, message: &[u8]) -> Result<[u8; 16], HsmError> {
        self.session.cmac(key, message)
    }

    fn hmac(&self, key: &SoftKey, message: &[u8]) -> Result<[u8; 32], HsmError> {
        let mut answer = self.session.hmac(key, message)?;
        self.spoil(Question::Hmac, &mut answer).map(|()| answer)
    }
}

impl Session for ErringSession {
    fn directory(&self) -> &Directory<SoftKey> {
        self.session.directory()
    }
}

impl Device for Erring {
    type Session = ErringSession;

    fn session(&self) -> Result<ErringSession, HsmError> {
        let (error, answers) = (self.error, self.answers.clone());
        Ok(ErringSession { session: self.keys.session()?, error, answers })
    }

    fn install(&self, new: &NewKey<'_>) -> Result<KeyInfo, HsmError> {
        self.keys.install(new)
    }

    fn retire(&self, name: &KeyName, version: u32) -> Result<(), HsmError> {
        self.keys.retire(name, version)
    }

    fn reload(&self) -> Result<(), HsmError> {
        self.keys.reload()
    }
}

fn rng() -> SharedRng {
    Arc::new(SeededRng::new(1))
}

fn keys(path: &Path) -> SealedKeys {
    let master = SecretString::from("BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=");
    SealedKeys::open_or_create(path.to_owned(), master, rng()).unwrap()
}

/// A card, its PIN in blocks of both formats, and what is stored of it.
struct Card {
    _folder: TempDir,
    path: std::path::PathBuf,
    pan: PanDigits,
    blocks: [PinBlock; 2],
    stored: PinVerificationValue,
    pvv: Made<Pvv>,
    cvv: Made<Cvv>,
}

fn index() -> PvvKeyIndex {
    PvvKeyIndex::new(1).unwrap()
}

impl Card {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("hsm.keys");
        let store = Store::new(keys(&path), SystemClock::shared(), rng());
        let office = "key-transport:office".parse().unwrap();
        let halves = [1, 2].map(|byte| ClearKey::new(Algorithm::Aes256, &[byte; 32]).unwrap());
        store.load(&office, &halves).unwrap();
        let kek = ClearKey::combine(&halves).unwrap();
        for own in ["cvk-credit", "pin-verification", "pvv"] {
            store.generate(&own.parse().unwrap()).unwrap();
        }
        let pan = PanDigits::parse("6222020000000008").unwrap();
        let formats = [(PinBlockFormat::Iso0, Algorithm::TripleDes), (PinBlockFormat::Iso4, Algorithm::Aes128)];
        let blocks = formats.map(|(format, algorithm)| {
            let name: KeyName = format!("terminal-pin:{}", format.block_len()).parse().unwrap();
            let key = ClearKey::random(algorithm, &*rng()).unwrap();
            store.import(&name, &office, &key.wrap(&name, &kek).unwrap()).unwrap();
            PinPad::new(name, None, &key).unwrap().encrypt(format, &pan, "123456", &SystemRng::new()).unwrap()
        });
        let stored = store.set_pin(&blocks[0], &pan).unwrap();
        let pvv = store.make_pvv(&blocks[0], &pan, index()).unwrap();
        let face = CardFace { pan: &pan, expiry: ExpiryDigits::parse("3012").unwrap(), kind: CvvKind::Printed };
        let cvv = store.make_cvv(Side::Credit, &face, None).unwrap();
        Self { _folder: folder, path, pan, blocks, stored, pvv, cvv }
    }

    /// Every comparison, each by a store that errs from its first question on.
    fn compared(&self, error: Error) -> Vec<Result<Check, HsmError>> {
        let store = || {
            let device = Erring { keys: keys(&self.path), error, answers: Arc::default() };
            Store::new(device, SystemClock::shared(), rng())
        };
        let face = CardFace { pan: &self.pan, expiry: ExpiryDigits::parse("3012").unwrap(), kind: CvvKind::Printed };
        let mut compared = vec![store().verify_cvv(Side::Credit, &face, &self.cvv)];
        for block in &self.blocks {
            compared.push(store().verify_pin(block, &self.pan, &self.stored));
            compared.push(store().verify_pvv(block, &self.pan, index(), &self.pvv));
        }
        compared
    }
}

#[test]
fn c5_a_store_that_errs_once_never_makes_a_right_pin_wrong() {
    let card = Card::new();
    assert!(card.compared(Error::None).into_iter().all(|check| matches!(check, Ok(Check::Matches))));
    let mut errors = 0;
    for answer in 0..12 {
        for bit in 0..256 {
            for check in card.compared(Error::Once { answer, bit }) {
                assert!(!matches!(check, Ok(Check::Differs)), "bit {bit} of answer {answer}");
                errors += usize::from(check.is_err());
            }
        }
    }
    // Of a comparison of right things only the first few answers are asked for, and each of them matters.
    assert!(errors > 256 * 5, "{errors}");
}

#[test]
fn c5_a_store_whose_keys_are_not_what_they_were_never_makes_a_right_pin_wrong() {
    let card = Card::new();
    for question in [Question::Encrypt, Question::Decrypt, Question::Hmac] {
        for bit in 0..256 {
            let compared = card.compared(Error::Always { question, bit });
            let wrong = compared.iter().any(|check| matches!(check, Ok(Check::Differs)));
            // Of a check value the first 24 bits are known. A store that errs in another bit alone, and always, is
            // believed.
            let is_seen = question == Question::Decrypt || bit % 64 < 24 && (question != Question::Hmac || bit < 24);
            assert!(!wrong || !is_seen, "{question:?}, bit {bit}: {compared:?}");
        }
    }
}

#[test]
fn a_store_without_an_answer_is_an_error_whichever_answer_is_missing() {
    let card = Card::new();
    for check in card.compared(Error::NoAnswer { answer: 0 }) {
        assert!(matches!(check, Err(HsmError::Unavailable { .. })));
    }
    for answer in 1..12 {
        for check in card.compared(Error::NoAnswer { answer }) {
            assert!(matches!(check, Ok(Check::Matches) | Err(HsmError::Unavailable { .. })));
        }
    }
}
