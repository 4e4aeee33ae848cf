//! Who takes part: banks, merchants and their terminals, people with the accounts and cards that they pay
//! with, and which card numbers are whose bank's (M4, M9, R2).
//!
//! Operators change it through [`OperatorApi`]; the payment path reads it through [`Directory`], from a small cache,
//! so that a payment costs no query for what seldom changes. Another replica's change is seen when the cached entry
//! ends.

mod banks;
mod bindings;
pub(crate) mod bins;
mod cache;
mod changes;
pub mod fill;
mod inspect;
pub(crate) mod join;
mod merchants;
mod operator;
mod persons;
mod pin_pads;
mod sealed;
pub mod snapshot;
mod sql;
mod terminals;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use domain::card::{BinRange, BinTable, Pan};
use domain::payment::Instrument;
use domain::purchase::Terminal;
use domain::text::Line;
use domain::{BankId, CardId, PersonId, PhoneNumber, Reason, TerminalId};
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use server_kit::audit::Chain;
use server_kit::clock::SharedClock;
use server_kit::keystore::SharedKeyStore;
use server_kit::rng::SharedRng;
use server_kit::store::{GroupWriter, Store, StoreError, WriterOptions};
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::lookups::{Lookups, LookupsConfig};
use cache::Caches;
use changes::Changes;

pub use operator::OperatorApi;
pub use sealed::{SecretError, password_mac, password_matches, phone_hash};
pub(crate) use sealed::{
    check_password, enrolment_code_matches, open_name, open_phone, phone_hashes, pinned_phone_hashes, seal_name,
    seal_phone, sms_code_mac, sms_code_matches,
};

/// Asks a bank about its accounts and its cards.
pub trait BankInstruments: Send + Sync {
    /// The account or the card as others may see it, such as `****4821`; refused with the bank's own reason when it has none.
    fn masked(&self, bank: &BankId, instrument: Instrument) -> BoxFuture<'_, Result<String, Reason>>;

    /// Keeps the number of a card of a bank that takes part only through a card network. `Err(NatureUnsupported)` for any other bank.
    fn register_card(&self, _: &BankId, _: CardId, _: &Pan) -> BoxFuture<'_, Result<(), Reason>> {
        Box::pin(std::future::ready(Err(Reason::NatureUnsupported)))
    }

    /// Has the bank report what is paid with it elsewhere, from now on. Asked for as often as it is bound.
    fn follow(&self, bank: &BankId, instrument: Instrument) -> BoxFuture<'_, Result<(), Reason>>;
}

/// Whose rows are looked for where a number is nobody's: no person's id is nil.
pub(crate) const NOBODY: PersonId = PersonId::from_uuid(Uuid::nil());

/// A bank of the federation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BankEntry {
    /// The slug of its certificate.
    pub bank_id: BankId,
    /// What people call it.
    pub display_name: Line,
    /// Where its adapter listens, `https://host:port`; or the line to a card network over which it is reached, `iso8583://<line>`.
    pub endpoint: String,
    /// Whether new payments may not use it.
    pub suspended: bool,
}

/// What a person's phone number pays with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayingInstrument {
    /// The bank that has it.
    pub bank_id: BankId,
    /// The account or the card at that bank.
    pub instrument: Instrument,
    /// It as others may see it, such as `****4821`.
    pub masked: String,
    /// Whether the binding may be used.
    pub active: bool,
    /// Whether the bank is suspended.
    pub bank_suspended: bool,
}

/// A person as the payment path needs to know them.
#[derive(Clone, PartialEq, Eq)]
pub struct Payer {
    /// Who pays.
    pub person_id: PersonId,
    /// The keyed hash of the transaction password, once there is one.
    pub password_mac: Option<Vec<u8>>,
    /// The default account or card, once there is one.
    pub instrument: Option<PayingInstrument>,
    /// How often a number of the person has changed its SIM card or its owner.
    pub number_epoch: i64,
}

impl fmt::Debug for Payer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Payer")
            .field("person_id", &self.person_id)
            .field("password_set", &self.password_mac.is_some())
            .field("instrument", &self.instrument)
            .finish()
    }
}

/// What the directory works with.
#[derive(Clone, Debug)]
pub struct DirectoryParts {
    /// The hub's database.
    pub store: Store,
    /// Makes keyed hashes, seals names and numbers.
    pub keys: SharedKeyStore,
    /// Tells how old things are.
    pub clock: SharedClock,
    /// Makes enrolment codes.
    pub rng: SharedRng,
    /// The name of this replica, which its audit chain carries.
    pub replica: String,
}

/// Bounds of the directory.
#[derive(Clone, Copy, Debug)]
pub struct DirectoryOptions {
    /// How long a cached entry may be believed: how late another replica's change is seen.
    pub cache_ttl: Duration,
    /// How many entries of each sort are cached.
    pub cache_entries: u64,
    /// How long an enrolment code lives.
    pub enrolment_code_ttl: Duration,
    /// How much may be found out about whose a number is.
    pub lookups: LookupsConfig,
}

/// What would be done to card numbers, in words. `Err(BinMalformed)`.
pub(crate) fn bin_words(request: &proto::operator::SetBinSuspendedRequest) -> Result<String, Reason> {
    bins::SuspendBins::read(request).map(|change| change.words())
}

/// Whether a bank can be registered so. `Err` with what is not right.
pub(crate) fn check_bank(request: &proto::operator::RegisterBankRequest) -> Result<(), Reason> {
    banks::RegisterBank::read(request.clone()).map(|_| ())
}

impl Default for DirectoryOptions {
    fn default() -> Self {
        Self {
            cache_ttl: Duration::from_secs(2),
            cache_entries: 100_000,
            enrolment_code_ttl: Duration::from_secs(24 * 60 * 60),
            lookups: LookupsConfig::default(),
        }
    }
}

/// The directory. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Directory {
    parts: Arc<DirectoryParts>,
    options: DirectoryOptions,
    caches: Caches,
    writer: GroupWriter<Changes>,
    lookups: Lookups,
}

impl Directory {
    /// Opens the directory and starts the task that writes its changes and the budgets of look-ups; the task ends when the last clone is dropped.
    pub fn start(parts: DirectoryParts, options: DirectoryOptions) -> (Self, JoinHandle<()>) {
        let chain = Chain::new(&format!("{}/directory", parts.replica), parts.keys.clone());
        let caches = Caches::new(options.cache_ttl, options.cache_entries);
        let changes = Arc::new(Changes::new(chain, parts.keys.clone(), caches.clone()));
        let (writer, changing) = GroupWriter::start(parts.store.clone(), changes, WriterOptions::default());
        let ground = (parts.store.clone(), parts.clock.clone());
        let (lookups, drawing) = Lookups::start(ground, parts.keys.clone(), &parts.replica, options.lookups);
        let task = tokio::spawn(async move {
            let mut writers = futures_util::stream::FuturesUnordered::from_iter([changing, drawing]);
            while let Some(ended) = writers.next().await {
                // At once, whether or not the other one goes on.
                if let Err(error) = ended
                    && error.is_panic()
                {
                    std::panic::resume_unwind(error.into_panic());
                }
            }
        });
        (Self { parts: Arc::new(parts), options, caches, writer, lookups }, task)
    }

    /// The budgets of those who look people up by their number.
    pub(crate) fn lookups(&self) -> &Lookups {
        &self.lookups
    }

    /// The terminal with its merchant, if it is enrolled.
    pub async fn terminal(&self, id: &TerminalId) -> Result<Option<Arc<Terminal>>, StoreError> {
        if let Some(known) = self.caches.terminals.get(id) {
            return Ok(known);
        }
        let found = sql::read_terminal(&self.parts.store, id).await?.map(Arc::new);
        self.caches.terminals.insert(id.clone(), found.clone());
        Ok(found)
    }

    /// The person who pays with this number. An unknown number costs what a known one costs: one keyed hash and,
    /// unless it is cached, one query.
    pub async fn payer_by_phone(&self, phone: &PhoneNumber) -> Result<Option<Arc<Payer>>, StoreError> {
        let hashes = phone_hashes(&*self.parts.keys, phone).map_err(sealed::unusable)?;
        let [hash, _] = hashes;
        match self.caches.phones.get(&hash) {
            Some(known) => self.payer(known.unwrap_or(NOBODY)).await,
            None => {
                let found = sql::read_payer_by_phone(&self.parts.store, &hashes).await?.map(Arc::new);
                let person_id = found.as_ref().map(|payer| payer.person_id);
                self.caches.phones.insert(hash, person_id);
                // Nobody is remembered, too: a number that nobody has is as much work.
                self.caches.payers.insert(person_id.unwrap_or(NOBODY), found.clone());
                Ok(found)
            }
        }
    }

    /// The person as the payment path needs to know them.
    pub async fn payer(&self, person_id: PersonId) -> Result<Option<Arc<Payer>>, StoreError> {
        if let Some(known) = self.caches.payers.get(&person_id) {
            return Ok(known);
        }
        let found = sql::read_payer(&self.parts.store, person_id).await?.map(Arc::new);
        self.caches.payers.insert(person_id, found.clone());
        Ok(found)
    }

    /// The bank, if it takes part.
    pub async fn bank(&self, id: &BankId) -> Result<Option<Arc<BankEntry>>, StoreError> {
        if let Some(known) = self.caches.banks.get(id) {
            return Ok(known);
        }
        let found = sql::read_bank(&self.parts.store, id).await?.map(Arc::new);
        self.caches.banks.insert(id.clone(), found.clone());
        Ok(found)
    }

    /// Whose card it is, if it is bound to anybody.
    pub async fn card_holder(&self, bank: &BankId, card: CardId) -> Result<Option<PersonId>, StoreError> {
        let key = (bank.clone(), card);
        if let Some(known) = self.caches.cards.get(&key) {
            return Ok(known);
        }
        let found = sql::read_card_holder(&self.parts.store, bank, card).await?;
        self.caches.cards.insert(key, found);
        Ok(found)
    }

    /// By which digits a card's bank is found: the ranges of all banks, also of those that are suspended.
    pub async fn bin_table(&self) -> Result<Arc<BinTable>, StoreError> {
        if let Some(known) = self.caches.bins.get(&()) {
            return Ok(known);
        }
        let found = Arc::new(sql::read_bin_table(&self.parts.store).await?);
        self.caches.bins.insert((), found.clone());
        Ok(found)
    }

    /// Puts these ranges of a bank in the place of those that it had, and gives them in order; or says why nothing was changed.
    pub async fn register_bin_ranges(
        &self,
        bank: BankId,
        request: &proto::federation::RegisterBinRangesRequest,
    ) -> Result<Result<Vec<BinRange>, Reason>, StoreError> {
        let by = bank.to_string();
        let change = match bins::RegisterBinRanges::read(bank, request) {
            Ok(change) => changes::Change::BinRanges(change),
            Err(reason) => return Ok(Err(reason)),
        };
        Ok(match self.writer.write(changes::Step { by, change }).await? {
            Ok(changes::Done::BinRanges(ranges)) => Ok(ranges),
            Ok(_) => Err(Reason::Fault),
            Err(reason) => Err(reason),
        })
    }

    /// All banks in order of name, as they stand in the database.
    pub async fn banks(&self) -> Result<Vec<BankEntry>, StoreError> {
        sql::read_banks(&self.parts.store).await
    }

    /// Of how many payments and repayments a bank has yet to hear, and when the oldest of them was made.
    pub(crate) async fn unsettled(&self) -> Result<(i64, Option<domain::Timestamp>), StoreError> {
        sql::read_unsettled(&self.parts.store).await
    }

    /// The sealed key of a terminal's PIN pad. It is never cached: what is not in memory is read by nobody from there.
    pub(crate) async fn sealed_pad_key(&self, id: &TerminalId) -> Result<Option<Vec<u8>>, StoreError> {
        pin_pads::read_sealed(&self.parts.store, id).await
    }

    /// Forgets who has a number, after a change that was made elsewhere in this process.
    pub(crate) fn forget_phone(&self, hashes: &[[u8; 32]; 2]) {
        hashes.iter().for_each(|hash| self.caches.phones.invalidate(hash));
    }

    /// Forgets what is cached of a person, after a change that was made elsewhere in this process.
    pub fn forget_payer(&self, person_id: PersonId) {
        self.caches.payers.invalidate(&person_id);
    }
}
