//! An account or a card as the hub has it: what its holder wants, and what its bank has said.

use super::{HolderFreeze, HolderOrder};
use crate::Reason;

/// Where an order came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// A bound phone.
    App,
    /// The hub's web page.
    Web,
    /// A phone call.
    Call,
    /// Somebody who runs the hub, asked by the person.
    Operator,
}

impl Channel {
    const ALL: [Self; 4] = [Self::App, Self::Web, Self::Call, Self::Operator];

    /// The word that is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::App => "APP",
            Self::Web => "WEB",
            Self::Call => "CALL",
            Self::Operator => "OPERATOR",
        }
    }

    /// Reads the word that is stored. `Err(FieldUnknown)`.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        Self::ALL.into_iter().find(|channel| channel.as_str() == text).ok_or(Reason::FieldUnknown)
    }
}

/// What a person sees of an account or a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Money goes out as before.
    Free,
    /// The hub lets nothing out any more; the bank has not confirmed yet that it does not either.
    Freezing,
    /// Nothing goes out, confirmed by the bank.
    Frozen(HolderFreeze),
    /// The bank has not confirmed yet that money goes out again; until then it may refuse.
    Unfreezing,
    /// The bank does not follow, since there is no such account or card any more.
    Ended(Reason),
}

/// An account or a card that somebody has frozen or set free at the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Freezing {
    /// What its holder wants.
    pub order: HolderOrder,
    /// What its bank has confirmed of that order or of one before it.
    pub confirmed: Option<HolderFreeze>,
    /// Why the bank will never follow the order.
    pub refusal: Option<Reason>,
}

impl Freezing {
    /// What becomes of it when its holder wants this; `known` is how it is. Wanting what is wanted already changes nothing, and wanting
    /// what the bank refused asks it again.
    pub fn order(known: Option<Self>, frozen: bool) -> Self {
        match known {
            None => Self { order: HolderOrder { number: 1, frozen }, confirmed: None, refusal: None },
            Some(known) if known.order.frozen == frozen && known.refusal.is_none() => known,
            Some(known) => known.again(frozen),
        }
    }

    /// The same or another wish under the next number, which the bank is to be told.
    const fn again(self, frozen: bool) -> Self {
        let number = self.order.number.saturating_add(1);
        Self { order: HolderOrder { number, frozen }, refusal: None, ..self }
    }

    /// Takes in what the bank has confirmed. The answer to an earlier order changes nothing. When the bank has followed orders of which
    /// the hub knows nothing, as after it was set up again from a backup, what is wanted is ordered anew.
    #[must_use]
    pub const fn confirmed(self, left: HolderFreeze) -> Self {
        let HolderOrder { number, frozen } = self.order;
        if left.order_number < number {
            return self;
        }
        if left.order_number == number && left.frozen == frozen {
            return Self { confirmed: Some(left), refusal: None, ..self };
        }
        let behind = Self { order: HolderOrder { number: left.order_number, frozen }, confirmed: Some(left), ..self };
        behind.again(frozen)
    }

    /// Takes in that the bank has refused the order with this number.
    #[must_use]
    pub fn refused(self, number: i64, reason: Reason) -> Self {
        match reason {
            _ if number != self.order.number => self,
            // The number had another wish once.
            Reason::IdTaken => self.again(self.order.frozen),
            _ => Self { refusal: Some(reason), ..self },
        }
    }

    /// Whether the bank has yet to be told.
    pub fn is_to_be_told(&self) -> bool {
        self.refusal.is_none() && self.confirmed.is_none_or(|left| left.order_number < self.order.number)
    }

    /// What the person sees.
    pub fn seen(&self) -> Seen {
        if let Some(reason) = self.refusal {
            return Seen::Ended(reason);
        }
        match (self.order.frozen, self.confirmed.filter(|_| !self.is_to_be_told())) {
            (true, Some(left)) => Seen::Frozen(left),
            (true, None) => Seen::Freezing,
            (false, Some(_)) => Seen::Free,
            (false, None) => Seen::Unfreezing,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Timestamp;

    fn left(order_number: i64, frozen: bool) -> HolderFreeze {
        HolderFreeze { order_number, frozen, effective_at: Timestamp::from_secs(1_790_000_000) }
    }

    fn wanted(number: i64, frozen: bool) -> Freezing {
        Freezing { order: HolderOrder { number, frozen }, confirmed: None, refusal: None }
    }

    #[test]
    fn f4_what_becomes_of_an_order_by_what_is_known() {
        let (gone, closed) = (Some(Reason::CardClosed), Reason::CardClosed);
        let confirmed = Freezing { confirmed: Some(left(3, true)), ..wanted(3, true) };
        let refused = Freezing { refusal: gone, ..wanted(3, true) };
        let orders: [(&str, Option<Freezing>, bool, Freezing); 5] = [
            ("the first", None, true, wanted(1, true)),
            ("the same again", Some(wanted(3, true)), true, wanted(3, true)),
            ("the same, confirmed", Some(confirmed), true, confirmed),
            ("the other", Some(confirmed), false, Freezing { confirmed: Some(left(3, true)), ..wanted(4, false) }),
            ("what was refused", Some(refused), true, wanted(4, true)),
        ];
        for (name, known, frozen, after) in orders {
            assert_eq!(Freezing::order(known, frozen), after, "{name}");
        }
        let answers: [(&str, Freezing, HolderFreeze, Freezing); 5] = [
            ("confirmed", wanted(3, true), left(3, true), confirmed),
            ("twice", confirmed, left(3, true), confirmed),
            ("late", wanted(3, true), left(2, false), wanted(3, true)),
            (
                "orders that the hub has forgotten",
                wanted(1, true),
                left(9, false),
                Freezing { confirmed: Some(left(9, false)), ..wanted(10, true) },
            ),
            (
                "the same number with another wish",
                wanted(3, true),
                left(3, false),
                Freezing { confirmed: Some(left(3, false)), ..wanted(4, true) },
            ),
        ];
        for (name, known, answer, after) in answers {
            assert_eq!(known.confirmed(answer), after, "{name}");
        }
        assert_eq!(wanted(3, true).refused(3, closed), refused);
        assert_eq!(wanted(3, true).refused(2, closed), wanted(3, true), "an order before");
        assert_eq!(wanted(3, true).refused(3, Reason::IdTaken), wanted(4, true));
    }

    #[test]
    fn f4_a_person_sees_what_is_wanted_and_what_the_bank_has_confirmed() {
        let confirmed = |number, frozen| Some(left(number, frozen));
        let gone = Some(Reason::CardClosed);
        let table = [
            (wanted(1, true), Seen::Freezing, true),
            (Freezing { confirmed: confirmed(1, true), ..wanted(1, true) }, Seen::Frozen(left(1, true)), false),
            (Freezing { confirmed: confirmed(1, true), ..wanted(2, false) }, Seen::Unfreezing, true),
            (Freezing { confirmed: confirmed(2, false), ..wanted(2, false) }, Seen::Free, false),
            (Freezing { refusal: gone, ..wanted(1, true) }, Seen::Ended(Reason::CardClosed), false),
        ];
        for (freezing, seen, to_be_told) in table {
            assert_eq!((freezing.seen(), freezing.is_to_be_told()), (seen, to_be_told), "{freezing:?}");
        }
        for channel in Channel::ALL {
            assert_eq!(Channel::parse(channel.as_str()), Ok(channel));
        }
    }

    /// What happens between hub and bank.
    #[derive(Clone, Copy, Debug)]
    enum Step {
        Want(bool),
        /// The bank hears of the order as it is, and its answer is lost.
        Tell,
        /// The bank hears of it, and answers.
        TellAndHear,
        /// An earlier message arrives once more.
        Late(usize),
        /// The hub is set up again from a backup without any order.
        Forget,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => any::<bool>().prop_map(Step::Want),
            2 => Just(Step::Tell),
            3 => Just(Step::TellAndHear),
            2 => (0..8_usize).prop_map(Step::Late),
            1 => Just(Step::Forget),
        ]
    }

    proptest! {
        #[test]
        fn f4_whatever_is_lost_late_or_twice_the_bank_ends_as_the_holder_wants(
            steps in prop::collection::vec(step(), 1..40), last in any::<bool>(),
        ) {
            let (mut hub, mut bank): (Option<Freezing>, Option<HolderFreeze>) = (None, None);
            let (mut sent, mut now) = (Vec::new(), 0);
            let steps = steps.into_iter().chain([Step::Want(last)]).chain([Step::TellAndHear; 3]);
            for step in steps {
                now += 1;
                let follow = |bank: &mut Option<HolderFreeze>, order| {
                    let followed = HolderFreeze::follow(*bank, order, Timestamp::from_secs(now));
                    if let Ok(left) = followed {
                        *bank = Some(left);
                    }
                    followed
                };
                match step {
                    Step::Want(frozen) => hub = Some(Freezing::order(hub, frozen)),
                    Step::Forget => hub = None,
                    Step::Late(index) => {
                        if let Some(order) = sent.get(index).copied() {
                            let _ = follow(&mut bank, order);
                        }
                    }
                    Step::Tell | Step::TellAndHear => {
                        let Some(known) = hub.filter(Freezing::is_to_be_told) else { continue };
                        sent.push(known.order);
                        let answer = follow(&mut bank, known.order);
                        if matches!(step, Step::TellAndHear) {
                            hub = Some(match answer {
                                Ok(left) => known.confirmed(left),
                                Err(reason) => known.refused(known.order.number, reason),
                            });
                        }
                    }
                }
            }
            prop_assert_eq!(bank.map(|left| left.frozen), Some(last));
            let seen = hub.map(|hub| hub.seen());
            prop_assert!(matches!((seen, last), (Some(Seen::Frozen(_)), true) | (Some(Seen::Free), false)), "{:?}", seen);
        }
    }
}
