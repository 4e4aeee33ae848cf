//! The ledger's durable steps, run in sets: load what they name, let the domain decide one after the other, write each table
//! once.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use domain::card::{Card, Proof};
use domain::freeze::HolderFreeze;
use domain::ledger::{
    self as rules, Account, AccountKind, Agreement, Available, Books, Change, CompletionOrder, Deposit, FreezeOrder,
    HoldOrder, Leg, LegState, OpeningOrder, Origin, RefundOrder, VoidOrder,
};
use domain::{AccountId, CardId, LegId, Reason, Timestamp};
use server_kit::audit::{Chain, Entry, HeldChain};
use server_kit::fault;
use server_kit::identity::Principal;
use server_kit::store::{Owner, StepSet, StoreError, Tx};
use tokio::sync::Mutex;

use super::card_steps::{self, CardChange, CardFiles, IssueOrder, PinOrder};
use super::counted::count;
use super::credit_steps::{CreditRows, CreditStep};
use super::recent::Recent;
use super::sql::{self, Named};
use crate::card::answers::PinAnswers;
use crate::card::sql as card;
use crate::credit::{Calendar, CloseOrder, Closed, CreditBooks, Today};
use crate::credit_system::{Bell, CreditHold, PinState, Retold};
use crate::freeze::{HolderFreezes, Order};
use crate::identity::{Checked, Openings};
use crate::report::{Bells, Outbox, ReportStep};

/// One durable step of the ledger.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Hold(Vec<HoldOrder>),
    Post(Vec<LegId>),
    Void(VoidOrder),
    Refund(RefundOrder),
    Complete(CompletionOrder),
    /// Holds a charge of another network and posts it at once.
    Offline(Box<HoldOrder>),
    /// What is about reports to the hub.
    Report(ReportStep),
    /// What a card may spend, for whoever has proved it.
    Inquire(CardId, Proof),
    /// What is done at the counter, and who does it.
    Open(OpeningOrder, Principal),
    /// What the hub asks for, of somebody whose identity was checked.
    OpenChecked(Box<Checked>),
    OpenCredit(OpeningOrder, Agreement, Principal),
    Deposit(Deposit, Principal),
    Freeze(FreezeOrder, Principal),
    /// What holders freeze and set free at the hub.
    FollowHolders(Vec<Order>),
    Issue(Box<IssueOrder>, Principal),
    Change(CardId, CardChange, Principal),
    SetPin(PinOrder, Principal),
    /// The end of days of credit accounts, and who has it done.
    CloseDays(CloseOrder, Principal),
    /// What only a bank with an existing credit system does.
    Credit(CreditStep),
}

/// What came of posting one leg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostResult {
    pub leg_id: LegId,
    /// Where the leg stands; `None` when there is no such leg.
    pub state: Option<LegState>,
    /// Why it could not be posted.
    pub refusal: Option<Reason>,
}

/// What came of a step. An error by reason stored nothing.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    Held(Vec<Result<Leg, Reason>>),
    Leg(Result<Leg, Reason>),
    Posted(Vec<PostResult>),
    Reported(Result<(), Reason>),
    Account(Result<Account, Reason>),
    Freezes(Vec<Result<HolderFreeze, Reason>>),
    /// With when it was stored.
    Card(Result<Card, Reason>, Timestamp),
    /// With the card's number as a receipt may show it.
    Balance(Result<(Available, String), Reason>),
    Closed(Result<Closed, Reason>),
    /// None when the credit system has to be asked first.
    Alone(Result<Option<Leg>, Reason>),
    /// With what is to be asked for, if it was not before.
    Asked(Result<(Leg, Option<CreditHold>), Reason>),
    Pin(Result<(Card, PinState), Reason>),
    Retold(Result<Retold, Reason>),
}

/// The steps of one bank's ledger, run by its only owner.
#[derive(Debug)]
pub(super) struct LedgerSteps {
    owner: Arc<Owner>,
    /// Only the writer's thread uses these, so that nobody ever waits for their locks.
    chain: HeldChain,
    recent: Mutex<Recent>,
    today: Mutex<Today>,
    /// Set where an existing credit system keeps the credit accounts.
    credit_bell: Arc<OnceLock<Bell>>,
    /// Ring when there is something to tell the hub.
    bells: Bells,
}

impl LedgerSteps {
    pub(super) fn new(owner: Arc<Owner>, chain: Chain, calendar: Calendar) -> Self {
        Self {
            owner,
            chain: chain.into(),
            recent: Mutex::default(),
            today: Mutex::new(Today::new(calendar)),
            credit_bell: Arc::default(),
            bells: Bells::default(),
        }
    }

    /// Ring when there is something to tell the hub.
    pub(super) const fn bells(&self) -> &Bells {
        &self.bells
    }

    /// Goes by what is set there of an existing credit system.
    pub(super) fn with_bell(self, credit_bell: Arc<OnceLock<Bell>>) -> Self {
        Self { credit_bell, ..self }
    }
}

impl StepSet for LedgerSteps {
    const NAME: &'static str = "ledger-writer";

    type Step = Step;
    type Outcome = Outcome;

    async fn run(&self, tx: &mut Tx, steps: &[Step]) -> Result<Vec<Outcome>, StoreError> {
        self.owner.fence(tx);
        let mut recent = self.recent.lock().await;
        let mut named = named(steps);
        let (mut credit, positions) = CreditBooks::load(tx, credit_accounts(steps), &mut named.accounts).await?;
        let today = self.today.lock().await.of(tx).await?;
        let mut told = match self.credit_bell.get() {
            Some(_) => Some(CreditRows::load(tx, steps, &named).await?),
            None => None,
        };
        let mut books = sql::load(tx, named, &recent, today).await?;
        books.load_credit(positions, []);
        let mut freezes = HolderFreezes::load(tx, steps.iter().flat_map(orders_of)).await?;
        let mut openings = Openings::load(tx, steps.iter().filter_map(checked_of)).await?;
        let mut outbox = Outbox::load(tx, steps.iter().filter_map(of_reports), &credit.ids()).await?;
        credit.watch(outbox.watched());
        let (pins, sent) = card_steps::pins_of(steps);
        let (pins, answers) = (card::load_pins(tx, pins).await?, PinAnswers::load(tx, &sent).await?);
        let numbers = card::load_numbers(tx, card_steps::numbers_of(steps)).await?;
        let mut files = CardFiles { pins, answers, numbers, ..CardFiles::default() };
        let now = tx.now();
        let mut log = Vec::new();
        let decide = |step| {
            if let Some(refused) = told.as_ref().and_then(|told| told.refusal(step, &books)) {
                return refused;
            }
            let outcome = match (step, &mut told) {
                (Step::FollowHolders(orders), _) => {
                    let follow = |order: &Order| freezes.follow(&mut books, *order, now, &mut log);
                    Outcome::Freezes(orders.iter().map(follow).collect())
                }
                (Step::OpenChecked(checked), _) => {
                    Outcome::Account(openings.decide(&mut books, checked, now, &mut log))
                }
                (Step::Report(step), _) => Outcome::Reported(outbox.decide(step, &books, &mut log)),
                (Step::Credit(step), Some(told)) => told.decide(&mut books, &mut files, step, now, &mut log),
                (Step::Hold(orders), Some(_)) => {
                    let hold = |order: &HoldOrder| {
                        let decided = rules::hold_elsewhere(&books, order, now);
                        leg_step(&mut books, decided, &mut log)
                    };
                    Outcome::Held(orders.iter().map(hold).collect())
                }
                (Step::Refund(order), Some(_)) => {
                    let decided = rules::refund_elsewhere(&books, order, now);
                    Outcome::Leg(leg_step(&mut books, decided, &mut log))
                }
                _ => decide(&mut books, &mut files, &mut credit, step, now, &mut log),
            };
            if let Some(told) = &mut told {
                told.advise(step, &books, now);
            }
            outcome
        };
        let outcomes = steps.iter().map(decide).collect();
        if !log.is_empty() {
            sql::save(tx, &books, &files, &mut recent).await?;
            credit.save(tx, &books).await?;
            freezes.save(tx).await?;
            openings.save(tx).await?;
            self.chain.append(tx, log).await?;
        }
        self.bells.prepare(outbox.save(tx, &books, &credit).await?);
        if let Some(told) = told {
            told.save(tx).await?;
        }
        durable_points(steps).into_iter().for_each(|[before, _]| fault::point(before));
        Ok(outcomes)
    }

    fn committed(&self, steps: &[Step], outcomes: &[Outcome]) {
        durable_points(steps).into_iter().for_each(|[_, after]| fault::point(after));
        if let Some(bell) = self.credit_bell.get() {
            bell.ring();
        }
        self.bells.ring();
        self.chain.confirm();
        if let Ok(mut recent) = self.recent.try_lock() {
            recent.confirm();
        }
        for (step, outcome) in steps.iter().zip(outcomes) {
            count(step, outcome);
        }
    }

    fn dropped(&self, _: &StoreError) {
        self.bells.forget();
        self.chain.forget();
        if let Ok(mut recent) = self.recent.try_lock() {
            recent.forget();
        }
    }

    // The hub asks again, or has the leg voided. A hold that nobody waits for would only keep money from its owner until then.
    fn skippable(&self, step: &Step) -> bool {
        matches!(step, Step::Hold(_))
    }

    fn wants_upkeep(&self) -> bool {
        self.chain.is_unsealed()
    }

    async fn upkeep(&self, tx: &mut Tx) -> Result<(), StoreError> {
        self.owner.fence(tx);
        self.chain.seal(tx).await
    }
}

/// The fault points before and after the durable points that are in this set, each once (DESIGN §2): D3 for holds, D5 for
/// posts, and those for voids, for days that are closed, and for what is asked of an existing credit system.
fn durable_points(steps: &[Step]) -> BTreeSet<[&'static str; 2]> {
    let points = |step: &Step| match step {
        Step::Hold(_) => Some(["D3.before", "D3.after"]),
        Step::Post(_) => Some(["D5.before", "D5.after"]),
        Step::Void(_) => Some(["void.before", "void.after"]),
        Step::CloseDays(..) => Some(["day.before", "day.after"]),
        Step::FollowHolders(_) => Some(["freeze.before", "freeze.after"]),
        Step::OpenChecked(_) => Some(["open.before", "open.after"]),
        Step::Credit(step) => Some(step.durable_point()),
        _ => None,
    };
    steps.iter().filter_map(points).collect()
}

const fn of_reports(step: &Step) -> Option<&ReportStep> {
    if let Step::Report(step) = step { Some(step) } else { None }
}

const fn checked_of(step: &Step) -> Option<&Checked> {
    if let Step::OpenChecked(checked) = step { Some(checked) } else { None }
}

const fn orders_of(step: &Step) -> &[Order] {
    if let Step::FollowHolders(orders) = step { orders.as_slice() } else { &[] }
}

/// The credit accounts that are opened, or of which days are closed.
fn credit_accounts(steps: &[Step]) -> BTreeSet<AccountId> {
    let mut ids = BTreeSet::new();
    for step in steps {
        match step {
            Step::OpenCredit(order, ..) => ids.extend([order.account_id]),
            Step::CloseDays(order, _) => ids.extend(order.accounts.iter().copied()),
            _ => {}
        }
    }
    ids
}

fn named(steps: &[Step]) -> Named {
    let mut named = Named::default();
    for step in steps {
        match step {
            Step::Hold(orders) => {
                for order in orders {
                    named.legs.insert(order.leg_id);
                    named.order(&order.order);
                }
            }
            Step::Offline(order) => {
                named.legs.insert(order.leg_id);
                named.order(&order.order);
            }
            Step::Complete(order) => {
                named.legs.insert(order.leg_id);
            }
            Step::Report(ReportStep::Follow(instrument)) => named.instrument(*instrument),
            Step::Report(ReportStep::IdentityChecked(checked)) => named.instrument(checked.instrument),
            Step::FollowHolders(orders) => orders.iter().for_each(|order| named.instrument(order.instrument)),
            // What the others name they load.
            Step::Report(_) => {}
            Step::Inquire(card, _) | Step::Change(card, ..) => {
                named.cards.insert(*card);
            }
            Step::SetPin(order, _) => {
                named.cards.insert(order.sent.card_id);
            }
            Step::Issue(order, _) => {
                named.cards.extend(order.replaces.into_iter().chain([order.card.id]));
                named.accounts.extend(order.card.sides.accounts());
            }
            Step::Post(legs) => named.legs.extend(legs),
            Step::Void(order) => {
                named.legs.insert(order.leg_id);
            }
            Step::Refund(order) => named.legs.extend([order.leg_id, order.give_back.original_leg_id]),
            Step::Open(order, _) => {
                named.accounts.insert(order.account_id);
            }
            Step::OpenChecked(checked) => {
                named.accounts.insert(checked.order.account_id);
            }
            Step::OpenCredit(order, agreement, _) => {
                named.accounts.insert(order.account_id);
                named.accounts.extend(agreement.repay_from);
            }
            Step::Credit(step) => step.name_rows(&mut named),
            // Its accounts are known when the agreements are loaded.
            Step::CloseDays(..) => {}
            Step::Deposit(order, _) => {
                named.deposits.insert(order.id);
                named.accounts.insert(order.account_id);
                named.accounts.insert(AccountKind::Cash.house_id(order.amount.currency));
            }
            Step::Freeze(order, _) => {
                named.accounts.insert(order.account_id);
            }
        }
    }
    named
}

/// Decides one step, makes it part of the books, and adds what happened to the log.
fn decide(
    books: &mut Books,
    files: &mut CardFiles,
    credit: &mut CreditBooks,
    step: &Step,
    now: Timestamp,
    log: &mut Vec<Entry>,
) -> Outcome {
    match step {
        Step::Hold(orders) => {
            Outcome::Held(orders.iter().map(|order| leg_step(books, rules::hold(books, order, now), log)).collect())
        }
        Step::Post(legs) => Outcome::Posted(legs.iter().map(|id| post_one(books, *id, now, log)).collect()),
        Step::Void(order) => Outcome::Leg(leg_step(books, rules::void(books, *order, now), log)),
        Step::Refund(order) => Outcome::Leg(leg_step(books, rules::refund(books, order, now), log)),
        Step::Complete(order) => Outcome::Leg(leg_step(books, rules::complete(books, *order, now), log)),
        Step::Offline(order) => Outcome::Leg(post_offline(books, order, now, log)),
        Step::Inquire(card, proof) => Outcome::Balance(card_steps::inquire(books, *card, *proof, now, log)),
        Step::Issue(order, by) => Outcome::Card(card_steps::issue(books, files, order, by, log), now),
        Step::Change(card, change, by) => Outcome::Card(card_steps::change(books, *card, *change, by, log), now),
        Step::SetPin(order, by) => Outcome::Card(card_steps::set_pin(books, files, order, by, log), now),
        Step::Open(order, by) => {
            Outcome::Account(account_step(books, rules::open_account(books, order, now), log, |it| {
                opened_entry(it, by)
            }))
        }
        Step::OpenCredit(order, agreement, by) => {
            let decided = credit.open(books, order, agreement, now);
            Outcome::Account(account_step(books, decided, log, |it| {
                let entry = opened_entry(it, by);
                Entry { content: format!("{} {}", crate::credit::in_words(it, agreement), entry.content), ..entry }
            }))
        }
        Step::CloseDays(order, by) => Outcome::Closed(credit.close(books, order, by, now, log)),
        Step::Deposit(order, by) => {
            Outcome::Account(account_step(books, rules::deposit_cash(books, *order, now), log, |it| {
                let (minor, currency) = (order.amount.minor, order.amount.currency);
                let what = format!("deposit={} amount_minor={minor} currency={currency}", order.id);
                counter_entry("account.deposited", it.id, &what, by)
            }))
        }
        Step::Freeze(order, by) => Outcome::Account(account_step(books, rules::set_frozen(books, *order), log, |it| {
            let kind = if it.frozen { "account.frozen" } else { "account.unfrozen" };
            counter_entry(kind, it.id, &format!("account={}", it.masked()), by)
        })),
        // Decided where the rows about them are.
        Step::Report(_) => Outcome::Reported(Err(Reason::Fault)),
        Step::OpenChecked(_) => Outcome::Account(Err(Reason::Fault)),
        Step::FollowHolders(_) => Outcome::Freezes(Vec::new()),
        // There is nobody to ask.
        Step::Credit(CreditStep::HoldAlone(_)) => Outcome::Alone(Err(Reason::Fault)),
        Step::Credit(CreditStep::Ask(..)) => Outcome::Asked(Err(Reason::Fault)),
        Step::Credit(CreditStep::Settle(..)) => Outcome::Leg(Err(Reason::Fault)),
        Step::Credit(CreditStep::Retell(..)) => Outcome::Retold(Err(Reason::Fault)),
        Step::Credit(_) => Outcome::Pin(Err(Reason::Fault)),
    }
}

pub(super) fn leg_step(
    books: &mut Books,
    decided: Result<rules::Decided<Leg>, Reason>,
    log: &mut Vec<Entry>,
) -> Result<Leg, Reason> {
    let decided = decided?;
    log.extend(decided.change.legs.iter().map(leg_entry));
    log.extend(decided.change.cards.iter().map(card_steps::tried));
    books.apply(decided.change);
    Ok(decided.answer)
}

fn post_one(books: &mut Books, leg_id: LegId, now: Timestamp, log: &mut Vec<Entry>) -> PostResult {
    match leg_step(books, rules::post(books, leg_id, now), log) {
        Ok(leg) => PostResult { leg_id, state: Some(leg.state), refusal: None },
        Err(reason) => PostResult { leg_id, state: books.leg(leg_id).map(|leg| leg.state), refusal: Some(reason) },
    }
}

/// A charge that is not refused is posted as a whole; so is one that was held before.
fn post_offline(books: &mut Books, order: &HoldOrder, now: Timestamp, log: &mut Vec<Entry>) -> Result<Leg, Reason> {
    let leg = leg_step(books, rules::hold(books, order, now), log)?;
    match leg.whole() {
        Some(whole) => leg_step(books, rules::complete(books, whole, now), log),
        None => Ok(leg),
    }
}

fn account_step(
    books: &mut Books,
    decided: Result<rules::Decided<Account>, Reason>,
    log: &mut Vec<Entry>,
    describe: impl FnOnce(&Account) -> Entry,
) -> Result<Account, Reason> {
    let decided = decided?;
    if decided.change != Change::default() {
        log.push(describe(&decided.answer));
    }
    books.apply(decided.change);
    Ok(decided.answer)
}

fn leg_entry(leg: &Leg) -> Entry {
    let kind = match leg.state {
        LegState::Asking => "leg.asking",
        LegState::Held => "leg.held",
        LegState::Posted => "leg.posted",
        LegState::Voided => "leg.voided",
        LegState::Refused(_) => "leg.refused",
    };
    let mut content = format!("payment={} account={}", leg.payment_id, leg.account_masked);
    if let Some(amount) = leg.amount() {
        content += &format!(" amount_minor={} currency={}", amount.minor, amount.currency);
    }
    if leg.origin == Origin::Network {
        content += " origin=NETWORK";
    }
    if leg.refunded_minor > 0 {
        content += &format!(" refunded_minor={}", leg.refunded_minor);
    }
    if let Some(original) = leg.original_leg_id() {
        content += &format!(" original={original}");
    }
    if let Some(reason) = leg.state.refusal() {
        content += &format!(" refusal={}", reason.code());
    }
    Entry { kind, subject: leg.id.uuid(), content }
}

fn opened_entry(account: &Account, by: &Principal) -> Entry {
    let what = format!("account={} currency={}", account.masked(), account.currency);
    counter_entry("account.opened", account.id, &what, by)
}

fn counter_entry(kind: &'static str, account: AccountId, what: &str, by: &Principal) -> Entry {
    Entry { kind, subject: account.uuid(), content: signed(what, by) }
}

/// What happened, and who did it.
pub(super) fn signed(what: &str, by: &Principal) -> String {
    format!("{what} by={}/{}", by.role, by.id)
}
