//! How a bank follows the orders of a holder.

use crate::{Reason, Timestamp};

/// What the holder of one account or card wants of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HolderOrder {
    /// Counted by the hub for each account or card, from 1.
    pub number: i64,
    /// Whether money is to be stopped from going out.
    pub frozen: bool,
}

/// How the holder of an account or a card has left it, as its bank has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HolderFreeze {
    /// The last order that was followed.
    pub order_number: i64,
    pub frozen: bool,
    /// Since when it is so, by the bank's clock: of what is frozen, no debit is authorised at a later time.
    pub effective_at: Timestamp,
}

impl HolderFreeze {
    /// Follows an order; `known` is what was left before. An order that an earlier or the same one says as well keeps the time since
    /// when it is so. One that a later order has overtaken changes nothing: the answer is what holds.
    /// `Err` with `SequenceOutOfRange` (a number below 1) or `IdTaken` (the same number with another wish).
    pub fn follow(known: Option<Self>, order: HolderOrder, now: Timestamp) -> Result<Self, Reason> {
        if order.number < 1 {
            return Err(Reason::SequenceOutOfRange);
        }
        let Some(known) = known else {
            return Ok(Self { order_number: order.number, frozen: order.frozen, effective_at: now });
        };
        if order.number < known.order_number {
            return Ok(known);
        }
        if order.number == known.order_number {
            return if order.frozen == known.frozen { Ok(known) } else { Err(Reason::IdTaken) };
        }
        let effective_at = if order.frozen == known.frozen { known.effective_at } else { now };
        Ok(Self { order_number: order.number, frozen: order.frozen, effective_at })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_secs(1_790_000_000 + second)
    }

    fn order(number: i64, frozen: bool) -> HolderOrder {
        HolderOrder { number, frozen }
    }

    fn left(order_number: i64, frozen: bool, second: i64) -> HolderFreeze {
        HolderFreeze { order_number, frozen, effective_at: at(second) }
    }

    #[test]
    fn f4_an_order_is_followed_by_this_table() {
        let frozen = Some(left(3, true, 10));
        type Row = (&'static str, Option<HolderFreeze>, HolderOrder, Result<HolderFreeze, Reason>);
        let table: [Row; 9] = [
            ("the first", None, order(1, true), Ok(left(1, true, 20))),
            ("the first that came", None, order(4, false), Ok(left(4, false, 20))),
            ("a later one", frozen, order(4, false), Ok(left(4, false, 20))),
            ("a later one that says the same", frozen, order(9, true), Ok(left(9, true, 10))),
            ("the same again", frozen, order(3, true), Ok(left(3, true, 10))),
            ("the same number with another wish", frozen, order(3, false), Err(Reason::IdTaken)),
            ("one that was overtaken", frozen, order(2, false), Ok(left(3, true, 10))),
            ("no number", None, order(0, true), Err(Reason::SequenceOutOfRange)),
            ("a number below zero", frozen, order(-1, true), Err(Reason::SequenceOutOfRange)),
        ];
        for (name, known, order, wanted) in table {
            assert_eq!(HolderFreeze::follow(known, order, at(20)), wanted, "{name}");
        }
    }

    proptest! {
        #[test]
        fn f4_orders_that_come_late_and_twice_end_as_the_last_one(
            wishes in prop::collection::vec(any::<bool>(), 1..8),
            arrivals in prop::collection::vec(any::<prop::sample::Index>(), 0..30),
        ) {
            let orders: Vec<_> = (1..).zip(&wishes).map(|(number, frozen)| order(number, *frozen)).collect();
            let come = arrivals.iter().map(|index| *index.get(&orders)).chain(orders.last().copied());
            let mut known: Option<HolderFreeze> = None;
            for (second, order) in (0..).zip(come) {
                let next = HolderFreeze::follow(known, order, at(second)).unwrap();
                if let Some(known) = known {
                    prop_assert!(next.order_number >= known.order_number);
                    prop_assert!(next.frozen != known.frozen || next.effective_at == known.effective_at);
                }
                known = Some(next);
            }
            prop_assert_eq!(known.map(|known| known.frozen), wishes.last().copied());
        }
    }
}
