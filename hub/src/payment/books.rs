//! What a set of steps has loaded and changed, in memory.

use std::collections::HashMap;
use std::sync::Arc;

use domain::feed::{Event, EventKind};
use domain::payment::{Kind, PayerGuard, Payment};
use domain::purchase::{Purchase, Terminal};
use domain::{PaymentId, PersonId, Reason, Timestamp};
use server_kit::audit::Entry;
use server_kit::store::{StoreError, Tx};

use super::sql::{self, GivenBack, NewEvent, Stored};

/// The rows of one set, and what is to be added beside them.
#[derive(Debug, Default)]
pub(super) struct Books {
    payments: HashMap<PaymentId, Slot<Payment>>,
    guards: HashMap<PersonId, Slot<PayerGuard>>,
    passwords: HashMap<PersonId, Vec<u8>>,
    events: Vec<NewEvent>,
    purchases: Vec<(Purchase, Terminal)>,
    given_back: Vec<GivenBack>,
    pub(super) log: Vec<Entry>,
}

#[derive(Debug)]
struct Slot<T> {
    stored: Stored<T>,
    changed: bool,
}

impl<T> From<Stored<T>> for Slot<T> {
    fn from(stored: Stored<T>) -> Self {
        Self { stored, changed: false }
    }
}

impl Books {
    /// Loads everything that the steps name: one query per table.
    pub(super) async fn load(
        tx: &mut Tx,
        payments: Vec<uuid::Uuid>,
        new_payers: Vec<uuid::Uuid>,
    ) -> Result<Self, StoreError> {
        let payments = sql::load_payments(tx, payments).await?;
        let mut persons = new_payers;
        persons.extend(payments.values().filter_map(|stored| stored.value.person_id).map(PersonId::uuid));
        let mut books = Self {
            payments: payments.into_iter().map(|(id, stored)| (id, stored.into())).collect(),
            ..Self::default()
        };
        for (person, (guard, password)) in sql::load_guards(tx, persons).await? {
            books.guards.insert(person, guard.into());
            books.passwords.insert(person, password);
        }
        Ok(books)
    }

    pub(super) fn payment(&self, id: PaymentId) -> Option<&Payment> {
        self.payments.get(&id).map(|slot| &slot.stored.value)
    }

    /// The keyed hash of the person's transaction password; empty when none is set.
    pub(super) fn password(&self, person: PersonId) -> &[u8] {
        self.passwords.get(&person).map_or(&[], Vec::as_slice)
    }

    /// Adds a payment that is not there yet.
    pub(super) fn add(&mut self, payment: Payment) {
        self.log.push(log_entry(&payment));
        let stored = Stored { value: payment, version: 0 };
        self.payments.insert(stored.value.id, Slot { stored, changed: true });
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

    /// Lets `change` work on a payment and its payer's counters; if anything of the payment changes, it is written and stands
    /// in the log.
    pub(super) fn change<T>(
        &mut self,
        id: PaymentId,
        change: impl FnOnce(&mut Payment, Option<&mut PayerGuard>) -> T,
    ) -> Result<T, Reason> {
        let slot = self.payments.get_mut(&id).ok_or(Reason::PaymentUnknown)?;
        let before = slot.stored.value.clone();
        let mut guard = before.person_id.and_then(|person| self.guards.get_mut(&person));
        let guard_before = guard.as_ref().map(|guard| guard.stored.value.clone());
        let done = change(&mut slot.stored.value, guard.as_mut().map(|guard| &mut guard.stored.value));
        if slot.stored.value != before {
            slot.changed = true;
            self.log.push(log_entry(&slot.stored.value));
        }
        if let (Some(guard), Some(before)) = (guard, guard_before) {
            guard.changed |= guard.stored.value != before;
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

    pub(super) fn record(&mut self, purchase: Purchase, seller: Terminal) {
        self.purchases.push((purchase, seller));
    }

    pub(super) fn give_back(&mut self, given: GivenBack) {
        self.given_back.push(given);
    }

    /// The persons who have news.
    pub(super) fn told(&self) -> Vec<PersonId> {
        self.events.iter().map(|new| new.event.person_id).collect()
    }

    /// Writes each table once.
    pub(super) async fn write(self, tx: &mut Tx) -> Result<(), StoreError> {
        let changed = |slots: HashMap<PaymentId, Slot<Payment>>| -> Vec<Stored<Payment>> {
            slots.into_values().filter(|slot| slot.changed).map(|slot| slot.stored).collect()
        };
        sql::put_payments(tx, &changed(self.payments)).await?;
        let guards: Vec<Stored<PayerGuard>> =
            self.guards.into_values().filter(|slot| slot.changed).map(|slot| slot.stored).collect();
        sql::put_guards(tx, &guards).await?;
        sql::insert_events(tx, &self.events).await?;
        sql::insert_purchases(tx, &self.purchases).await?;
        for given in &self.given_back {
            sql::add_given_back(tx, given).await?;
        }
        Ok(())
    }
}

/// One row of the log for the state that a payment has reached. It is read by people and exported: nothing in it says more
/// than a receipt would.
fn log_entry(payment: &Payment) -> Entry {
    let kind = match payment.kind {
        Kind::Purchase => "purchase".to_owned(),
        Kind::Refund { original } => format!("refund of={original}"),
        Kind::Tombstone => "tombstone".to_owned(),
    };
    let mut content = format!("{kind} amount={} terminal={}", payment.amount, payment.terminal_id);
    if let Some(charge) = &payment.charge {
        content.push_str(&format!(" bank={} account={}", charge.bank_id, charge.account_masked));
        if let Some(leg) = charge.leg_id {
            content.push_str(&format!(" leg={leg}"));
        }
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
