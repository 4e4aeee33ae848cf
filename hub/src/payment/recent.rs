//! What the last sets have left, so that the next step of a payment need not read it again.
//!
//! A payment takes four steps within a second or so, and what each of them reads is what the one before has written. It is only
//! remembered, never relied on: what is decided from memory is written over the remembered version or not at all, and a
//! decision that writes nothing is made again over what the database says (`PaymentSteps::run`). So another replica, or the
//! sweeper, may change a row at any time.

use domain::payment::{PayerGuard, Payment};
use domain::{PaymentId, PersonId};
use server_kit::recent::Recent as Latest;

use super::sql::Stored;

/// Rows of each sort that are remembered at most.
const MOST: usize = 8192;

/// Payments on their way and their payers' counters, as they were last committed.
#[derive(Debug, Default)]
pub(super) struct Recent {
    payments: Latest<PaymentId, Stored<Payment>, MOST>,
    guards: Latest<PersonId, Stored<PayerGuard>, MOST>,
    /// What the set that is not committed yet has written.
    written: Written,
}

/// The rows that a set has written, with the versions that they have now.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub payments: Vec<Stored<Payment>>,
    pub guards: Vec<Stored<PayerGuard>>,
}

impl Recent {
    pub(super) fn payment(&self, id: PaymentId) -> Option<&Stored<Payment>> {
        self.payments.get(&id)
    }

    pub(super) fn guard(&self, person: PersonId) -> Option<&Stored<PayerGuard>> {
        self.guards.get(&person)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.payments.is_empty() && self.guards.is_empty()
    }

    /// What a set has written, to be remembered if it is committed.
    pub(super) fn wrote(&mut self, written: Written) {
        self.written = written;
    }

    /// The set is committed.
    pub(super) fn confirm(&mut self) {
        let Written { payments, guards } = std::mem::take(&mut self.written);
        for stored in payments {
            match stored.value.due_at {
                Some(_) => self.payments.put(stored.value.id, stored),
                // With nothing left to do it is seldom asked for again.
                None => self.payments.remove(&stored.value.id),
            }
        }
        for stored in guards {
            self.guards.put(stored.value.person_id, stored);
        }
    }

    /// The set was dropped, its outcome is unknown, or it rests on memory alone: everything is to be read again.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }
}
