//! A past out of a seed: who paid how much, where and when. The hub and the banks are filled from the same plan.

use std::sync::Arc;
use std::time::Duration;

use bank_adapter::ledger::fill::PastLeg;
use domain::card::Proof;
use domain::ledger::{Charge, HoldOrder, LegOrder};
use domain::purchase::{LineItem, Terminal};
use domain::{AttemptId, Currency, LegId, Money, OneTimeCode, PaymentId, PersonId, PhoneNumber, Reason, Timestamp};
use hub::payment::fill::{PastAccount, PastPayment};
use server_kit::clock::ManualClock;
use server_kit::rng::{Rng as _, RngError, SeededRng, digits, uuid_v7};

/// How far back a past goes.
const SPAN: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// From a terminal's request to the bank's post.
const LASTS: Duration = Duration::from_secs(10);
/// In minor units.
const LEAST_PAID: i64 = 100;
const MOST_PAID: u64 = 20_000;
/// Some payments say what was bought.
const MENU: [&str; 4] = ["牛肉面", "Jasmine tea", "小笼包", "Lunch of the day"];

/// Why there is no such past.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    #[error("nobody pays, or nowhere")]
    Nobody,
    #[error(transparent)]
    Rng(#[from] RngError),
    #[error("{0}")]
    Rule(Reason),
}

impl From<Reason> for PlanError {
    fn from(reason: Reason) -> Self {
        Self::Rule(reason)
    }
}

/// A person who pays, and the account that bears it.
#[derive(Clone, Debug)]
pub struct Holder {
    pub person_id: PersonId,
    pub phone: PhoneNumber,
    pub account: PastAccount,
}

/// Payments still to be made up, in order of time.
#[derive(Debug)]
pub struct Plan {
    holders: Vec<Holder>,
    tills: Vec<Arc<Terminal>>,
    rng: SeededRng,
    clock: ManualClock,
    /// When the next payment may have been at the earliest, and how long after it the one that follows.
    next_at: Timestamp,
    step: Duration,
    left: u64,
}

impl Plan {
    /// `count` payments, spread over the year before `until`. The same arguments give the same payments.
    pub fn new(seed: u64, holders: Vec<Holder>, tills: Vec<Arc<Terminal>>, count: u64, until: Timestamp) -> Self {
        let micros = u64::try_from(SPAN.as_micros()).unwrap_or(u64::MAX);
        let next_at = until.minus(SPAN).minus(LASTS);
        Self {
            holders,
            tills,
            rng: SeededRng::new(seed),
            clock: ManualClock::new(next_at),
            next_at,
            step: Duration::from_micros(micros / count.max(1)),
            left: count,
        }
    }

    /// The next payments, at most `most`; none when all have been made up.
    pub fn next_set(&mut self, most: usize) -> Result<Vec<PastPayment>, PlanError> {
        let count = usize::try_from(self.left).unwrap_or(usize::MAX).min(most);
        let set = (0..count).map(|_| self.payment()).collect::<Result<Vec<_>, _>>()?;
        self.left = self.left.saturating_sub(count as u64);
        Ok(set)
    }

    fn payment(&mut self) -> Result<PastPayment, PlanError> {
        let step = u64::try_from(self.step.as_micros()).unwrap_or(u64::MAX);
        let asked_at = self.next_at.plus(Duration::from_micros(self.below(step)?));
        self.next_at = self.next_at.plus(self.step);
        let holder = self.one_of(&self.holders)?.clone();
        let terminal = self.one_of(&self.tills)?.clone();
        let minor = LEAST_PAID.saturating_add(i64::try_from(self.below(MOST_PAID)?).unwrap_or_default());
        let items = match self.below(2)? {
            0 => Vec::new(),
            _ => vec![LineItem::new(self.one_of(&MENU)?, "", 1_000, minor)?],
        };
        self.clock.set(asked_at);
        let id = PaymentId::from_uuid(uuid_v7(&self.clock, &self.rng)?);
        let authorized_at = asked_at.plus(LASTS.saturating_sub(Duration::from_secs(1)));
        self.clock.set(authorized_at);
        Ok(PastPayment {
            id,
            person_id: holder.person_id,
            phone: holder.phone,
            account: holder.account,
            terminal,
            amount: Money::new(Currency::CNY, minor),
            items,
            code: OneTimeCode::parse(&digits(&self.rng, OneTimeCode::DIGITS)?)?,
            attempt_id: AttemptId::from_uuid(uuid_v7(&self.clock, &self.rng)?),
            leg_id: LegId::from_uuid(uuid_v7(&self.clock, &self.rng)?),
            asked_at,
            authorized_at,
            decided_at: authorized_at.plus(Duration::from_millis(20)),
            posted_at: asked_at.plus(LASTS),
        })
    }

    /// A number below `bound`, near enough to evenly.
    fn below(&self, bound: u64) -> Result<u64, RngError> {
        let mut bytes = [0; 8];
        self.rng.fill(&mut bytes)?;
        Ok(u64::from_be_bytes(bytes).checked_rem(bound).unwrap_or_default())
    }

    fn one_of<'a, T>(&self, all: &'a [T]) -> Result<&'a T, PlanError> {
        let place = self.below(all.len() as u64)?;
        usize::try_from(place).ok().and_then(|place| all.get(place)).ok_or(PlanError::Nobody)
    }
}

/// The leg of a payment at its bank, which held the money before the hub decided.
pub fn leg_of(past: &PastPayment) -> PastLeg {
    let charge = Charge::purchase(past.account.account_id, past.amount, past.terminal.merchant.clone());
    let (order, proof) = (LegOrder::Charge(charge), Proof::Given);
    PastLeg {
        order: HoldOrder { leg_id: past.leg_id, payment_id: past.id, order, proof },
        held_at: past.authorized_at.plus(Duration::from_millis(10)),
        posted_at: past.posted_at,
    }
}

#[cfg(test)]
mod tests {
    use domain::purchase::{CategoryCode, Merchant};
    use domain::text::Line;
    use domain::{AccountId, BankId, MerchantId, TerminalId};
    use uuid::Uuid;

    use super::*;

    const UNTIL: Timestamp = Timestamp::from_secs(1_790_000_000);

    fn plan(seed: u64, count: u64) -> Plan {
        let holder = |n: u128| Holder {
            person_id: PersonId::from_uuid(Uuid::from_u128(n)),
            phone: PhoneNumber::parse("+8613800138000").unwrap(),
            account: PastAccount {
                bank_id: BankId::parse("bank-a").unwrap(),
                account_id: AccountId::from_uuid(Uuid::from_u128(n)),
                masked: "****4821".to_owned(),
            },
        };
        let till = |name: &str| Terminal {
            id: TerminalId::parse(name).unwrap(),
            merchant: Merchant {
                id: MerchantId::parse("noodles").unwrap(),
                name: Line::parse("Noodle House").unwrap(),
                category: CategoryCode::parse("5812").unwrap(),
            },
            place: None,
            location: None,
            suspended: false,
        };
        let tills = ["till-1", "till-2", "till-3"].map(|name| Arc::new(till(name))).to_vec();
        Plan::new(seed, (1..=5).map(holder).collect(), tills, count, UNTIL)
    }

    fn all(mut plan: Plan, set: usize) -> Vec<PastPayment> {
        let mut payments = Vec::new();
        loop {
            let next = plan.next_set(set).unwrap();
            if next.is_empty() {
                return payments;
            }
            payments.extend(next);
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_past_in_sets_of_any_size_and_another_seed_another() {
        let text = |payments: Vec<PastPayment>| format!("{payments:?}");
        let first = text(all(plan(1, 100), 100));
        assert_eq!(first, text(all(plan(1, 100), 7)));
        assert_ne!(first, text(all(plan(2, 100), 100)));
    }

    #[test]
    fn a_past_covers_the_year_in_order_with_ids_that_fit_their_times() {
        let payments = all(plan(1, 1_000), 300);
        assert_eq!(payments.len(), 1_000);
        assert!(payments.windows(2).all(|pair| pair[0].asked_at < pair[1].asked_at && pair[0].id < pair[1].id));
        let (first, last) = (&payments[0], &payments[999]);
        assert!(first.asked_at >= UNTIL.minus(SPAN).minus(LASTS) && last.posted_at <= UNTIL);
        assert!(last.asked_at.since(first.asked_at) > SPAN.mul_f64(0.99));
        for past in &payments {
            assert_eq!(PaymentId::parse(&past.id.to_string()), Ok(past.id), "an id of version 7");
            let (seconds, _) = past.id.uuid().get_timestamp().unwrap().to_unix();
            assert_eq!(i64::try_from(seconds).unwrap(), past.asked_at.micros() / 1_000_000);
            let leg = leg_of(past);
            assert_eq!((leg.order.leg_id, leg.order.payment_id), (past.leg_id, past.id));
            assert_eq!(
                leg.order.order,
                LegOrder::Charge(Charge::purchase(
                    past.account.account_id,
                    past.amount,
                    past.terminal.merchant.clone()
                ))
            );
            let times = [past.asked_at, past.authorized_at, leg.held_at, past.decided_at, past.posted_at];
            assert!(times.is_sorted() && past.amount.minor >= LEAST_PAID);
        }
    }

    #[test]
    fn everybody_pays_everywhere() {
        let payments = all(plan(1, 1_000), 1_000);
        for n in 1..=5 {
            for till in ["till-1", "till-2", "till-3"] {
                let person = PersonId::from_uuid(Uuid::from_u128(n));
                let is = |past: &&PastPayment| past.person_id == person && past.terminal.id.as_str() == till;
                assert!(payments.iter().filter(is).count() > 20, "{n} at {till}");
            }
        }
        assert!(matches!(Plan::new(1, Vec::new(), Vec::new(), 1, UNTIL).next_set(1), Err(PlanError::Nobody)));
    }
}
