//! The bank's front: which account pays how much of a payment, as a pure function over what was known (C2, C6).
//!
//! What was known is stored with the leg as text, so that anyone can read it, read it back and decide again.

mod facts;
mod nature;
mod split;
#[cfg(test)]
mod tests;
mod text;

use super::{AccountKind, AccountStatus};
use crate::{AccountId, Currency, Money, Reason};

pub use facts::{AccountFacts, CardFacts, CreditFacts, CreditLeft, DebitFacts, Facts, Party, PartyFacts};
pub use nature::{Flow, Nature};
pub use split::{Part, ReturnFacts, Split, give_back, keep, read_splits, write_splits};

/// Decides who pays, or gets: splits that sum to the amount, in the order in which they are drawn, or the first rule that
/// forbids it. A balance inquiry that is allowed has no splits.
///
/// Refunds and completions are not routed: they go over the splits of the leg that they belong to ([`give_back`], [`keep`]).
pub fn route(facts: &Facts) -> Result<Vec<Split>, Reason> {
    let flow = facts.nature.flow();
    if flow == Flow::Follows {
        return Err(Reason::OriginalUnknown);
    }
    if flow != Flow::Look && facts.amount.minor <= 0 {
        return Err(Reason::AmountNotPositive);
    }
    let sources = sources(facts)?;
    match flow {
        Flow::Out => draw(facts.amount, &sources),
        Flow::In => pay_in(facts.amount, &sources),
        Flow::Look | Flow::Follows => Ok(Vec::new()),
    }
}

/// Whether an existing credit system need not be asked what is left, because the debit side pays all of it whatever that is. It is
/// decided as if nothing were left then.
pub fn is_debit_alone(facts: &Facts) -> bool {
    // What draws nothing on a credit side that has everything draws nothing on one that has less.
    let routed = route(&facts.kept_elsewhere(CreditLeft::EVERYTHING));
    routed.is_ok_and(|splits| !splits.is_empty() && splits.iter().all(|split| split.part == Part::Debit))
}

/// Decides once more what was decided from stored facts, of whatever form they are. `Err` when they cannot be read.
pub fn decide_again(decision: &str) -> Result<Result<Vec<Split>, Reason>, Reason> {
    match ReturnFacts::parse(decision) {
        Ok(facts) => Ok(Ok(facts.decide())),
        Err(_) => Facts::parse(decision).map(|facts| route(&facts)),
    }
}

/// One account that may bear a part.
struct Source {
    part: Part,
    account_id: AccountId,
    currency: Currency,
    status: AccountStatus,
    frozen: bool,
    payment_limit_minor: i64,
    available_minor: i64,
    /// What would be available if there were no limit on cash advances.
    without_cash_limit_minor: i64,
}

impl Source {
    fn debit(account_id: AccountId, account: &AccountFacts) -> Self {
        Self {
            part: Part::Debit,
            account_id,
            currency: account.currency,
            status: account.status,
            frozen: account.frozen,
            payment_limit_minor: account.payment_limit_minor,
            available_minor: account.available_minor,
            without_cash_limit_minor: account.available_minor,
        }
    }

    fn credit(part: Part, credit: &CreditFacts) -> Self {
        Self {
            part,
            account_id: credit.account_id,
            currency: credit.currency,
            status: credit.status,
            frozen: credit.frozen,
            payment_limit_minor: credit.payment_limit_minor,
            available_minor: match part {
                Part::CashAdvance => credit.cash_available_minor(),
                Part::Debit | Part::Credit => credit.available_minor(),
            },
            without_cash_limit_minor: credit.available_minor(),
        }
    }

    /// Whether money may go out of it at all.
    fn may_pay(&self, currency: Currency) -> Result<(), Reason> {
        match self.status {
            AccountStatus::Closed => Err(Reason::AccountClosed),
            AccountStatus::Inactive => Err(Reason::AccountInactive),
            AccountStatus::Active if self.frozen => Err(Reason::AccountFrozen),
            AccountStatus::Active if self.currency != currency => Err(Reason::CurrencyMismatch),
            AccountStatus::Active => Ok(()),
        }
    }
}

/// The accounts that bear this nature, in its order; at least one unless nothing moves.
fn sources(facts: &Facts) -> Result<Vec<Source>, Reason> {
    let parts = facts.nature.parts();
    let sources: Vec<Source> = match &facts.party {
        PartyFacts::Account(id, known) => {
            // An account of another kind is not for the hub to know of.
            let Some(account) = known.filter(|account| account.kind == AccountKind::CustomerDeposit) else {
                return Err(Reason::AccountUnknown);
            };
            parts.iter().filter(|part| **part == Part::Debit).map(|_| Source::debit(*id, &account)).collect()
        }
        PartyFacts::Card(_, known) => {
            let card = known.ok_or(Reason::CardUnknown)?;
            card.standing.allows(facts.nature)?;
            let source = |part: &Part| match part {
                Part::Debit => card.debit.map(|debit| Source::debit(debit.account_id, &debit.account)),
                Part::Credit | Part::CashAdvance => card.credit.map(|credit| Source::credit(*part, &credit)),
            };
            parts.iter().filter_map(source).collect()
        }
    };
    if sources.is_empty() && facts.nature.flow() != Flow::Look {
        return Err(Reason::NatureUnsupported);
    }
    Ok(sources)
}

/// Takes the amount from one source after the other. A source that cannot pay is passed over; if the others do not have
/// enough, its reason is the reason. A part above its account's limit refuses the whole: the limit is there to stop the
/// payment, not to move it elsewhere.
fn draw(amount: Money, sources: &[Source]) -> Result<Vec<Split>, Reason> {
    let (mut left, mut splits, mut obstacle) = (amount.minor, Vec::new(), None);
    for (n, source) in sources.iter().enumerate() {
        let available_minor = source.available_minor.max(0);
        if let Err(reason) = source.may_pay(amount.currency) {
            obstacle = obstacle.or(Some(reason));
            continue;
        }
        // The last one has to bear all that is left.
        let is_last = n.saturating_add(1) == sources.len();
        let wanted = if is_last { left } else { left.min(available_minor) };
        if source.payment_limit_minor > 0 && wanted > source.payment_limit_minor {
            return Err(Reason::LimitExceeded);
        }
        if wanted > available_minor {
            let cash_limit_alone = wanted <= source.without_cash_limit_minor;
            let short = if cash_limit_alone { Reason::CashAdvanceLimitExceeded } else { Reason::InsufficientFunds };
            return Err(obstacle.unwrap_or(short));
        }
        if wanted > 0 {
            left = left.saturating_sub(wanted);
            splits.push(Split { account_id: source.account_id, part: source.part, amount_minor: wanted });
        }
        if left == 0 {
            return Ok(splits);
        }
    }
    Err(obstacle.unwrap_or(Reason::InsufficientFunds))
}

/// Pays the whole amount into the first account: frozen or not yet active, money can come in (F4).
fn pay_in(amount: Money, sources: &[Source]) -> Result<Vec<Split>, Reason> {
    let source = sources.first().ok_or(Reason::NatureUnsupported)?;
    if source.status == AccountStatus::Closed {
        return Err(Reason::AccountClosed);
    }
    if source.currency != amount.currency {
        return Err(Reason::CurrencyMismatch);
    }
    Ok(vec![Split { account_id: source.account_id, part: source.part, amount_minor: amount.minor }])
}

/// The answer to a balance inquiry: what may be spent on each side of a card, and how much of the credit side as cash. Never
/// below zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Available {
    pub debit: Option<Money>,
    pub credit: Option<Money>,
    pub cash_advance: Option<Money>,
}

/// What a card may spend, as far as its accounts go: whether the card itself may be used is for [`route`] to say.
pub fn available(card: &CardFacts) -> Available {
    let money = |source: Source| {
        let usable = source.may_pay(source.currency).is_ok();
        Money::new(source.currency, if usable { source.available_minor.max(0) } else { 0 })
    };
    let credit = |part| card.credit.map(|credit| money(Source::credit(part, &credit)));
    Available {
        debit: card.debit.map(|debit| money(Source::debit(debit.account_id, &debit.account))),
        credit: credit(Part::Credit),
        cash_advance: credit(Part::CashAdvance),
    }
}
