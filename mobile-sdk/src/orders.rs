//! Orders to freeze and to set free that have got no answer yet. The same wish again is the same order, also after the app was killed: what
//! was done is not done once more when something else was ordered in between.

use std::sync::PoisonError;
use std::time::Duration;

use domain::payment::FrozenInstrument;
use domain::{OrderId, Timestamp};

use crate::error::{Failure, Trouble};
use crate::log::LogLevel;
use crate::phone::Inner;
use crate::platform;
use crate::vault::Lasting;

/// The file of the orders: a line for each.
pub(crate) const ORDERS_FILE: &str = "orders";
const MOST_KEPT: usize = 16;
/// Whoever asks again later than this wants it anew.
const SAME_WITHIN: Duration = Duration::from_hours(1);

/// What the person wants, in one spelling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wish(String);

impl Wish {
    pub(crate) fn freeze(names: &[FrozenInstrument]) -> Self {
        Self::of("FREEZE", names)
    }

    pub(crate) fn unfreeze(names: &[FrozenInstrument]) -> Self {
        Self::of("UNFREEZE", names)
    }

    fn of(verb: &str, names: &[FrozenInstrument]) -> Self {
        let mut words: Vec<String> = names.iter().map(FrozenInstrument::words).collect();
        words.sort();
        Self(format!("{verb} {}", words.join(", ")))
    }

    fn verb(&self) -> &str {
        self.0.split(' ').next().unwrap_or_default()
    }
}

/// An order, and whether it may have been sent before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) id: OrderId,
    pub(crate) made_at: Timestamp,
    pub(crate) is_again: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Kept {
    id: OrderId,
    made_at: Timestamp,
    wish: Wish,
}

impl Kept {
    fn line(&self) -> String {
        format!("{} {} {}\n", self.id, self.made_at.micros(), self.wish.0)
    }

    fn read(line: &str) -> Option<Self> {
        let (id, rest) = line.split_once(' ')?;
        let (micros, wish) = rest.split_once(' ')?;
        Some(Self {
            id: OrderId::parse(id).ok()?,
            made_at: Timestamp::from_micros(micros.parse().ok()?),
            wish: Wish(wish.to_owned()),
        })
    }

    /// Whether it is of the last hour, by a clock that somebody may have set.
    fn is_recent(&self, now: Timestamp) -> bool {
        now.since(self.made_at) <= SAME_WITHIN && self.made_at.since(now) <= SAME_WITHIN
    }
}

impl Inner {
    /// What cannot be read is none: nobody is kept from freezing by a file that was damaged.
    fn kept_orders(&self) -> Vec<Kept> {
        let stored = self.vault.read(ORDERS_FILE).ok().flatten().unwrap_or_default();
        String::from_utf8_lossy(&stored).lines().filter_map(Kept::read).collect()
    }

    fn write_orders(&self, kept: &[Kept]) -> Result<(), Trouble> {
        if kept.is_empty() {
            return self.vault.remove(ORDERS_FILE);
        }
        let lines: String = kept.iter().map(Kept::line).collect();
        self.vault.write(ORDERS_FILE, lines.as_bytes(), Lasting::Now)
    }

    /// The order that this wish is: one that waits for its answer, or a new one.
    pub(crate) fn order(&self, wish: &Wish) -> Result<Order, Failure> {
        let now = self.clock.now();
        let found = self.kept_orders().into_iter().find(|kept| kept.wish == *wish && kept.is_recent(now));
        Ok(match found {
            Some(kept) => Order { id: kept.id, made_at: kept.made_at, is_again: true },
            None => {
                let id = OrderId::from_uuid(platform::new_id(&*self.clock)?);
                Order { id, made_at: now, is_again: false }
            }
        })
    }

    /// Writes an order down before it is sent; the oldest make room.
    pub(crate) fn keep_order(&self, wish: &Wish, order: Order) -> Result<(), Trouble> {
        let _turn = self.ordering.lock().unwrap_or_else(PoisonError::into_inner);
        let mut kept = self.kept_orders();
        if kept.iter().any(|other| other.id == order.id) {
            return Ok(());
        }
        kept.retain(|other| other.wish != *wish && other.is_recent(order.made_at));
        kept.push(Kept { id: order.id, made_at: order.made_at, wish: wish.clone() });
        let over = kept.len().saturating_sub(MOST_KEPT);
        self.write_orders(kept.get(over..).unwrap_or_default())
    }

    /// Forgets an order that has got its answer, and with one that was followed those of the other sort: what they wanted is overtaken.
    pub(crate) fn forget_order_if_final(&self, wish: &Wish, order: Order, failed: Option<&Failure>) {
        if failed.is_some_and(|failure| !failure.is_final()) {
            return;
        }
        let _turn = self.ordering.lock().unwrap_or_else(PoisonError::into_inner);
        let mut kept = self.kept_orders();
        let before = kept.len();
        kept.retain(|other| other.id != order.id && (failed.is_some() || other.wish.verb() == wish.verb()));
        if kept.len() != before
            && let Err(trouble) = self.write_orders(&kept)
        {
            self.log.say(LogLevel::Warn, || format!("an order that was answered is still kept: {}", trouble.code()));
        }
    }

    pub(crate) fn log_order_not_kept(&self, trouble: Trouble) {
        self.log.say(LogLevel::Warn, || format!("an order was not kept: {}", trouble.code()));
    }
}

#[cfg(test)]
mod tests {
    use domain::payment::Instrument;
    use domain::{AccountId, BankId};
    use proptest::prelude::*;

    use super::*;

    fn name(bank: &str, n: u128) -> FrozenInstrument {
        let id = uuid::Uuid::from_u128(0x0192_f0c1_7a6b_7000_8000_0000_0000_0000 | n);
        let instrument = Instrument::Account(AccountId::from_uuid(id));
        FrozenInstrument { bank_id: BankId::parse(bank).unwrap(), instrument }
    }

    fn kept(n: u128, second: i64) -> Kept {
        let id = OrderId::from_uuid(uuid::Uuid::from_u128(0x0192_f0c1_7a6b_7000_8000_0000_0000_0000 | n));
        Kept { id, made_at: Timestamp::from_secs(second), wish: Wish::freeze(&[name("bank-a", 1)]) }
    }

    #[test]
    fn s2_the_same_wish_is_known_however_it_is_said() {
        let (one, two) = (name("bank-a", 1), name("bank-b", 2));
        let both = Wish::freeze(&[one.clone(), two.clone()]);
        assert_eq!(both, Wish::freeze(&[two.clone(), one.clone()]));
        for other in [Wish::unfreeze(&[one.clone(), two]), Wish::freeze(&[one]), Wish::freeze(&[])] {
            assert_ne!(both, other);
        }
        assert_eq!(
            (both.verb(), Wish::freeze(&[]).verb(), Wish::unfreeze(&[]).verb()),
            ("FREEZE", "FREEZE", "UNFREEZE")
        );
    }

    #[test]
    fn s2_an_order_of_another_hour_is_not_the_same_any_more_whatever_the_clock_did() {
        let order = kept(1, 1_790_000_000);
        for (second, same) in
            [(0, true), (3_600, true), (3_601, false), (-3_600, true), (-3_601, false), (1 << 33, false)]
        {
            assert_eq!(order.is_recent(Timestamp::from_secs(1_790_000_000 + second)), same, "{second}");
        }
    }

    #[test]
    fn s2_an_order_is_read_as_it_was_written() {
        let order = kept(7, 1_790_000_000);
        assert_eq!(Kept::read(order.line().trim_end()), Some(order.clone()));
        let all = Kept { wish: Wish::freeze(&[]), ..order };
        assert_eq!(Kept::read(all.line().trim_end_matches('\n')), Some(all));
    }

    proptest! {
        #[test]
        fn whatever_stands_in_the_file_is_read_without_a_panic(line in ".{0,200}") {
            let _ = Kept::read(&line);
        }
    }
}
