//! Who gets an offer, and who accepts it.

use std::time::Duration;

use jiff::civil::Date;

use super::{Finding, Offer, State};
use crate::habit::Habits;
use crate::{OfferId, PersonId, Reason, Timestamp};

const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// A person to whom an offer may be delivered.
#[derive(Clone, Copy, Debug)]
pub struct Recipient<'a> {
    /// Who it is.
    pub person_id: PersonId,
    /// Whether the person has agreed to get offers of this bank.
    pub agreed: bool,
    /// How many offers the person wants in seven days at most, of all banks together.
    pub most_a_week: u8,
    /// When offers were delivered to the person, at least those of the last seven days.
    pub delivered_at: &'a [Timestamp],
    /// Whether this offer was delivered to the person before.
    pub has_this_one: bool,
    /// What the person buys.
    pub habits: &'a Habits,
    /// The day of the person's calendar.
    pub today: Date,
}

/// Why an offer is not delivered to somebody, in order of precedence. Nobody is told but the person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// The person has not agreed to offers of this bank.
    NotAgreed,
    /// It is not started, or it is withdrawn.
    NotRunning,
    /// Its time has not come.
    NotYet,
    /// Its time has passed.
    Over,
    /// It was delivered to as many people as the bank wanted.
    UsedUp,
    /// The person has it.
    HasIt,
    /// The person has had as many offers in the last seven days as he or she wants.
    EnoughThisWeek,
    /// The person's habits do not meet its rule.
    NoMatch,
}

/// What a person has said to an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nothing yet.
    Open,
    /// Yes, and its bank is told.
    Accepted(Timestamp),
    /// No: it is not shown again, and its bank hears nothing.
    Declined(Timestamp),
}

impl Answer {
    /// The word that is stored, and since when where that is stored beside it.
    pub const fn written(self) -> (&'static str, Option<Timestamp>) {
        match self {
            Self::Open => ("OPEN", None),
            Self::Accepted(at) => ("ACCEPTED", Some(at)),
            Self::Declined(at) => ("DECLINED", Some(at)),
        }
    }

    /// Reads an answer as it is stored.
    pub fn read(word: &str, at: Option<Timestamp>) -> Result<Self, Reason> {
        match (word, at) {
            ("OPEN", None) => Ok(Self::Open),
            ("ACCEPTED", Some(at)) => Ok(Self::Accepted(at)),
            ("DECLINED", Some(at)) => Ok(Self::Declined(at)),
            _ => Err(Reason::FieldUnknown),
        }
    }
}

/// An offer in the hands of a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Which offer.
    pub offer_id: OfferId,
    /// Whose hands.
    pub person_id: PersonId,
    /// When it was delivered.
    pub delivered_at: Timestamp,
    /// What the person has said to it.
    pub answer: Answer,
}

/// What a delivery changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// The offer, with one more delivery.
    pub offer: Offer,
    /// The delivery.
    pub delivery: Delivery,
    /// Why the person gets it: to be shown to the person, and to nobody else.
    pub because: Finding,
}

/// From when on a person who has had enough offers in the last seven days may get one more.
pub fn room_at(delivered_at: &[Timestamp], most_a_week: u8, now: Timestamp) -> Timestamp {
    let mut this_week: Vec<Timestamp> = delivered_at.iter().copied().filter(|at| now.since(*at) < WEEK).collect();
    this_week.sort_unstable();
    let too_many = (this_week.len() + 1).saturating_sub(usize::from(most_a_week));
    let last_to_go = too_many.checked_sub(1).and_then(|nth| this_week.get(nth));
    last_to_go.map_or(now, |at| at.plus(WEEK))
}

/// Delivers an offer to somebody, or says why not.
pub fn deliver(offer: &Offer, to: &Recipient<'_>, now: Timestamp) -> Result<Delivered, Kept> {
    if !to.agreed {
        return Err(Kept::NotAgreed);
    }
    match offer.state {
        State::Filed | State::Withdrawn => return Err(Kept::NotRunning),
        State::UsedUp => return Err(Kept::UsedUp),
        State::Running => {}
    }
    if now < offer.filing.valid_from {
        return Err(Kept::NotYet);
    }
    if offer.is_over(now) {
        return Err(Kept::Over);
    }
    if offer.delivered >= offer.filing.budget {
        return Err(Kept::UsedUp);
    }
    if to.has_this_one {
        return Err(Kept::HasIt);
    }
    let this_week = to.delivered_at.iter().filter(|at| now.since(**at) < WEEK).count();
    if this_week >= usize::from(to.most_a_week) {
        return Err(Kept::EnoughThisWeek);
    }
    let because = offer.filing.rule.look(to.habits, to.today);
    if !because.is_match() {
        return Err(Kept::NoMatch);
    }
    let delivered = offer.delivered.saturating_add(1);
    let state = if delivered >= offer.filing.budget { State::UsedUp } else { offer.state };
    let delivery =
        Delivery { offer_id: offer.filing.id, person_id: to.person_id, delivered_at: now, answer: Answer::Open };
    Ok(Delivered { offer: Offer { delivered, state, ..offer.clone() }, delivery, because })
}

/// The person accepts: from now on the bank knows that he or she got the offer, and so that its rule is met. Accepting again
/// changes nothing. `Err(OfferUnknown)` when the delivery is of another offer, `Err(OfferDeclined)` after a no, `Err(OfferNotOpen)`
/// when the offer is withdrawn or over.
pub fn accept(offer: &Offer, delivery: &Delivery, now: Timestamp) -> Result<Delivery, Reason> {
    if delivery.offer_id != offer.filing.id {
        return Err(Reason::OfferUnknown);
    }
    match delivery.answer {
        Answer::Accepted(_) => return Ok(*delivery),
        Answer::Declined(_) => return Err(Reason::OfferDeclined),
        Answer::Open => {}
    }
    match offer.state {
        State::Withdrawn | State::Filed => Err(Reason::OfferNotOpen),
        State::Running | State::UsedUp if offer.is_over(now) => Err(Reason::OfferNotOpen),
        State::Running | State::UsedUp => Ok(Delivery { answer: Answer::Accepted(now), ..*delivery }),
    }
}

/// The person wants it neither now nor later, whatever becomes of the offer. Declining again changes nothing. `Err(OfferAccepted)`
/// after a yes, which its bank has been told.
pub fn decline(delivery: &Delivery, now: Timestamp) -> Result<Delivery, Reason> {
    match delivery.answer {
        Answer::Open => Ok(Delivery { answer: Answer::Declined(now), ..*delivery }),
        Answer::Declined(_) => Ok(*delivery),
        Answer::Accepted(_) => Err(Reason::OfferAccepted),
    }
}
