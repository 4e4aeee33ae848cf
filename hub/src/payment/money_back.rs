//! The steps by which money goes back: refunds, and reversals of whole payments.

use std::sync::Arc;

use domain::feed::{Event, EventKind};
use domain::payment::{NewRefund, Payment, Reversal, Settled, State};
use domain::purchase::PurchaseState;
use domain::{PaymentId, Reason, Timestamp};

use super::books::Books;
use super::sql::GivenBack;
use super::steps::{Outcome, found, settle};

pub(super) fn reverse(books: &mut Books, reversal: &Reversal, now: Timestamp) -> Outcome {
    if books.payment(reversal.payment_id).is_none() {
        let tombstone = Payment::tombstone(reversal, now);
        books.add(tombstone.clone());
        return Outcome::of(Ok(tombstone));
    }
    let done = books.change(reversal.payment_id, |payment, _| {
        let before = payment.state;
        payment.reverse(reversal, now)?;
        // The same reversal again settles nothing.
        let entry = if before == payment.state { None } else { payment.reversal_entry() };
        // Of a routed payment the network has given the money back already, and there is nobody to wait for.
        Ok((entry, before == State::Posted && payment.state == State::Reversed))
    });
    let is_back = match done.flatten() {
        Ok((entry, is_back)) => {
            books.settle(entry);
            is_back
        }
        Err(reason) => return Outcome::of(Err(reason)),
    };
    let after = found(books, reversal.payment_id);
    let event = match &after {
        Ok(payment) if is_back => given_back(books, payment, payment.id, now, true),
        _ => None,
    };
    Outcome { event, ..Outcome::of(after) }
}

pub(super) fn refund(books: &mut Books, new: &NewRefund, now: Timestamp) -> Outcome {
    if let Some(existing) = books.payment(new.id) {
        let same = existing.same_request(&new.terminal_id, &new.fingerprint);
        return Outcome::of(same.and_then(|()| found(books, new.id)));
    }
    let taken = books.change(new.original, |payment, _| payment.refund(new.clone(), now)).flatten();
    if let Ok(refund) = &taken {
        books.settle(refund.refund_entry());
        books.add(refund.clone());
    }
    Outcome::of(taken)
}

pub(super) fn refund_posted(books: &mut Books, refund: PaymentId, original: PaymentId, now: Timestamp) -> Outcome {
    let outcome = settle(books, refund, |payment| payment.posted(now));
    let (Settled::Moved, Ok(payment)) = (outcome.settled, &outcome.payment) else { return outcome };
    let event = given_back(books, payment, original, now, false);
    Outcome { event, ..outcome }
}

pub(super) fn refund_refused(
    books: &mut Books,
    refund: PaymentId,
    original: PaymentId,
    reason: Reason,
    now: Timestamp,
) -> Outcome {
    let (Ok(mut declined), Ok(mut first)) = (found(books, refund), found(books, original)) else {
        return Outcome::of(Err(Reason::PaymentUnknown));
    };
    if !declined.refund_refused(&mut first, reason, now) {
        return Outcome::of(Ok(declined));
    }
    books.settle(declined.refusal_entry(&first));
    books.replace(declined.clone());
    books.replace(first);
    Outcome { settled: Settled::Moved, ..Outcome::of(Ok(declined)) }
}

pub(super) fn reversal_posted(books: &mut Books, id: PaymentId, now: Timestamp) -> Outcome {
    let outcome = settle(books, id, |payment| match payment.reversed() {
        true => Settled::Moved,
        false => Settled::Already,
    });
    let (Settled::Moved, Ok(payment)) = (outcome.settled, &outcome.payment) else { return outcome };
    let event = given_back(books, payment, id, now, true);
    Outcome { event, ..outcome }
}

/// Money has come back: the record is brought up to date and the person is told.
fn given_back(
    books: &mut Books,
    payment: &Payment,
    original: PaymentId,
    now: Timestamp,
    reversal: bool,
) -> Option<Arc<Event>> {
    let merchant = payment.seller.as_ref()?.merchant.clone();
    let sequence = books.payment(original)?.charge_sequence?;
    let amount = payment.charged();
    let state = if reversal { PurchaseState::Reversed } else { PurchaseState::Posted };
    let (person_id, payment_id) = (payment.person_id?, payment.id);
    let amount_minor = amount.minor;
    books.give_back(GivenBack { person_id, sequence, amount_minor, state, payment_id, given_at: now });
    let kind = EventKind::GiveBack { payment_id: original, amount, reversal, merchant };
    books.tell(payment, kind, now, None)
}
