//! The steps by which a payment is taken in and committed: those in which limits have a say.

use domain::feed::EventKind;
use domain::limit::Paying;
use domain::payment::{Completion, Held, Kind, NewCardPayment, Payment, Routed, Settled, State};
use domain::{PaymentId, PersonId, Reason, Timestamp};

use super::books::Books;
use super::steps::{Create, Outcome, PaymentSteps, found, tell_code};

impl PaymentSteps {
    pub(super) fn create(&self, books: &mut Books, create: &Create, now: Timestamp) -> Outcome {
        let new = &create.new;
        if let Some(existing) = books.payment(new.id) {
            let same = existing.same_request(&new.terminal.id, &new.fingerprint);
            return Outcome::of(same.and_then(|()| found(books, new.id)));
        }
        let person = new.payer.as_ref().map(|payer| payer.person_id);
        let payment = match books.limits().refuses_all(&new.terminal.id, new.amount) {
            // Of no number more than of any other, or whoever asks could find numbers without a code being sent.
            Some(reason) => Payment::refuse_request(new.clone(), reason, now),
            None => books.with_guard(person, |guard| Payment::create(new.clone(), guard, now, &self.policy)),
        };
        books.add(payment.clone());
        let event = tell_code(books, &payment, &create.code, now);
        Outcome { event, ..Outcome::of(Ok(payment)) }
    }

    pub(super) fn create_with_card(&self, books: &mut Books, new: &NewCardPayment, now: Timestamp) -> Outcome {
        if books.payment(new.id).is_none() {
            let refused = books.limits().refuses_all(&new.terminal.id, new.amount);
            // Limits are for money that goes out.
            let refused = refused.filter(|_| Kind::Card { nature: new.nature }.is_recorded());
            books.add(Payment::create_with_card(new.clone(), refused, now, &self.policy));
        }
        let payment = found(books, new.id);
        let same = payment.and_then(|found| found.same_request(&new.terminal.id, &new.fingerprint).map(|()| found));
        // Whoever brings the card again, since nobody else can: its bank answers for the same leg.
        let to_hold = same.as_ref().is_ok_and(|payment| payment.awaits_card(now));
        Outcome { to_hold, ..Outcome::of(same) }
    }

    pub(super) fn held(&self, books: &mut Books, id: PaymentId, held: Held, now: Timestamp) -> Outcome {
        let above = books.payment(id).filter(|payment| payment.state == State::Holding);
        let above = above.and_then(|payment| above_limit(books, payment, held.person_id));
        let fees = books.fees();
        let done = books.change_of(held.person_id, id, |payment, payer| match above {
            Some(reason) => (payment.over_limit(held, reason, now), None),
            None => {
                let settled = payment.commit(held, payer, now, &self.policy);
                let way = payment.way();
                let sale = (settled == Settled::Moved).then(|| payment.charge_fee(&fees, way, now));
                (settled, sale.flatten())
            }
        });
        let outcome = match done {
            Ok((settled, sale)) => {
                books.settle(sale);
                Outcome { settled, ..Outcome::of(found(books, id)) }
            }
            Err(reason) => return Outcome::of(Err(reason)),
        };
        let (Settled::Moved, Ok(payment)) = (outcome.settled, &outcome.payment) else { return outcome };
        let event = match payment.paid_in() {
            Some(paid_in) => books.tell(payment, EventKind::PaidIn(paid_in), now, None),
            None => books.record(payment),
        };
        Outcome { event, ..outcome }
    }

    pub(super) fn complete(&self, books: &mut Books, completion: &Completion, now: Timestamp) -> Outcome {
        let fees = books.fees();
        let done = books.change(completion.payment_id, |payment, payer| {
            let way = payment.way();
            let moved = payment.complete(completion, payer, now, &self.policy)?;
            Ok((moved, moved.then(|| payment.charge_fee(&fees, way, now)).flatten()))
        });
        let done = done.flatten().map(|(moved, sale)| {
            books.settle(sale);
            moved
        });
        let after = done.and_then(|moved| Ok((moved, found(books, completion.payment_id)?)));
        let event = match &after {
            Ok((true, payment)) => books.record(payment),
            _ => None,
        };
        Outcome { event, ..Outcome::of(after.map(|(_, payment)| payment)) }
    }
}

/// A network has told what became of a payment that it charged by itself.
pub(super) fn told_by_network(books: &mut Books, told: &Routed, now: Timestamp) -> Outcome {
    let done = books.change(told.payment_id, |payment, payer| payment.told_by_network(told, payer, now)).flatten();
    let (moved, payment) = match done.and_then(|moved| Ok((moved, found(books, told.payment_id)?))) {
        Ok(after) => after,
        Err(reason) => return Outcome::of(Err(reason)),
    };
    let settled = if moved { Settled::Moved } else { Settled::Already };
    let event = if moved { books.record(&payment) } else { None };
    Outcome { settled, event, ..Outcome::of(Ok(payment)) }
}

/// Why a payment may not be committed, or named to whoever would charge it, by what the same person and the same terminal have paid before it, in this very set,
/// too.
pub(super) fn above_limit(books: &Books, payment: &Payment, person: Option<PersonId>) -> Option<Reason> {
    if !payment.kind.is_recorded() {
        return None;
    }
    let paying = Paying { person: payment.person_id.or(person), terminal: &payment.terminal_id };
    books.limits().refuses(paying, payment.amount, |key| books.within(key))
}
