//! What a set of steps has loaded and changed, in memory.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use domain::fee::{Entry as Settled, Schedules};
use domain::feed::{Event, EventKind};
use domain::ledger::Nature;
use domain::limit::{Limits, Paying, TallyKey};
use domain::payment::{CashCounters, Kind, NewTopUp, PayerGuard, Payment};
use domain::{DeviceId, PaymentId, PersonId, Reason, Timestamp};
use server_kit::audit::Entry;
use server_kit::store::{StoreError, Tx};
use uuid::Uuid;

use super::approval::load_phones;
use super::cash::{Cash, Holders};
use super::noted::in_turn;
use super::recent::{Recent, Written};
use super::rules::Rules;
use super::sql::{self, Charged, GivenBack, NewEvent, Stored};
use super::top_up::holders_of;
use crate::fees::settlement;
use crate::limits::sql::{StoredTally, load_tallies, put_tallies};

/// What a set of steps names.
#[derive(Debug, Default)]
pub(super) struct Named {
    pub payments: Vec<PaymentId>,
    /// Payers of payments that are not there yet.
    pub payers: Vec<PersonId>,
    /// Payments whose payer's counters are needed, too …
    pub with_payer: Vec<PaymentId>,
    /// … and with them the payer's transaction password.
    pub with_password: Vec<PaymentId>,
    /// Phones that answer.
    pub phones: Vec<DeviceId>,
    /// Payments that limits may count, or count no more, each with whose it is if that is not known of it yet.
    pub limited: Vec<(PaymentId, Option<PersonId>)>,
    /// What top-ups that are not there yet count in.
    pub cash: Vec<Holders>,
    /// Messages of links, and what reversals name: each waits for the other.
    pub crossing: Vec<PaymentId>,
}

/// The rows of one set, and what is to be added beside them.
#[derive(Debug, Default)]
pub(super) struct Books {
    payments: HashMap<PaymentId, Slot<Payment>>,
    guards: HashMap<PersonId, Slot<PayerGuard>>,
    passwords: HashMap<PersonId, Vec<u8>>,
    /// The phones that are bound, each with its person.
    phones: HashSet<(DeviceId, PersonId)>,
    /// When this set decides.
    now: Timestamp,
    rules: Rules,
    /// What was paid lately by those for whom there are limits; nothing where there are none.
    tallies: BTreeMap<TallyKey, StoredTally>,
    events: Vec<NewEvent>,
    charges: Vec<Charged>,
    given_back: Vec<GivenBack>,
    cash: Cash,
    /// What is settled with merchants.
    settled: Vec<Settled>,
    pub(super) log: Vec<Entry>,
}

#[derive(Debug)]
struct Slot<T> {
    stored: Stored<T>,
    changed: bool,
    /// Whether it comes from memory rather than from the database.
    remembered: bool,
}

impl<T: Clone> Slot<T> {
    fn remembered(stored: &Stored<T>) -> Self {
        Self { stored: stored.clone(), changed: false, remembered: true }
    }
}

impl<T> From<Stored<T>> for Slot<T> {
    fn from(stored: Stored<T>) -> Self {
        Self { stored, changed: false, remembered: false }
    }
}

impl Books {
    /// Everything that the steps name: what is remembered, and the rest with one query per table.
    ///
    /// Rows are locked in one order, here as in [`Books::write`]: payments, counters, new payments. So two hubs never wait for each
    /// other. What is remembered is locked only when it is written; then nothing is locked before that. A version that has gone
    /// by is a conflict, after which nothing is remembered and all is locked here.
    pub(super) async fn load(tx: &mut Tx, named: &Named, recent: &Recent, rules: &Rules) -> Result<Self, StoreError> {
        let lock = recent.is_empty();
        in_turn(tx, &named.crossing).await?;
        let mut books = Self { now: tx.now(), rules: rules.clone(), ..Self::default() };
        let mut unknown = Vec::with_capacity(named.payments.len());
        for id in named.payments.iter().chain(&named.crossing) {
            match recent.payment(*id) {
                Some(stored) => drop(books.payments.insert(*id, Slot::remembered(stored))),
                None => unknown.push(id.uuid()),
            }
        }
        for (id, stored) in sql::load_payments(tx, unknown, lock).await? {
            books.payments.insert(id, stored.into());
        }
        let payer = |id: &PaymentId| books.payment(*id)?.person_id;
        let mut unknown: Vec<Uuid> = named.with_password.iter().filter_map(payer).map(PersonId::uuid).collect();
        let mut remembered = Vec::new();
        for person in named.payers.iter().copied().chain(named.with_payer.iter().filter_map(payer)) {
            match recent.guard(person) {
                Some(stored) => remembered.push((person, Slot::remembered(stored))),
                None => unknown.push(person.uuid()),
            }
        }
        books.guards.extend(remembered);
        for (person, (guard, password)) in sql::load_guards(tx, unknown, lock).await? {
            books.guards.insert(person, guard.into());
            books.passwords.insert(person, password);
        }
        books.tallies = load_tallies(tx, books.counting(named).into_iter(), lock).await?;
        let known = books.payments.values().filter_map(|slot| Holders::of(&slot.stored.value));
        let cash: Vec<Holders> = known.chain(named.cash.iter().cloned()).collect();
        books.cash = Cash::load(tx, cash).await?;
        books.phones = load_phones(tx, named.phones.iter().map(|phone| phone.uuid()).collect()).await?;
        Ok(books)
    }

    /// The tallies that limits look at for the payments that are named so.
    fn counting(&self, named: &Named) -> BTreeSet<TallyKey> {
        let of = |(id, person): &(PaymentId, Option<PersonId>)| {
            let payment = self.payment(*id)?;
            let paying = Paying { person: payment.person_id.or(*person), terminal: &payment.terminal_id };
            Some(self.rules.limits.tallies(paying, payment.amount.currency))
        };
        named.limited.iter().filter_map(of).flatten().collect()
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.rules.limits
    }

    /// What merchants are charged.
    pub(super) fn fees(&self) -> Arc<Schedules> {
        self.rules.fees.clone()
    }

    /// Settles with a merchant, with this set.
    pub(super) fn settle(&mut self, entry: Option<Settled>) {
        self.settled.extend(entry);
    }

    /// How much and how often was paid in the window of a tally.
    pub(super) fn within(&self, key: &TallyKey) -> (i64, i64) {
        self.tallies.get(key).map_or((0, 0), |stored| stored.tally.within(key.window, self.now))
    }

    /// Counts a payment that has come to count since `before`, or takes back what does not count any more.
    fn recount(&mut self, before: &Payment, id: PaymentId) {
        let Some(slot) = self.payments.get(&id) else { return };
        let (after, counted_at) = (&slot.stored.value, counted_at(&slot.stored, before));
        let change = match (before.counted(), after.counted()) {
            (None, Some(minor)) => (minor, 1),
            (Some(minor), None) => (-minor, -1),
            (Some(was), Some(is)) if is != was => (is - was, 0),
            _ => return,
        };
        let paying = Paying { person: after.person_id, terminal: &after.terminal_id };
        for key in self.rules.limits.tallies(paying, after.amount.currency) {
            let Some(stored) = self.tallies.get_mut(&key) else { continue };
            match (change, counted_at) {
                ((minor, 1), _) => stored.tally.add(minor, key.window, self.now),
                ((minor, count), Some(at)) if self.rules.limits.has_counted(&key, at) => {
                    stored.tally.take_back((-minor, -count), key.window, at);
                }
                _ => continue,
            }
            stored.changed = true;
        }
    }

    /// Whether something was decided from memory alone: from a row that is not written, which would have proved its version.
    pub(super) fn rest_on_memory(&self) -> bool {
        self.payments.values().any(|slot| slot.remembered && !slot.changed)
            || self.guards.values().any(|slot| slot.remembered && !slot.changed)
    }

    pub(super) fn payment(&self, id: PaymentId) -> Option<&Payment> {
        self.payments.get(&id).map(|slot| &slot.stored.value)
    }

    /// Whether it is looked which offers are for somebody.
    pub(super) fn gets_offers(&self, person: PersonId) -> bool {
        self.guards.get(&person).is_some_and(|slot| slot.stored.value.gets_offers)
    }

    /// For which epoch of the person's number a code is made now.
    pub(super) fn number_epoch(&self, person: Option<PersonId>) -> i64 {
        person.and_then(|person| self.guards.get(&person)).map_or(0, |slot| slot.stored.value.number_epoch)
    }

    /// The keyed hash of the person's transaction password; empty when none is set.
    pub(super) fn password(&self, person: PersonId) -> &[u8] {
        self.passwords.get(&person).map_or(&[], Vec::as_slice)
    }

    /// Whether this phone is bound to this person.
    pub(super) fn is_bound(&self, phone: DeviceId, person: PersonId) -> bool {
        self.phones.contains(&(phone, person))
    }

    /// Adds a payment that is not there yet.
    pub(super) fn add(&mut self, payment: Payment) {
        self.log.push(log_entry(&payment));
        let stored = Stored { value: payment, version: 0, logged_at: Vec::new() };
        self.payments.insert(stored.value.id, Slot { stored, changed: true, remembered: false });
    }

    /// Lets `change` work on the counters of a person, if there is one; what changes is written.
    pub(super) fn with_guard<T>(
        &mut self,
        person: Option<PersonId>,
        change: impl FnOnce(Option<&mut PayerGuard>) -> T,
    ) -> T {
        let Some(slot) = person.and_then(|person| self.guards.get_mut(&person)) else { return change(None) };
        let before = slot.stored.value.clone();
        let done = change(Some(&mut slot.stored.value));
        slot.changed |= slot.stored.value != before;
        done
    }

    /// Lets `make` look at the payee's counters and take note of the cash of a new top-up.
    pub(super) fn with_cash<T>(
        &mut self,
        new: &NewTopUp,
        make: impl FnOnce(Option<&PayerGuard>, &mut CashCounters) -> T,
    ) -> T {
        let guard = new.payee.as_ref().and_then(|payee| self.guards.get(&payee.person_id));
        let guard = guard.map(|slot| &slot.stored.value);
        match holders_of(new) {
            Some(holders) => self.cash.change(&holders, |counters| make(guard, counters)),
            None => make(guard, &mut CashCounters::default()),
        }
    }

    /// Lets `change` work on a payment and its payer's counters; if anything of the payment changes, it is written and stands
    /// in the log.
    pub(super) fn change<T>(
        &mut self,
        id: PaymentId,
        change: impl FnOnce(&mut Payment, Option<&mut PayerGuard>) -> T,
    ) -> Result<T, Reason> {
        self.change_of(None, id, change)
    }

    /// The same, with words about who does it at the end of what the log says of the change.
    pub(super) fn change_as<T>(
        &mut self,
        id: PaymentId,
        words: &str,
        change: impl FnOnce(&mut Payment, Option<&mut PayerGuard>) -> T,
    ) -> Result<T, Reason> {
        let logged = self.log.len();
        let done = self.change(id, change)?;
        self.log.iter_mut().skip(logged).for_each(|entry| entry.content.push_str(words));
        Ok(done)
    }

    /// The same for a payment that may have no payer yet, and may get this one.
    pub(super) fn change_of<T>(
        &mut self,
        payer: Option<PersonId>,
        id: PaymentId,
        change: impl FnOnce(&mut Payment, Option<&mut PayerGuard>) -> T,
    ) -> Result<T, Reason> {
        let slot = self.payments.get_mut(&id).ok_or(Reason::PaymentUnknown)?;
        let before = slot.stored.value.clone();
        let mut guard = before.person_id.or(payer).and_then(|person| self.guards.get_mut(&person));
        let guard_before = guard.as_ref().map(|guard| guard.stored.value.clone());
        let done = change(&mut slot.stored.value, guard.as_mut().map(|guard| &mut guard.stored.value));
        if slot.stored.value != before {
            slot.changed = true;
            self.log.push(log_entry(&slot.stored.value));
            self.cash.settle(&before, &slot.stored.value);
        }
        if let (Some(guard), Some(before)) = (guard, guard_before) {
            guard.changed |= guard.stored.value != before;
        }
        if !self.tallies.is_empty() {
            self.recount(&before, id);
        }
        Ok(done)
    }

    /// Puts a changed payment back.
    pub(super) fn replace(&mut self, payment: Payment) {
        if let Some(slot) = self.payments.get_mut(&payment.id)
            && slot.stored.value != payment
        {
            self.log.push(log_entry(&payment));
            slot.changed = true;
            slot.stored.value = payment;
        }
    }

    /// Tells the payer, in the payer's own order of events.
    pub(super) fn tell(
        &mut self,
        payment: &Payment,
        kind: EventKind,
        at: Timestamp,
        sealed_code: Option<Vec<u8>>,
    ) -> Option<Arc<Event>> {
        let person_id = payment.person_id?;
        let sequence = self.with_guard(Some(person_id), |guard| guard.map(PayerGuard::next_sequence))?;
        let event = Arc::new(Event { person_id, sequence, occurred_at: at, kind });
        self.events.push(NewEvent { event: event.clone(), sealed_code, payment_id: payment.id });
        Some(event)
    }

    /// Records a charge that was committed. The record is what tells the payer of it, at its place in the payer's feed.
    pub(super) fn record(&mut self, payment: &Payment) -> Option<Arc<Event>> {
        let (purchase, seller) = (payment.purchase()?, payment.seller.clone()?);
        let event = Arc::new(Event {
            person_id: purchase.person_id,
            sequence: payment.charge_sequence?,
            occurred_at: purchase.occurred_at,
            kind: EventKind::Charge(Arc::new(purchase)),
        });
        self.charges.push(Charged { event: event.clone(), seller });
        Some(event)
    }

    pub(super) fn give_back(&mut self, given: GivenBack) {
        self.given_back.push(given);
    }

    /// What people are told.
    pub(super) fn told(&self) -> Vec<Arc<Event>> {
        let events = self.events.iter().map(|new| &new.event).chain(self.charges.iter().map(|charged| &charged.event));
        events.cloned().collect()
    }

    /// Writes each table once.
    pub(super) async fn write(self, tx: &mut Tx) -> Result<Written, StoreError> {
        let mut payments = changed(self.payments.into_values());
        payments.iter_mut().for_each(|stored| stored.logged(tx.now()));
        sql::update_payments(tx, &payments).await?;
        let mut guards = changed(self.guards.into_values());
        sql::update_guards(tx, &guards).await?;
        put_tallies(tx, &self.tallies).await?;
        self.cash.write(tx).await?;
        sql::insert_payments(tx, &payments).await?;
        sql::insert_events(tx, &self.events).await?;
        sql::insert_purchases(tx, &self.charges).await?;
        settlement::insert(tx, &self.rules.day, &self.settled).await?;
        for given in &self.given_back {
            sql::add_given_back(tx, given).await?;
        }
        payments.iter_mut().for_each(|stored| stored.version += 1);
        guards.iter_mut().for_each(|stored| stored.version += 1);
        Ok(Written { payments, guards })
    }
}

/// When a payment that counted before was counted. Of a pre-authorisation that was when it was authorised, which the log says: the second time that
/// it speaks of it.
fn counted_at(stored: &Stored<Payment>, before: &Payment) -> Option<Timestamp> {
    match before.kind.nature() {
        Some(Nature::PreAuthorisation) => stored.logged_at.get(1).copied(),
        _ => before.decided_at,
    }
}

fn changed<T>(slots: impl Iterator<Item = Slot<T>>) -> Vec<Stored<T>> {
    slots.filter(|slot| slot.changed).map(|slot| slot.stored).collect()
}

/// One row of the log for the state that a payment has reached. It is read by people and exported: nothing in it says more
/// than a receipt would.
fn log_entry(payment: &Payment) -> Entry {
    let kind = match payment.kind {
        Kind::Purchase => "purchase".to_owned(),
        Kind::Routed => "routed".to_owned(),
        Kind::Card { nature } => format!("card nature={}", nature.as_str()),
        Kind::TopUp => "top-up".to_owned(),
        Kind::Refund { original } => format!("refund of={original}"),
        Kind::Tombstone => "tombstone".to_owned(),
    };
    let mut content = format!("{kind} amount={} terminal={}", payment.amount, payment.terminal_id);
    if let Some(charge) = &payment.charge {
        content.push_str(&format!(" bank={} account={}", charge.bank_id, charge.masked));
        if let Some(leg) = charge.leg_id {
            content.push_str(&format!(" leg={leg}"));
        }
    }
    if let Some(completed) = payment.completed_minor {
        content.push_str(&format!(" completed_minor={completed}"));
    }
    if let Some(fee) = payment.fee {
        content.push_str(&format!(" fee_minor={}", fee.parts.minor));
    }
    if payment.refunded_minor > 0 {
        content.push_str(&format!(" refunded_minor={}", payment.refunded_minor));
    }
    if let Some(challenge) = &payment.challenge {
        content.push_str(&format!(" tries={} left={}", payment.attempts.len(), challenge.attempts_left));
    }
    if let Some(reason) = payment.refusal {
        content.push_str(&format!(" reason={}", reason.code()));
    }
    Entry { kind: payment.state.name(), subject: payment.id.uuid(), content }
}
