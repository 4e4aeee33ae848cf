//! What the credit system must come to know, and how far it is: rules without I/O.

use std::time::Duration;

use domain::{CardId, LegId, Money, Reason, Timestamp};

use super::card::CardKey;
use super::reference::Reference;
use super::response::Verdict;
use super::trace::Trace;

/// What one message is about. The order is that of a leg's life: what stands behind is told after what stands before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The credit part of a leg is asked for. The only one that can be refused.
    Hold,
    /// The hold has become a charge of as much or less.
    Post,
    /// The hold is released, whether the credit system knows it or not.
    Void,
    /// Money of a charge goes back; a leg of its own.
    Refund,
    /// Money pays back what is owed; a leg of its own.
    Repayment,
    /// A part of a repayment is taken back; a leg of its own.
    Reversal,
}

impl Kind {
    pub const ALL: [Self; 6] = [Self::Hold, Self::Post, Self::Void, Self::Refund, Self::Repayment, Self::Reversal];

    /// The number that is stored; it orders what is told of one hold.
    pub const fn place(self) -> i64 {
        self as i64
    }

    pub fn of_place(place: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.place() == place)
    }

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hold => "hold",
            Self::Post => "post",
            Self::Void => "void",
            Self::Refund => "refund",
            Self::Repayment => "repayment",
            Self::Reversal => "reversal",
        }
    }
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// A hold that may have been sent and whose answer is not known.
    Asking,
    /// A hold that is good.
    Approved,
    /// A hold that is none, and why.
    Refused(Reason),
    /// A hold whose answer never came. It is voided.
    Unanswered,
    /// To be told, for the first time or again.
    Waiting,
    /// The credit system has acknowledged it.
    Acknowledged,
    /// The credit system refuses it: somebody has to look.
    Stuck(Reason),
    /// A later status of the same card is told in its place.
    Superseded,
}

impl State {
    /// The word that is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Asking => "ASKING",
            Self::Approved => "APPROVED",
            Self::Refused(_) => "REFUSED",
            Self::Unanswered => "UNANSWERED",
            Self::Waiting => "WAITING",
            Self::Acknowledged => "ACKNOWLEDGED",
            Self::Stuck(_) => "STUCK",
            Self::Superseded => "SUPERSEDED",
        }
    }

    pub const fn reason(self) -> Option<Reason> {
        match self {
            Self::Refused(reason) | Self::Stuck(reason) => Some(reason),
            _ => None,
        }
    }

    pub fn parse(text: &str, reason: Option<Reason>) -> Result<Self, Reason> {
        match (text, reason) {
            ("ASKING", None) => Ok(Self::Asking),
            ("APPROVED", None) => Ok(Self::Approved),
            ("REFUSED", Some(reason)) => Ok(Self::Refused(reason)),
            ("UNANSWERED", None) => Ok(Self::Unanswered),
            ("WAITING", None) => Ok(Self::Waiting),
            ("ACKNOWLEDGED", None) => Ok(Self::Acknowledged),
            ("STUCK", Some(reason)) => Ok(Self::Stuck(reason)),
            ("SUPERSEDED", None) => Ok(Self::Superseded),
            _ => Err(Reason::FieldUnknown),
        }
    }
}

/// Names one order: there is at most one of a kind for a leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderKey {
    pub leg_id: LegId,
    pub kind: Kind,
}

/// Names one advice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AdviceKey {
    Leg(OrderKey),
    Card(CardKey),
}

impl AdviceKey {
    /// What it is called in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Leg(key) => key.kind.as_str(),
            Self::Card(_) => "card",
        }
    }

    const fn is_void(self) -> bool {
        matches!(self, Self::Leg(OrderKey { kind: Kind::Void, .. }))
    }
}

/// The credit part of a leg, before it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CreditHold {
    pub leg_id: LegId,
    pub card_id: CardId,
    /// The part of the leg that the credit account bears.
    pub amount: Money,
    /// Whether it counts against the limit on cash advances.
    pub is_cash: bool,
}

/// What the front has decided and the credit system is told. It is a row in the transaction that decides it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advice {
    /// The hold of the leg is charged, with as much of it as the credit account bears in the end; the rest is released. With
    /// nothing it is a void.
    Post { leg_id: LegId, amount: Money },
    /// The hold of the leg is released.
    Void { leg_id: LegId },
    /// A part of a charge goes back to the credit account.
    Refund { leg_id: LegId, original_leg_id: LegId, amount: Money },
    /// What is owed is paid back.
    Repayment { leg_id: LegId, card_id: CardId, amount: Money },
    /// A part of a repayment is owed again.
    Reversal { leg_id: LegId, original_leg_id: LegId, amount: Money },
}

impl Advice {
    /// The legs whose orders have to be loaded to decide it.
    pub fn legs(&self) -> impl Iterator<Item = LegId> {
        let (leg_id, original) = match *self {
            Self::Post { leg_id, .. } | Self::Void { leg_id } | Self::Repayment { leg_id, .. } => (leg_id, None),
            Self::Refund { leg_id, original_leg_id, .. } | Self::Reversal { leg_id, original_leg_id, .. } => {
                (leg_id, Some(original_leg_id))
            }
        };
        std::iter::once(leg_id).chain(original)
    }
}

/// One thing that the credit system must come to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    pub key: OrderKey,
    /// The version of the stored row; 0 when it is not stored yet.
    pub version: i64,
    pub state: State,
    /// The leg whose hold it is about: its own, or that of the charge or repayment which goes back.
    pub hold_leg_id: LegId,
    pub card_id: CardId,
    pub amount: Money,
    pub is_cash: bool,
    /// Field 37: that of the hold, or for what is no hold's its own.
    pub reference: Reference,
    /// The numbers of its first message; what is sent again has them again.
    pub trace: Option<Trace>,
    /// How often it was sent.
    pub tries: i64,
    pub next_try_at: Timestamp,
    /// Field 38 of the approval.
    pub approval_code: Option<String>,
    pub queued_at: Timestamp,
    pub changed_at: Timestamp,
}

/// What came of asking for a hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoldAnswer {
    pub verdict: Verdict,
    /// Field 38 of an approval.
    pub approval_code: Option<String>,
}

/// What becomes of an advice after an answer, or after none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    Acknowledged,
    Again,
    Stuck(Reason),
}

/// A void that the credit system cannot place is told this often before it is believed that there is nothing to void: its hold
/// may still be on its way inside the credit system.
const VOIDS_OF_NOTHING: i64 = 3;

/// What an answer means for an advice that was sent `tries` times.
pub fn told(key: AdviceKey, tries: i64, verdict: Verdict) -> Told {
    match verdict {
        Verdict::Approved | Verdict::Refused(Reason::IdTaken) => Told::Acknowledged,
        Verdict::Unclear(_) => Told::Again,
        Verdict::Refused(Reason::LegUnknown) if key.is_void() => {
            if tries >= VOIDS_OF_NOTHING {
                Told::Acknowledged
            } else {
                Told::Again
            }
        }
        Verdict::Refused(reason) => Told::Stuck(reason),
    }
}

/// How long to wait after so many tries: it doubles from `first` to `most`, and `spread` takes up to a quarter off, so that
/// what failed together does not come again together.
pub fn pause(tries: i64, first: Duration, most: Duration, spread: u8) -> Duration {
    let doublings = u32::try_from(tries.saturating_sub(1).clamp(0, 30)).unwrap_or(30);
    let whole = first.saturating_mul(1_u32 << doublings.min(30)).min(most);
    whole - whole.mul_f64(f64::from(spread) / 1_024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_and_kinds_are_read_as_they_are_stored() {
        for state in [
            State::Asking,
            State::Approved,
            State::Refused(Reason::InsufficientFunds),
            State::Unanswered,
            State::Waiting,
            State::Acknowledged,
            State::Stuck(Reason::CardUnknown),
            State::Superseded,
        ] {
            assert_eq!(State::parse(state.as_str(), state.reason()), Ok(state));
        }
        assert!(State::parse("REFUSED", None).is_err() && State::parse("WAITING", Some(Reason::Fault)).is_err());
        for kind in Kind::ALL {
            assert_eq!(Kind::of_place(kind.place()), Some(kind));
        }
        assert!(Kind::Hold < Kind::Post && Kind::Post < Kind::Refund, "a refund is told after its charge");
        assert!(Kind::Repayment < Kind::Reversal, "and a reversal after its repayment");
    }

    #[test]
    fn an_advice_is_told_until_it_is_acknowledged_or_refused() {
        let unknown = Verdict::Refused(Reason::LegUnknown);
        for (kind, tries, verdict, expected) in [
            (Kind::Post, 1, Verdict::Approved, Told::Acknowledged),
            (Kind::Post, 2, Verdict::Refused(Reason::IdTaken), Told::Acknowledged),
            (Kind::Post, 50, Verdict::Unclear(Reason::BankAway), Told::Again),
            (Kind::Post, 1, Verdict::Refused(Reason::CardUnknown), Told::Stuck(Reason::CardUnknown)),
            (Kind::Post, 9, unknown, Told::Stuck(Reason::LegUnknown)),
            (Kind::Void, 1, unknown, Told::Again),
            (Kind::Void, 2, unknown, Told::Again),
            (Kind::Void, 3, unknown, Told::Acknowledged),
        ] {
            let key = AdviceKey::Leg(OrderKey { leg_id: LegId::from_uuid(uuid::Uuid::nil()), kind });
            assert_eq!(told(key, tries, verdict), expected, "{kind:?} {tries} {verdict:?}");
        }
    }

    #[test]
    fn pauses_double_up_to_the_longest_and_are_spread() {
        let (first, most) = (Duration::from_secs(1), Duration::from_secs(300));
        let of = |tries, spread| pause(tries, first, most, spread).as_millis();
        for (tries, millis) in [(0, 1_000), (1, 1_000), (2, 2_000), (9, 256_000), (10, 300_000), (i64::MAX, 300_000)] {
            assert_eq!(of(tries, 0), millis);
        }
        assert!((750..=751).contains(&of(1, 255)) && of(1, 128) == 875);
    }
}
