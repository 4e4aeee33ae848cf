//! Every change of the directory, written in sets: the decision, the rows and the line in the log are one transaction
//! (M8).

use domain::card::BinRange;
use domain::payment::Instrument;
use domain::purchase::{Merchant, Terminal};
use domain::{Reason, Timestamp};
use server_kit::audit::{Chain, Entry, HeldChain};
use server_kit::keystore::SharedKeyStore;
use server_kit::store::{StepSet, StoreError, Tx};
use uuid::Uuid;

use super::banks::RegisterBank;
use super::bindings::Bind;
use super::bins::{RegisterBinRanges, SuspendBins};
use super::cache::Caches;
use super::merchants::RegisterMerchant;
use super::persons::{IssueEnrolmentCode, RegisterPerson};
use super::pin_pads::SetPinPadKey;
use super::terminals::{RegisterTerminal, SuspendTerminal};
use super::{BankEntry, phone_hashes};

/// What an operator or a bank asks for, and who it is.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) by: String,
    pub(super) change: Change,
}

#[derive(Debug)]
pub(super) enum Change {
    Bank(RegisterBank),
    Merchant(RegisterMerchant),
    Terminal(RegisterTerminal),
    Suspension(SuspendTerminal),
    Person(RegisterPerson),
    Binding(Bind),
    BinRanges(RegisterBinRanges),
    Bins(SuspendBins),
    EnrolmentCode(IssueEnrolmentCode),
    PinPad(SetPinPadKey),
}

/// How the thing stands after the change.
#[derive(Debug)]
pub(super) enum Done {
    Bank(BankEntry),
    Merchant(Merchant),
    Terminal(Terminal),
    Person,
    Binding {
        masked: String,
    },
    BinRanges(Vec<BinRange>),
    Bins,
    EnrolmentCode {
        expires_at: Timestamp,
    },
    /// How often the key was set.
    PinPad(i64),
}

/// Collects the lines of the log that one step leaves.
#[derive(Debug)]
pub(super) struct Log<'a> {
    by: &'a str,
    entries: &'a mut Vec<Entry>,
}

impl<'a> Log<'a> {
    pub(super) fn new(by: &'a str, entries: &'a mut Vec<Entry>) -> Self {
        Self { by, entries }
    }

    /// `subject` is the person; things that have a slug for a name have the nil id and say their name in `content`.
    pub(super) fn add(&mut self, kind: &'static str, subject: Uuid, content: &str) {
        let content = format!("{content} by={}", self.by);
        self.entries.push(Entry { kind, subject, content });
    }
}

/// The writer's side.
pub(super) struct Changes {
    chain: HeldChain,
    keys: SharedKeyStore,
    caches: Caches,
}

impl Changes {
    pub(super) fn new(chain: Chain, keys: SharedKeyStore, caches: Caches) -> Self {
        Self { chain: chain.into(), keys, caches }
    }

    /// What was cached of a thing that has changed is forgotten before the operator hears of the change.
    fn forget(&self, change: &Change) {
        match change {
            Change::Bank(change) => {
                self.caches.banks.invalidate(&change.bank.bank_id);
                // Whether the bank is suspended stands with each of its payers.
                self.caches.payers.invalidate_all();
            }
            Change::Terminal(change) => self.caches.terminals.invalidate(&change.id),
            Change::Suspension(change) => self.caches.terminals.invalidate(&change.id),
            Change::Person(change) => {
                if let Ok(hashes) = phone_hashes(&*self.keys, &change.phone) {
                    hashes.iter().for_each(|hash| self.caches.phones.invalidate(hash));
                }
                self.caches.payers.invalidate(&change.person_id);
            }
            Change::Binding(change) => {
                self.caches.payers.invalidate(&change.asked.person_id);
                if let Instrument::Card(card) = change.asked.instrument {
                    self.caches.cards.invalidate(&(change.asked.bank_id.clone(), card));
                }
            }
            Change::BinRanges(_) | Change::Bins(_) => self.caches.bins.invalidate_all(),
            Change::Merchant(_) | Change::EnrolmentCode(_) | Change::PinPad(_) => {}
        }
    }

    async fn apply(
        &self,
        tx: &mut Tx,
        Step { by, change }: &Step,
        log: &mut Log<'_>,
    ) -> Result<Result<Done, Reason>, StoreError> {
        match change {
            Change::Bank(change) => change.apply(tx, log).await,
            Change::Merchant(change) => change.apply(tx, log).await,
            Change::Terminal(change) => change.apply(tx, log).await,
            Change::Suspension(change) => change.apply(tx, log).await,
            Change::Person(change) => change.apply(tx, log, &*self.keys).await,
            Change::Binding(change) => change.apply(tx, log).await,
            Change::BinRanges(change) => change.apply(tx, log).await,
            Change::Bins(change) => change.apply(tx, log, by).await,
            Change::EnrolmentCode(change) => change.apply(tx, log).await,
            Change::PinPad(change) => change.apply(tx, log, &*self.keys).await,
        }
    }
}

impl StepSet for Changes {
    const NAME: &'static str = "directory-writer";

    type Step = Step;
    type Outcome = Result<Done, Reason>;

    // Operators are few and each change reads other tables, so the steps run one after the other; what they share is
    // the flush, which is what costs.
    async fn run(&self, tx: &mut Tx, steps: &[Step]) -> Result<Vec<Self::Outcome>, StoreError> {
        let mut entries = Vec::new();
        let mut outcomes = Vec::with_capacity(steps.len());
        for step in steps {
            let mut log = Log::new(&step.by, &mut entries);
            outcomes.push(self.apply(tx, step, &mut log).await?);
        }
        self.chain.append(tx, entries).await?;
        Ok(outcomes)
    }

    // The writer calls these between two sets, when nobody holds the chain. Should that ever be otherwise, the
    // pending head is replaced by the next row's, which then fails on the key and is run again from what is stored.
    fn committed(&self, steps: &[Step], _: &[Self::Outcome]) {
        steps.iter().for_each(|step| self.forget(&step.change));
        self.chain.confirm();
    }

    fn dropped(&self, _: &StoreError) {
        self.chain.forget();
    }

    fn wants_upkeep(&self) -> bool {
        self.chain.is_unsealed()
    }

    async fn upkeep(&self, tx: &mut Tx) -> Result<(), StoreError> {
        self.chain.seal(tx).await
    }
}
