//! The bank's ledger: what the hub may ask of legs, and what happens at the bank's own counter.
//!
//! [`Ledger`] is the door: every durable step goes through one writer, which runs what has queued as one set (`steps`), decided
//! by [`domain::ledger`] and stored by `sql`. `service` speaks gRPC; `resolve` asks the hub about legs that were held for long.

mod advices;
mod audit;
pub(crate) mod card_steps;
#[cfg(test)]
pub(crate) mod conformance;
mod counted;
mod credit_holds;
pub(crate) mod credit_steps;
pub mod fill;
mod named;
mod page;
mod recent;
mod resolve;
mod service;
mod sql;
mod steps;
mod traced;
mod wire;

use std::sync::{Arc, OnceLock};

use domain::card::{Card, Proof};
use domain::credit::Statement;
use domain::freeze::HolderFreeze;
use domain::ledger::{
    Account, Agreement, Available, CompletionOrder, Deposit, FreezeOrder, HoldOrder, Leg, NewAccount, OpeningOrder,
    RefundOrder, VoidOrder,
};
use domain::payment::Instrument;
use domain::text::Line;
use domain::{AccountId, BankId, CardId, Currency, LegId, Reason, Timestamp};
use jiff::civil::Date;
use server_kit::audit::Chain;
use server_kit::identity::Principal;
use server_kit::keystore::SharedKeyStore;
use server_kit::rng::{self, IdMaker, SharedRng};
use server_kit::store::{GroupWriter, Owner, Store, StoreError, WriterOptions};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::credit::{self, Calendar, CloseOrder, Closed, OpenDay};
use crate::credit_system::Bell;
use crate::freeze::Order;
use crate::identity::{Checked, Said};
use crate::report::{Answer, AskedHub, BillTold, IdentityChecked, ReportStep};

pub(crate) use advices::PageAsked;
pub use audit::{BooksReport, check_books};
pub(crate) use credit_holds::{CreditHolds, CreditSystem, PinSettler};
pub use resolve::{HubClient, ResolveOptions, Resolver, Round, Verdict, Verdicts};
pub use service::BankService;
pub use sql::Place;
pub(crate) use sql::read_legs_of_entries;
pub use steps::PostResult;

use card_steps::{CardChange, IssueOrder, PinOrder};
use steps::{LedgerSteps, Outcome, Step};

/// Digits of an account number. The last four are shown.
const NUMBER_DIGITS: usize = 12;

/// Why a step was not done.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// A rule forbids it; nothing was stored.
    #[error("{0}")]
    Refused(Reason),
    /// It may or may not have been done; the same step again is safe.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a ledger is made of.
#[derive(Debug)]
pub struct LedgerParts {
    pub bank_id: BankId,
    pub store: Store,
    /// The right to write, which no other process has.
    pub owner: Owner,
    pub keys: SharedKeyStore,
    pub rng: SharedRng,
    /// The days of the bank's time zone.
    pub calendar: Calendar,
}

/// An account to open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    pub account_id: AccountId,
    pub currency: Currency,
    pub holder: Line,
    /// The most that one payment may take, in minor units; 0 is no limit.
    pub payment_limit_minor: i64,
}

/// The ledger of one bank. Cheap to clone; its writer ends when the last clone is dropped.
///
/// Every step may be repeated: what was decided is not decided again. Nothing is answered before it is durable.
#[derive(Clone, Debug)]
pub struct Ledger {
    bank_id: BankId,
    store: Store,
    keys: SharedKeyStore,
    rng: SharedRng,
    owner: Arc<Owner>,
    /// Set where an existing credit system keeps the credit accounts.
    credit_bell: Arc<OnceLock<Bell>>,
    /// Ring when there is a new report for the hub, and when a bill stands otherwise.
    bells: [Arc<Notify>; 2],
    writer: GroupWriter<LedgerSteps>,
}

impl Ledger {
    /// Takes the right to write the ledger of `bank_id`, or says that another process has it.
    pub async fn take_ownership(store: &Store, bank_id: &BankId, ids: &IdMaker) -> Result<Owner, StoreError> {
        let mark = ids.uuid().map_err(|error| StoreError::Refused(error.to_string()))?;
        Owner::take(store, &format!("{bank_id}/ledger"), mark).await
    }

    /// Starts the writer.
    pub fn start(parts: LedgerParts, options: WriterOptions) -> (Self, JoinHandle<()>) {
        let LedgerParts { bank_id, store, owner, keys, rng, calendar } = parts;
        let chain = Chain::new(&format!("{bank_id}/ledger"), keys.clone());
        let owner = Arc::new(owner);
        let credit_bell = Arc::default();
        let steps = LedgerSteps::new(owner.clone(), chain, calendar).with_bell(Arc::clone(&credit_bell));
        let bells = [steps.bells().reported(), steps.bells().billed()];
        let steps = Arc::new(steps);
        let (writer, task) = GroupWriter::start(store.clone(), steps, options);
        (Self { bank_id, store, keys, rng, owner, credit_bell, bells, writer }, task)
    }

    /// The right to write, to be kept for as long as the node runs.
    pub fn owner(&self) -> Arc<Owner> {
        self.owner.clone()
    }

    /// From now on an existing credit system keeps the credit accounts: it is told of every step, in the transaction of the step.
    /// Before the first step of a node that has one.
    pub(crate) fn keep_credit_elsewhere(&self, bell: Bell) {
        if self.credit_bell.set(bell).is_err() {
            tracing::error!("the ledger has a credit system already");
        }
    }

    /// Reserves the money of a leg; the answer may be a leg that is refused.
    pub async fn hold_all(&self, orders: Vec<HoldOrder>) -> Result<Vec<Result<Leg, Reason>>, LedgerError> {
        match self.writer.write(Step::Hold(orders)).await? {
            Outcome::Held(legs) => Ok(legs),
            other => Err(mixed_up(&other)),
        }
    }

    /// Posts legs in one transaction, and says of each what came of it, in order.
    pub async fn post(&self, legs: Vec<LegId>) -> Result<Vec<PostResult>, LedgerError> {
        match self.writer.write(Step::Post(legs)).await? {
            Outcome::Posted(results) => Ok(results),
            other => Err(mixed_up(&other)),
        }
    }

    /// Releases a leg, known or not.
    pub async fn void(&self, order: VoidOrder) -> Result<Leg, LedgerError> {
        self.leg_step(Step::Void(order)).await
    }

    /// Gives money back from a posted leg; the answer may be a leg that is refused.
    pub async fn refund(&self, order: RefundOrder) -> Result<Leg, LedgerError> {
        self.leg_step(Step::Refund(order)).await
    }

    /// Ends a pre-authorisation with what was really used, or posts a charge of another network with as much or less.
    pub async fn complete(&self, order: CompletionOrder) -> Result<Leg, LedgerError> {
        self.leg_step(Step::Complete(order)).await
    }

    /// Holds a charge of another network and posts it at once; the answer may be a leg that is refused.
    pub(crate) async fn post_offline(&self, order: HoldOrder) -> Result<Leg, LedgerError> {
        self.leg_step(Step::Offline(Box::new(order))).await
    }

    /// Reports from now on what is bought with it elsewhere.
    pub(crate) async fn follow(&self, instrument: Instrument) -> Result<(), LedgerError> {
        self.report_step(ReportStep::Follow(instrument)).await
    }

    /// Freezes and sets free as holders have ordered; gives an outcome for each order, in their order.
    pub(crate) async fn follow_holders(
        &self,
        orders: Vec<Order>,
    ) -> Result<Vec<Result<HolderFreeze, Reason>>, LedgerError> {
        match self.writer.write(Step::FollowHolders(orders)).await? {
            Outcome::Freezes(followed) => Ok(followed),
            other => Err(mixed_up(&other)),
        }
    }

    /// Keeps what the hub has answered to reports.
    pub(crate) async fn acknowledge(&self, answer: Answer) -> Result<(), LedgerError> {
        self.report_step(ReportStep::Acknowledge(answer)).await
    }

    async fn report_step(&self, step: ReportStep) -> Result<(), LedgerError> {
        match self.writer.write(Step::Report(step)).await? {
            Outcome::Reported(result) => result.map_err(LedgerError::Refused),
            other => Err(mixed_up(&other)),
        }
    }

    /// Notes in the log that the hub is about to be asked about somebody.
    pub(crate) async fn asked_hub(&self, asked: AskedHub) -> Result<(), LedgerError> {
        self.report_step(ReportStep::Asked(Box::new(asked))).await
    }

    /// Notes in the log that the counter has checked whose this is. `Err` with `AccountUnknown` or `CardUnknown`.
    pub(crate) async fn identity_checked(&self, checked: IdentityChecked) -> Result<(), LedgerError> {
        self.report_step(ReportStep::IdentityChecked(Box::new(checked))).await
    }

    /// Keeps what the hub has answered to bills.
    pub(crate) async fn bills_told(&self, told: Vec<BillTold>) -> Result<(), LedgerError> {
        self.report_step(ReportStep::BillsTold(told)).await
    }

    /// Rings when there is a new report for the hub.
    pub(crate) fn reported(&self) -> Arc<Notify> {
        self.bells[0].clone()
    }

    /// Rings when a bill stands otherwise than the hub was told.
    pub(crate) fn billed(&self) -> Arc<Notify> {
        self.bells[1].clone()
    }

    /// What a card may spend, and its number as a receipt may show it.
    pub(crate) async fn inquire(&self, card: CardId, proof: Proof) -> Result<(Available, String), LedgerError> {
        match self.writer.write(Step::Inquire(card, proof)).await? {
            Outcome::Balance(result) => result.map_err(LedgerError::Refused),
            other => Err(mixed_up(&other)),
        }
    }

    pub(crate) async fn issue(&self, order: IssueOrder, by: Principal) -> Result<(Card, Timestamp), LedgerError> {
        self.card_step(Step::Issue(Box::new(order), by)).await
    }

    pub(crate) async fn change_card(
        &self,
        card: CardId,
        change: CardChange,
        by: Principal,
    ) -> Result<(Card, Timestamp), LedgerError> {
        self.card_step(Step::Change(card, change, by)).await
    }

    pub(crate) async fn set_pin(&self, order: PinOrder, by: Principal) -> Result<(Card, Timestamp), LedgerError> {
        self.card_step(Step::SetPin(order, by)).await
    }

    pub(crate) fn keys(&self) -> SharedKeyStore {
        self.keys.clone()
    }

    /// Where the ledger is kept, for reading.
    pub(crate) const fn store(&self) -> &Store {
        &self.store
    }

    /// Opens a deposit account and gives it a number. The log says by whom, as it does of all that is done at the counter.
    pub async fn open_account(&self, opening: Opening, by: Principal) -> Result<Account, LedgerError> {
        self.account_step(Step::Open(self.opening_order(opening, NewAccount::Deposit)?, by)).await
    }

    /// Opens a deposit account that the hub asks for, after what the citizen-identity service has said: with the keyed hash of the wish and the
    /// sealed citizen number. The same wish again gives the first answer.
    pub(crate) async fn open_checked(
        &self,
        opening: Opening,
        (content_mac, said, citizen_sealed): ([u8; 32], Said, Vec<u8>),
    ) -> Result<Account, LedgerError> {
        let order = self.opening_order(opening, NewAccount::Deposit)?;
        self.account_step(Step::OpenChecked(Box::new(Checked { order, content_mac, said, citizen_sealed }))).await
    }

    /// Opens a savings account.
    pub async fn open_savings_account(&self, opening: Opening, by: Principal) -> Result<Account, LedgerError> {
        self.account_step(Step::Open(self.opening_order(opening, NewAccount::Savings)?, by)).await
    }

    /// Opens a credit account with what was agreed on; `new` has its limits.
    pub async fn open_credit_account(
        &self,
        opening: Opening,
        new: NewAccount,
        agreement: Agreement,
        by: Principal,
    ) -> Result<Account, LedgerError> {
        self.account_step(Step::OpenCredit(self.opening_order(opening, new)?, agreement, by)).await
    }

    fn opening_order(&self, opening: Opening, new: NewAccount) -> Result<OpeningOrder, LedgerError> {
        let number = rng::digits(&*self.rng, NUMBER_DIGITS).map_err(|error| StoreError::Refused(error.to_string()))?;
        let Opening { account_id, currency, holder, payment_limit_minor } = opening;
        Ok(OpeningOrder { account_id, new, currency, holder, payment_limit_minor, number: number.into_boxed_str() })
    }

    /// Pays cash in.
    pub async fn deposit_cash(&self, deposit: Deposit, by: Principal) -> Result<Account, LedgerError> {
        self.account_step(Step::Deposit(deposit, by)).await
    }

    /// Freezes or unfreezes an account.
    pub async fn set_frozen(&self, order: FreezeOrder, by: Principal) -> Result<Account, LedgerError> {
        self.account_step(Step::Freeze(order, by)).await
    }

    /// Closes days of credit accounts in one transaction: as many of each as one step may.
    pub(crate) async fn close_days(&self, order: CloseOrder, by: Principal) -> Result<Closed, LedgerError> {
        match self.writer.write(Step::CloseDays(order, by)).await? {
            Outcome::Closed(result) => result.map_err(LedgerError::Refused),
            other => Err(mixed_up(&other)),
        }
    }

    /// Credit accounts after a place of which this day is not closed, the longest open first; at most `limit`.
    pub(crate) async fn open_days(
        &self,
        after: Option<OpenDay>,
        through: Date,
        limit: i64,
    ) -> Result<Vec<OpenDay>, LedgerError> {
        Ok(credit::read_open(&self.store, after, through, limit).await?)
    }

    /// What a credit account was opened with.
    pub(crate) async fn agreement(&self, id: AccountId) -> Result<Agreement, LedgerError> {
        let agreement = credit::read_agreement(&self.store, id).await?;
        agreement.ok_or(LedgerError::Refused(Reason::AccountUnknown))
    }

    /// Statements of a credit account, each with what was missed of its minimum if that is known yet.
    pub(crate) async fn statements(&self, page: credit::Page) -> Result<Vec<(Statement, Option<i64>)>, LedgerError> {
        self.agreement(page.account_id).await?;
        Ok(credit::read_statements(&self.store, page).await?)
    }

    /// The leg as it stands.
    pub async fn leg(&self, id: LegId) -> Result<Leg, LedgerError> {
        sql::read_leg(&self.store, id).await?.ok_or(LedgerError::Refused(Reason::LegUnknown))
    }

    /// The customer's account as it stands.
    pub async fn account(&self, id: AccountId) -> Result<Account, LedgerError> {
        sql::read_account(&self.store, id).await?.ok_or(LedgerError::Refused(Reason::AccountUnknown))
    }

    /// Legs after a place that changed before a point in time, in order of change; at most `limit`.
    pub async fn legs_changed(&self, after: Place, before: Timestamp, limit: i64) -> Result<Vec<Leg>, LedgerError> {
        Ok(sql::read_changed(&self.store, after, before, limit).await?)
    }

    /// Legs after a place that have been held since before a point in time, the longest first; at most `limit`.
    pub async fn legs_held(&self, after: Place, before: Timestamp, limit: i64) -> Result<Vec<Leg>, LedgerError> {
        Ok(sql::read_held(&self.store, after, before, limit).await?)
    }

    async fn leg_step(&self, step: Step) -> Result<Leg, LedgerError> {
        match self.writer.write(step).await? {
            Outcome::Leg(result) => result.map_err(LedgerError::Refused),
            other => Err(mixed_up(&other)),
        }
    }

    /// The card afterwards, and when that was stored.
    async fn card_step(&self, step: Step) -> Result<(Card, Timestamp), LedgerError> {
        match self.writer.write(step).await? {
            Outcome::Card(result, at) => result.map(|card| (card, at)).map_err(LedgerError::Refused),
            other => Err(mixed_up(&other)),
        }
    }

    async fn account_step(&self, step: Step) -> Result<Account, LedgerError> {
        match self.writer.write(step).await? {
            Outcome::Account(result) => result.map_err(LedgerError::Refused),
            other => Err(mixed_up(&other)),
        }
    }
}

/// The writer gave the outcome of another step: a fault of this program.
fn mixed_up(outcome: &Outcome) -> LedgerError {
    LedgerError::Store(StoreError::Refused(format!("an outcome of another step: {outcome:?}")))
}
