//! What happens at the bank's own counter: accounts are opened, cash is paid in, accounts are frozen, cards are issued and
//! changed.

use std::fmt;

use uuid::Uuid;

use super::{
    Account, AccountKind, AccountStatus, Balances, Books, Change, CreditLine, Decided, Transfer, TransferKind,
};
use crate::card::{Card, PinCheck};
use crate::credit::Position;
use crate::freeze::{HolderFreeze, HolderOrder};
use crate::payment::Instrument;
use crate::text::Line;
use crate::{AccountId, CardId, Currency, LegId, Money, Reason, Timestamp};

/// The id of a cash deposit, made by the counter.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DepositId(Uuid);

impl DepositId {
    /// Wraps an id that was stored.
    pub const fn from_uuid(id: Uuid) -> Self {
        Self(id)
    }

    /// Reads the 36-character form of a UUID of version 7.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        // One rule for the form of all ids.
        LegId::parse(text).map(|id| Self(id.uuid()))
    }

    pub const fn uuid(self) -> Uuid {
        self.0
    }
}

impl fmt::Display for DepositId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl fmt::Debug for DepositId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// Cash paid in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deposit {
    pub id: DepositId,
    pub account_id: AccountId,
    pub amount: Money,
}

/// What sort of account to open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewAccount {
    Deposit,
    Savings,
    /// With its limits in minor units; that on cash advances is part of the other.
    Credit {
        limit_minor: i64,
        cash_limit_minor: i64,
    },
}

impl NewAccount {
    const fn kind(self) -> AccountKind {
        match self {
            Self::Deposit => AccountKind::CustomerDeposit,
            Self::Savings => AccountKind::CustomerSavings,
            Self::Credit { .. } => AccountKind::CustomerCredit,
        }
    }

    fn credit(self) -> Option<CreditLine> {
        match self {
            Self::Deposit | Self::Savings => None,
            Self::Credit { limit_minor, cash_limit_minor } => {
                Some(CreditLine { limit_minor, cash_limit_minor, ..CreditLine::default() })
            }
        }
    }

    /// Whether the limits make sense.
    const fn is_fine(self) -> bool {
        match self {
            Self::Deposit | Self::Savings => true,
            Self::Credit { limit_minor, cash_limit_minor } => cash_limit_minor >= 0 && cash_limit_minor <= limit_minor,
        }
    }
}

/// Open an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpeningOrder {
    pub account_id: AccountId,
    pub new: NewAccount,
    pub currency: Currency,
    pub holder: Line,
    /// The most that one payment may take, in minor units; 0 is no limit.
    pub payment_limit_minor: i64,
    /// The digits that the account gets as its number if it is opened.
    pub number: Box<str>,
}

/// Freeze or unfreeze an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FreezeOrder {
    pub account_id: AccountId,
    pub frozen: bool,
}

/// Opens an account with nothing in it. The same order again gives the account as it stands, with the number that it got
/// first. `Err` with `IdTaken` or `AmountMalformed` (a limit below zero, or one on cash advances above the other); a credit
/// account begins on the day of the books.
pub fn open_account(books: &Books, order: &OpeningOrder, now: Timestamp) -> Result<Decided<Account>, Reason> {
    if order.payment_limit_minor < 0 || !order.new.is_fine() {
        return Err(Reason::AmountMalformed);
    }
    if let Some(account) = books.account(order.account_id) {
        let limits = |line: CreditLine| (line.limit_minor, line.cash_limit_minor);
        let same = account.kind == order.new.kind()
            && account.credit.map(limits) == order.new.credit().map(limits)
            && account.currency == order.currency
            && account.holder.as_ref() == Some(&order.holder)
            && account.payment_limit_minor == order.payment_limit_minor;
        return if same { Ok(Decided::unchanged(account.clone())) } else { Err(Reason::IdTaken) };
    }
    let account = Account {
        id: order.account_id,
        kind: order.new.kind(),
        currency: order.currency,
        balances: Balances::default(),
        status: AccountStatus::Active,
        frozen: false,
        frozen_by_holder: false,
        payment_limit_minor: order.payment_limit_minor,
        credit: order.new.credit(),
        card: None,
        holder: Some(order.holder.clone()),
        number: Some(order.number.clone()),
        opened_at: now,
        version: 0,
    };
    let position = match order.new {
        NewAccount::Credit { .. } => Some(Position::opened(account.id, books.today()?)),
        NewAccount::Deposit | NewAccount::Savings => None,
    };
    let mut decided = with_account(account);
    decided.change.position = position;
    Ok(decided)
}

/// Pays cash in, frozen or not. The same deposit again gives the account as it stands. `Err` with `IdTaken`, `AccountUnknown`,
/// `AccountClosed`, `CurrencyMismatch`, `AmountNotPositive` or `AmountTooLarge`.
pub fn deposit_cash(books: &Books, order: Deposit, now: Timestamp) -> Result<Decided<Account>, Reason> {
    if books.deposit(order.id).is_some_and(|deposit| *deposit != order) {
        return Err(Reason::IdTaken);
    }
    let Some(account) = books.account(order.account_id).filter(|account| !account.kind.is_house()) else {
        return Err(Reason::AccountUnknown);
    };
    if books.deposit(order.id).is_some() {
        return Ok(Decided::unchanged(account.clone()));
    }
    if account.status == AccountStatus::Closed {
        return Err(Reason::AccountClosed);
    }
    if account.currency != order.amount.currency {
        return Err(Reason::CurrencyMismatch);
    }
    if order.amount.minor <= 0 {
        return Err(Reason::AmountNotPositive);
    }
    let transfer = Transfer {
        source: order.id.uuid(),
        seq: 0,
        kind: TransferKind::Posted,
        debit_account: AccountKind::Cash.house_id(account.currency),
        credit_account: account.id,
        amount: order.amount,
        cash_advance: false,
        made_at: now,
    };
    let accounts = books.moved(std::slice::from_ref(&transfer), now)?;
    let answer = accounts.iter().find(|moved| moved.id == account.id).unwrap_or(account).clone();
    let change = Change { accounts, transfers: vec![transfer], deposit: Some(order), ..Change::default() };
    Ok(Decided { answer, change })
}

/// Freezes or unfreezes on the bank's part. So already is fine. `Err` with `AccountUnknown` or `AccountClosed`.
pub fn set_frozen(books: &Books, order: FreezeOrder) -> Result<Decided<Account>, Reason> {
    let Some(account) = books.account(order.account_id).filter(|account| !account.kind.is_house()) else {
        return Err(Reason::AccountUnknown);
    };
    if account.status == AccountStatus::Closed {
        return Err(Reason::AccountClosed);
    }
    if account.frozen == order.frozen {
        return Ok(Decided::unchanged(account.clone()));
    }
    Ok(with_account(Account { frozen: order.frozen, ..account.clone() }))
}

/// Follows an order of the holder of an account or a card, and gives how it is left; `known` is how an order before has left it. `Err`
/// with `AccountUnknown`, `AccountClosed`, `CardUnknown`, `CardReplaced`, `CardClosed`, or as [`HolderFreeze::follow`].
pub fn follow_holder(
    books: &Books,
    instrument: Instrument,
    known: Option<HolderFreeze>,
    order: HolderOrder,
    now: Timestamp,
) -> Result<Decided<HolderFreeze>, Reason> {
    let answer = HolderFreeze::follow(known, order, now)?;
    let change = match instrument {
        Instrument::Card(id) => change_card(books, id, |card| card.set_frozen_by_holder(answer.frozen))?.change,
        Instrument::Account(id) => {
            let account = books.account(id).filter(|account| !account.kind.is_house());
            let account = account.ok_or(Reason::AccountUnknown)?;
            if account.status == AccountStatus::Closed {
                return Err(Reason::AccountClosed);
            }
            match account.frozen_by_holder == answer.frozen {
                true => Change::default(),
                false => with_account(Account { frozen_by_holder: answer.frozen, ..account.clone() }).change,
            }
        }
    };
    Ok(Decided { answer, change })
}

/// Gives out a new card over accounts that no other card leads to (C3). The same one again gives the card as it stands. `Err`
/// with `IdTaken`, `AccountUnknown`, `AccountClosed` or `AccountTaken`.
pub fn issue_card(books: &Books, mut card: Card) -> Result<Decided<Card>, Reason> {
    if let Some(known) = books.card(card.id) {
        // Its number was drawn for it: whoever asks for the same card again gets the one that was drawn first.
        let same = known.sides == card.sides;
        return if same { Ok(Decided::unchanged(known.clone())) } else { Err(Reason::IdTaken) };
    }
    let debit = card.sides.debit().map(|id| (id, AccountKind::CustomerDeposit));
    let credit = card.sides.credit().map(|id| (id, AccountKind::CustomerCredit));
    let mut accounts = Vec::new();
    for (id, kind) in debit.into_iter().chain(credit) {
        let account = books.account(id).filter(|account| account.kind == kind).ok_or(Reason::AccountUnknown)?;
        if account.status == AccountStatus::Closed {
            return Err(Reason::AccountClosed);
        }
        if let Some(other) = account.card {
            let other = books.card(other).ok_or(Reason::Fault)?;
            if !other.has_ended() {
                return Err(Reason::AccountTaken);
            }
            // What was frozen stays frozen until somebody says otherwise.
            card.frozen |= other.is_frozen();
        }
        accounts.push(Account { card: Some(card.id), ..account.clone() });
    }
    let change = Change { accounts, cards: vec![card.clone()], ..Change::default() };
    Ok(Decided { answer: card, change })
}

/// Gives out a card that takes over the accounts of another one. The same one again gives the new card as it stands. `Err` with
/// `CardUnknown`, `IdTaken`, `AccountTaken` when another card leads to its accounts by now, or as [`Card::replace`].
pub fn replace_card(books: &Books, id: CardId, new: Card) -> Result<Decided<Card>, Reason> {
    let old = books.card(id).ok_or(Reason::CardUnknown)?;
    if let Some(known) = books.card(new.id) {
        let same = old.replaced_by == Some(known.id);
        return if same { Ok(Decided::unchanged(known.clone())) } else { Err(Reason::IdTaken) };
    }
    let before = old.id;
    let old = old.clone().replace(new.id)?;
    let account = |id| books.account(id).ok_or(Reason::Fault);
    for id in old.sides.accounts() {
        // Another card may lead to them since this one was lost.
        if account(id)?.card != Some(before) {
            return Err(Reason::AccountTaken);
        }
    }
    let accounts = old.sides.accounts().map(|id| Ok(Account { card: Some(new.id), ..account(id)?.clone() }));
    let accounts = accounts.collect::<Result<_, Reason>>()?;
    let change = Change { accounts, cards: vec![old, new.clone()], ..Change::default() };
    Ok(Decided { answer: new, change })
}

/// Takes a card through one of its transitions, such as [`Card::set_frozen`]. So already is fine. `Err` with `CardUnknown`,
/// or as the transition.
pub fn change_card(
    books: &Books,
    id: CardId,
    transition: impl FnOnce(Card) -> Result<Card, Reason>,
) -> Result<Decided<Card>, Reason> {
    let card = books.card(id).ok_or(Reason::CardUnknown)?;
    let changed = transition(card.clone())?;
    Ok(if changed == *card { Decided::unchanged(changed) } else { with_card(changed) })
}

/// Makes room for a new PIN: changed by its holder with the PIN before it, of which `current` says what the HSM found, or set by
/// the bank after it has identified the holder. What was found is stored either way. `Err` inside with `CardNotVerified` or
/// `CardLocked`; `Err` with `CardUnknown`, `HsmAway`, or as [`Card::pin_set`].
pub fn change_pin(
    books: &Books,
    id: CardId,
    current: Option<PinCheck>,
) -> Result<Decided<Result<Card, Reason>>, Reason> {
    let card = books.card(id).ok_or(Reason::CardUnknown)?;
    let (after, told) = match current {
        None => (card.clone(), Ok(())),
        Some(check) => card.clone().pin_checked(check),
    };
    let (after, answer) = match told {
        Err(Reason::HsmAway) => return Err(Reason::HsmAway),
        Err(reason) => (after, Err(reason)),
        Ok(()) => {
            let set = after.pin_set()?;
            (set.clone(), Ok(set))
        }
    };
    let cards = if after == *card { Vec::new() } else { vec![after] };
    Ok(Decided { answer, change: Change { cards, ..Change::default() } })
}

fn with_card(card: Card) -> Decided<Card> {
    let change = Change { cards: vec![card.clone()], ..Change::default() };
    Decided { answer: card, change }
}

fn with_account(account: Account) -> Decided<Account> {
    let change = Change { accounts: vec![account.clone()], ..Change::default() };
    Decided { answer: account, change }
}
