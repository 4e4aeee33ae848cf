//! What the hub, or another network, may ask of a leg: hold, post, complete, void, and give back; and what a card may spend.

use super::{
    Account, AccountFacts, AccountKind, AccountStatus, Available, Books, CardFacts, Change, CompletionOrder,
    CreditFacts, CreditLeft, DebitFacts, Decided, Facts, Flow, HoldOrder, Leg, LegOrder, LegState, Nature, Origin,
    Party, PartyFacts, RefundOrder, ReturnFacts, Transfer, TransferKind, VoidOrder, available, is_debit_alone, route,
};
use crate::card::Proof;
use crate::{AccountId, CardId, LegId, Money, PaymentId, Reason, Timestamp};

/// Reserves the money of a leg, or refuses; of a card all parts or none. Money that comes in is reserved on the other side and can
/// be spent when it is posted; frozen, an account takes it all the same. What was found of the card is stored either way. The
/// answer is a leg that is held or refused; voided when it was voided before it came; as it stands when the same was asked before.
/// `Err(LegIdTaken)` for another order under the same id, `Err(HsmAway)` when the PIN could not be checked, `Err(Fault)` for a
/// mistake of this program.
pub fn hold(books: &Books, order: &HoldOrder, now: Timestamp) -> Result<Decided<Leg>, Reason> {
    hold_with(books, order, Line::Kept, now)
}

/// As [`hold`], where an existing credit system keeps the credit accounts and need not be asked: what they owe is not for this ledger to
/// say, so that money which pays it back is taken whatever it comes to.
pub fn hold_elsewhere(books: &Books, order: &HoldOrder, now: Timestamp) -> Result<Decided<Leg>, Reason> {
    hold_with(books, order, Line::NotAsked, now)
}

/// As [`hold`], where an existing credit system keeps the credit account and says that this is left. A leg that draws on it is
/// asking: what it takes is reserved, and it is held or refused when [`settle`] has the answer.
pub fn ask(books: &Books, order: &HoldOrder, left: CreditLeft, now: Timestamp) -> Result<Decided<Leg>, Reason> {
    hold_with(books, order, Line::Left(left), now)
}

/// As [`ask`], where the credit system need not be asked what is left: the debit side bears all of it whatever that is. `None`
/// when it has to be asked. A leg that is known is as it was.
pub fn hold_without_asking(books: &Books, order: &HoldOrder, now: Timestamp) -> Result<Option<Decided<Leg>>, Reason> {
    let named = (order.origin(), order.payment_id);
    let leg = Leg::new(order.leg_id, named, order.order.clone(), LegState::Held, now);
    let (Some(party), Some(nature), Some(amount)) = (leg.party(), leg.nature(), leg.amount()) else {
        return Err(Reason::Fault);
    };
    let is_known = books.leg(order.leg_id).is_some();
    if !is_known && !is_debit_alone(&facts_of(books, party, (nature, amount))?) {
        return Ok(None);
    }
    hold_with(books, order, Line::Left(CreditLeft::NOTHING), now).map(Some)
}

/// Who knows what is left of a credit line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Line {
    /// This ledger.
    Kept,
    /// An existing credit system, which says so much.
    Left(CreditLeft),
    /// An existing credit system, which was not asked.
    NotAsked,
}

fn hold_with(books: &Books, order: &HoldOrder, line: Line, now: Timestamp) -> Result<Decided<Leg>, Reason> {
    let named = (order.origin(), order.payment_id);
    if let Some(leg) = books.leg(order.leg_id) {
        return as_before(leg, named, &order.order);
    }
    let leg = Leg::new(order.leg_id, named, order.order.clone(), LegState::Held, now);
    let (Some(party), Some(nature), Some(amount)) = (leg.party(), leg.nature(), leg.amount()) else {
        return Err(Reason::Fault);
    };
    let (card, proved) = match party {
        Party::UnknownCard => (None, Err(Reason::CardNotVerified)),
        Party::Account(_) => (None, Ok(())),
        Party::Card(id) => match books.card(id).cloned() {
            None => (None, Ok(())),
            Some(card) => {
                let (after, proved) = card.clone().proved(order.proof, now);
                ((after != card).then_some(after), proved)
            }
        },
    };
    if proved == Err(Reason::HsmAway) {
        return Err(Reason::HsmAway);
    }
    let mut decided = match proved {
        Ok(()) => reserve(books, leg, (party, nature, amount), line, now)?,
        Err(reason) => refused(shown(books, leg, party), reason),
    };
    decided.change.cards.extend(card);
    Ok(decided)
}

/// The leg with the number as a receipt may show it, and the account that was named.
fn shown(books: &Books, mut leg: Leg, party: Party) -> Leg {
    match party {
        Party::Account(id) => {
            leg.account_id = Some(id);
            leg.account_masked = books.account(id).map(Account::masked).unwrap_or_default();
        }
        Party::Card(id) => leg.account_masked = books.card(id).map(|card| card.masked.clone()).unwrap_or_default(),
        Party::UnknownCard => {}
    }
    leg
}

fn reserve(
    books: &Books,
    leg: Leg,
    (party, nature, amount): (Party, Nature, Money),
    line: Line,
    now: Timestamp,
) -> Result<Decided<Leg>, Reason> {
    let savings = leg.savings();
    let fits = match &leg.order {
        LegOrder::Charge(_) => nature.flow() == Flow::Out && savings.is_some() == (nature == Nature::Savings),
        LegOrder::Receipt(_) => nature.flow() == Flow::In && (savings.is_none() || nature == Nature::TransferIn),
        LegOrder::GiveBack(_) | LegOrder::Unseen => return Err(Reason::Fault),
    };
    let leg = shown(books, leg, party);
    if !fits {
        return Ok(refused(leg, Reason::NatureUnsupported));
    }
    let (mut leg, routed) = routed(books, leg, party, (nature, amount), line)?;
    let from_savings = matches!(leg.order, LegOrder::Receipt(_)).then_some(savings).flatten();
    let allowed = routed.and_then(|()| match (savings, from_savings) {
        (_, Some(id)) => may_take_savings(books, &leg, id),
        (Some(id), None) => may_save(books, &leg, id),
        (None, None) if nature == Nature::Repayment && line == Line::Kept => may_repay(books, &leg, amount),
        (None, None) => Ok(()),
    });
    if let Err(reason) = allowed {
        return Ok(refused(leg, reason));
    }
    if matches!(line, Line::Left(_)) && leg.credit_minor() > 0 {
        leg.state = LegState::Asking;
    }
    let transfers = leg.transfers(&leg.order, TransferKind::Pending, now);
    match books.moved(&transfers, now) {
        Ok(accounts) if from_savings.is_some() && is_short(&accounts, &transfers) => {
            Ok(refused(leg, Reason::InsufficientFunds))
        }
        Ok(accounts) => Ok(stored(leg.clone(), vec![leg], accounts, transfers)),
        // A mistake of this program says nothing about the account: it is not stored, and the same hold may pass later.
        Err(Reason::Fault) => Err(Reason::Fault),
        Err(reason) => Ok(refused(leg, reason)),
    }
}

/// What a card may spend, for a holder who has proved it; what was found of the card is stored. `Err` inside with
/// `CardNotVerified`, `CardLocked`, `CardValuesExhausted`, or as [`route`]; `Err(HsmAway)` when the PIN could not be checked.
pub fn inquire(
    books: &Books,
    id: CardId,
    proof: Proof,
    now: Timestamp,
) -> Result<Decided<Result<Available, Reason>>, Reason> {
    let Some(card) = books.card(id) else {
        return Ok(Decided::unchanged(Err(Reason::CardNotVerified)));
    };
    let (after, proved) = card.clone().proved(proof, now);
    if proved == Err(Reason::HsmAway) {
        return Err(Reason::HsmAway);
    }
    let facts = card_facts(books, id)?.ok_or(Reason::Fault)?;
    let answer = proved.and_then(|()| facts.standing.allows(Nature::BalanceInquiry)).map(|()| available(&facts));
    let cards = if after == *card { Vec::new() } else { vec![after] };
    Ok(Decided { answer, change: Change { cards, ..Change::default() } })
}

/// The leg with the front's decision and what it was decided from. `Err(Fault)` when the books do not have what they should.
fn routed(
    books: &Books,
    mut leg: Leg,
    party: Party,
    (nature, amount): (Nature, Money),
    line: Line,
) -> Result<(Leg, Result<(), Reason>), Reason> {
    let facts = facts_of(books, party, (nature, amount))?;
    let facts = if let Line::Left(left) = line { facts.kept_elsewhere(left) } else { facts };
    leg.decision = facts.to_string();
    let routed = route(&facts).map(|splits| {
        leg.account_id = leg.account_id.or_else(|| splits.first().map(|split| split.account_id));
        leg.splits = splits;
    });
    Ok((leg, routed))
}

/// What the books know of who pays or gets. `Err(Fault)` when they do not have what they should.
fn facts_of(books: &Books, party: Party, (nature, amount): (Nature, Money)) -> Result<Facts, Reason> {
    let party = match party {
        Party::Account(id) => {
            let facts = |account: &Account| -> Result<_, Reason> {
                let frozen = account.is_frozen() || books.is_frozen_by_card(account)?;
                Ok(AccountFacts { frozen, ..AccountFacts::from(account) })
            };
            PartyFacts::Account(id, books.account(id).map(facts).transpose()?)
        }
        Party::Card(id) => PartyFacts::Card(id, card_facts(books, id)?),
        Party::UnknownCard => return Err(Reason::Fault),
    };
    Ok(Facts { nature, amount, party })
}

/// What the books know of a card and its accounts; `None` for a card that the bank does not have. `Err(Fault)` when its
/// accounts or the day were not loaded.
pub fn card_facts(books: &Books, id: CardId) -> Result<Option<CardFacts>, Reason> {
    let Some(card) = books.card(id) else { return Ok(None) };
    let account = |id: AccountId| books.account(id).ok_or(Reason::Fault);
    Ok(Some(CardFacts {
        standing: card.standing(books.today()?),
        debit: card.sides.debit().map(|id| account(id).and_then(DebitFacts::of)).transpose()?,
        credit: card.sides.credit().map(|id| account(id).and_then(CreditFacts::of)).transpose()?,
    }))
}

/// Whether so much may be paid back: with what is on its way already it leaves at most as much to the holder's credit as the account's
/// limit is. A card is for borrowing; more than that is a mistake or a deposit that the bank has not agreed to.
fn may_repay(books: &Books, leg: &Leg, amount: Money) -> Result<(), Reason> {
    let account = leg.account_id.and_then(|id| books.account(id)).ok_or(Reason::Fault)?;
    let most = account.credit.map_or(0, |line| line.limit_minor.max(0));
    let coming = account.balances.credits_pending.saturating_add(amount.minor);
    if account.balance_minor().saturating_add(coming) > most { Err(Reason::RepaymentTooLarge) } else { Ok(()) }
}

/// Whether the money of a leg can be put aside into this account: a savings account of the same holder and currency.
fn may_save(books: &Books, leg: &Leg, id: AccountId) -> Result<(), Reason> {
    let holder = leg.account_id.and_then(|id| books.account(id)).and_then(|account| account.holder.as_ref());
    let Some(account) = books
        .account(id)
        .filter(|account| account.kind == AccountKind::CustomerSavings && account.holder.as_ref() == holder)
    else {
        return Err(Reason::AccountUnknown);
    };
    if account.status == AccountStatus::Closed {
        return Err(Reason::AccountClosed);
    }
    if leg.amount().is_none_or(|amount| amount.currency != account.currency) {
        return Err(Reason::CurrencyMismatch);
    }
    Ok(())
}

/// Whether the money of a leg can come back from this account, as far as there is any: frozen, none goes out of it.
fn may_take_savings(books: &Books, leg: &Leg, id: AccountId) -> Result<(), Reason> {
    may_save(books, leg, id)?;
    match books.account(id) {
        Some(account) if account.is_frozen() => Err(Reason::AccountFrozen),
        Some(account) if account.status == AccountStatus::Inactive => Err(Reason::AccountInactive),
        _ => Ok(()),
    }
}

/// Notes what an existing credit system said of its part of a leg that is asking: the leg is held, or refused for the reason and
/// what it took is released. A leg that is not asking stays as it is. `Err` with `LegUnknown`.
pub fn settle(
    books: &Books,
    leg_id: LegId,
    answer: Result<(), Reason>,
    now: Timestamp,
) -> Result<Decided<Leg>, Reason> {
    let leg = books.leg(leg_id).ok_or(Reason::LegUnknown)?;
    let Some(taken) = leg.amount().filter(|_| leg.state == LegState::Asking) else {
        return Ok(Decided::unchanged(leg.clone()));
    };
    let (state, transfers) = match answer {
        Ok(()) => (LegState::Held, Vec::new()),
        Err(reason) => (LegState::Refused(reason), leg.resolutions(taken.minor, now)),
    };
    let accounts = books.moved(&transfers, now)?;
    let leg = leg.moved_to(state, now);
    Ok(stored(leg.clone(), vec![leg], accounts, transfers))
}

/// Moves what a leg holds. Posted already is fine. `Err` with `LegUnknown`, `LegVoided`, `LegRefused`, or `BankAway` for a leg
/// whose hold has not been answered.
pub fn post(books: &Books, leg_id: LegId, now: Timestamp) -> Result<Decided<Leg>, Reason> {
    let Some(leg) = books.leg_of(Origin::Hub, leg_id) else {
        return Err(Reason::LegUnknown);
    };
    if leg.state == LegState::Posted {
        return Ok(Decided::unchanged(leg.clone()));
    }
    if leg.state == LegState::Voided {
        return Err(Reason::LegVoided);
    }
    if leg.state == LegState::Asking {
        return Err(Reason::BankAway);
    }
    if leg.state != LegState::Held {
        return Err(Reason::LegRefused);
    }
    let transfers = leg.resolutions(0, now);
    let accounts = books.moved(&transfers, now)?;
    let leg = leg.moved_to(LegState::Posted, now);
    Ok(stored(leg.clone(), vec![leg], accounts, transfers))
}

/// Moves as much of a pre-authorisation as was used, or of any charge of another network, and releases the rest: what was drawn last gives way first. The same
/// completion again is fine. `Err` with `LegUnknown`, `LegIdTaken` for another payment's leg, `NotPreAuthorised`,
/// `CurrencyMismatch`, `AmountNotPositive`, `CompletionTooLarge`, `LegVoided`, `LegRefused`, `BankAway` as [`post`], or
/// `LegPosted` for one that was completed with another amount.
pub fn complete(books: &Books, order: CompletionOrder, now: Timestamp) -> Result<Decided<Leg>, Reason> {
    let Some(leg) = books.leg_of(order.origin, order.leg_id) else {
        return Err(Reason::LegUnknown);
    };
    if leg.payment_id != order.payment_id {
        return Err(Reason::LegIdTaken);
    }
    if leg.state == LegState::Voided {
        return Err(Reason::LegVoided);
    }
    let is_open = leg.nature() == Some(Nature::PreAuthorisation) || leg.order.network_charge().is_some();
    let Some(held) = leg.amount().filter(|_| is_open) else {
        return Err(Reason::NotPreAuthorised);
    };
    if held.currency != order.amount.currency {
        return Err(Reason::CurrencyMismatch);
    }
    if order.amount.minor <= 0 {
        return Err(Reason::AmountNotPositive);
    }
    if leg.state == LegState::Posted {
        let same = leg.kept_minor() == order.amount.minor;
        return if same { Ok(Decided::unchanged(leg.clone())) } else { Err(Reason::LegPosted) };
    }
    if leg.state == LegState::Asking {
        return Err(Reason::BankAway);
    }
    if leg.state != LegState::Held {
        return Err(Reason::LegRefused);
    }
    let released_minor = held.minor.saturating_sub(order.amount.minor);
    if released_minor < 0 {
        return Err(Reason::CompletionTooLarge);
    }
    let transfers = leg.resolutions(released_minor, now);
    let accounts = books.moved(&transfers, now)?;
    let leg = Leg { released_minor, ..leg.moved_to(LegState::Posted, now) };
    Ok(stored(leg.clone(), vec![leg], accounts, transfers))
}

/// Releases what a leg holds. Voided already, and refused, are fine. An unknown leg leaves a tombstone.
/// `Err` with `LegIdTaken` for another payment's leg, `LegUnknown` for one of another origin, and `LegPosted` for one that is past
/// releasing.
pub fn void(books: &Books, order: VoidOrder, now: Timestamp) -> Result<Decided<Leg>, Reason> {
    let Some(leg) = books.leg(order.leg_id) else {
        let named = (order.origin, order.payment_id);
        let leg = Leg::new(order.leg_id, named, LegOrder::Unseen, LegState::Voided, now);
        return Ok(stored(leg.clone(), vec![leg], Vec::new(), Vec::new()));
    };
    if leg.origin != order.origin {
        return Err(Reason::LegUnknown);
    }
    if leg.payment_id != order.payment_id {
        return Err(Reason::LegIdTaken);
    }
    if leg.state == LegState::Posted {
        return Err(Reason::LegPosted);
    }
    let Some(held) = leg.amount().filter(|_| matches!(leg.state, LegState::Held | LegState::Asking)) else {
        return Ok(Decided::unchanged(leg.clone()));
    };
    let transfers = leg.resolutions(held.minor, now);
    let accounts = books.moved(&transfers, now)?;
    let leg = leg.moved_to(LegState::Voided, now);
    Ok(stored(leg.clone(), vec![leg], accounts, transfers))
}

/// Gives money back over the parts of a leg, the last one first, posted at once, whatever became of card and accounts:
/// frozen, money can come in. The reversal of money that was paid in takes it out again, if it is still there. The answer is
/// a leg that is posted or refused; voided when it was voided before it came. `Err(LegIdTaken)` for another order under the
/// same id.
pub fn refund(books: &Books, order: &RefundOrder, now: Timestamp) -> Result<Decided<Leg>, Reason> {
    refund_if(books, order, now, |_| true)
}

/// As [`refund`], where an existing credit system keeps the credit accounts: what they have left is not for this ledger to say, so
/// that money which was paid into one can always be taken out again.
pub fn refund_elsewhere(books: &Books, order: &RefundOrder, now: Timestamp) -> Result<Decided<Leg>, Reason> {
    refund_if(books, order, now, |account| account.kind != AccountKind::CustomerCredit)
}

/// As [`refund`], with regard to what those accounts have left that `counts` says.
fn refund_if(
    books: &Books,
    order: &RefundOrder,
    now: Timestamp,
    counts: impl Fn(&Account) -> bool,
) -> Result<Decided<Leg>, Reason> {
    let leg_order = LegOrder::GiveBack(order.give_back.clone());
    let named = (order.origin, order.payment_id);
    if let Some(leg) = books.leg(order.leg_id) {
        return as_before(leg, named, &leg_order);
    }
    let amount = order.give_back.amount;
    let mut leg = Leg::new(order.leg_id, named, leg_order, LegState::Posted, now);
    let (original, paid) = match original_of(books, order) {
        Ok(found) => found,
        Err(reason) => return Ok(refused(leg, reason)),
    };
    leg.account_id = original.account_id;
    leg.account_masked.clone_from(&original.account_masked);
    if paid.currency != amount.currency {
        return Ok(refused(leg, Reason::CurrencyMismatch));
    }
    if amount.minor <= 0 {
        return Ok(refused(leg, Reason::AmountNotPositive));
    }
    if amount.minor > original.kept_minor().saturating_sub(original.refunded_minor) {
        return Ok(refused(leg, Reason::RefundTooLarge));
    }
    // The hub says that the payment was committed, so a leg that is held still is one whose post has not come yet.
    let mut transfers = match original.state {
        LegState::Held => original.resolutions(0, now),
        LegState::Asking | LegState::Posted | LegState::Voided | LegState::Refused(_) => Vec::new(),
    };
    let facts = ReturnFacts {
        drawn: original.kept_splits(),
        returned_minor: original.refunded_minor,
        amount_minor: amount.minor,
    };
    leg.decision = facts.to_string();
    leg.splits = facts.decide();
    let back = leg.transfers(&original.order, TransferKind::Posted, now);
    transfers.extend(back.into_iter().map(turned_round));
    let accounts = match books.moved(&transfers, now) {
        Ok(accounts) => accounts,
        Err(Reason::Fault) => return Err(Reason::Fault),
        Err(reason) => return Ok(refused(leg, reason)),
    };
    let counted: Vec<Account> = accounts.iter().filter(|account| counts(account)).cloned().collect();
    if is_short(&counted, &transfers) {
        return Ok(refused(leg, Reason::InsufficientFunds));
    }
    let mut original = original.moved_to(LegState::Posted, now);
    original.refunded_minor = original.refunded_minor.saturating_add(amount.minor);
    Ok(stored(leg.clone(), vec![original, leg], accounts, transfers))
}

/// The leg to give back from, and what it was about. A pre-authorisation that nobody has completed took nothing, and neither did
/// a charge that its network has not posted.
fn original_of<'b>(books: &'b Books, order: &RefundOrder) -> Result<(&'b Leg, Money), Reason> {
    let leg = books.leg_of(order.origin, order.give_back.original_leg_id).ok_or(Reason::OriginalUnknown)?;
    let nature = leg.nature().ok_or(Reason::OriginalUnknown)?;
    match leg.state {
        LegState::Held if nature == Nature::PreAuthorisation || leg.origin == Origin::Network => {
            Err(Reason::LegNotPosted)
        }
        LegState::Asking => Err(Reason::LegNotPosted),
        LegState::Held | LegState::Posted => Ok((leg, leg.amount().ok_or(Reason::OriginalUnknown)?)),
        LegState::Voided | LegState::Refused(_) => Err(Reason::OriginalUnknown),
    }
}

/// Whether a customer's account that these transfers take from would have less than nothing left.
pub(super) fn is_short(moved: &[Account], transfers: &[Transfer]) -> bool {
    let takes = |kind| matches!(kind, TransferKind::Posted | TransferKind::Pending);
    let debited = |id: AccountId| transfers.iter().any(|transfer| takes(transfer.kind) && transfer.debit_account == id);
    moved.iter().any(|account| !account.kind.is_house() && account.available_minor() < 0 && debited(account.id))
}

/// The same transfer in the other direction.
fn turned_round(transfer: Transfer) -> Transfer {
    Transfer { debit_account: transfer.credit_account, credit_account: transfer.debit_account, ..transfer }
}

/// The answer to an id that is known: the same order gets the leg as it stands.
fn as_before(leg: &Leg, named: (Origin, PaymentId), order: &LegOrder) -> Result<Decided<Leg>, Reason> {
    if (leg.origin, leg.payment_id) != named {
        return Err(Reason::LegIdTaken);
    }
    if leg.order != LegOrder::Unseen && leg.order != *order {
        return Err(Reason::LegIdTaken);
    }
    Ok(Decided::unchanged(leg.clone()))
}

fn refused(mut leg: Leg, reason: Reason) -> Decided<Leg> {
    leg.state = LegState::Refused(reason);
    leg.splits = Vec::new();
    stored(leg.clone(), vec![leg], Vec::new(), Vec::new())
}

fn stored(answer: Leg, legs: Vec<Leg>, accounts: Vec<Account>, transfers: Vec<Transfer>) -> Decided<Leg> {
    Decided { answer, change: Change { legs, accounts, transfers, ..Change::default() } }
}
