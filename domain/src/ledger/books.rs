//! The part of the ledger that a set of steps names, in memory: decisions look at it, changes are applied to it, and what
//! changed is written back in one go.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::civil::Date;

use super::{Account, AccountKind, Booking, BookingId, Deposit, DepositId, Leg, Origin, Transfer};
use crate::card::Card;
use crate::credit::Position;
use crate::{AccountId, CardId, LegId, Reason, Timestamp};

/// What a decision stores.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    pub legs: Vec<Leg>,
    /// Accounts as they are afterwards.
    pub accounts: Vec<Account>,
    pub transfers: Vec<Transfer>,
    pub deposit: Option<Deposit>,
    pub cards: Vec<Card>,
    pub bookings: Vec<Booking>,
    /// The position of a credit account that was opened, or whose day was closed.
    pub position: Option<Position>,
}

impl Change {
    /// Whether nothing is stored, as when the same was asked before.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A decision: the answer, and what has to be stored before it is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided<T> {
    pub answer: T,
    pub change: Change,
}

impl<T> Decided<T> {
    /// Was decided before, or is so already.
    pub(super) fn unchanged(answer: T) -> Self {
        Self { answer, change: Change::default() }
    }
}

/// The loaded rows and what became of them.
#[derive(Clone, Debug, Default)]
pub struct Books {
    accounts: HashMap<AccountId, Account>,
    legs: HashMap<LegId, Leg>,
    deposits: HashMap<DepositId, Deposit>,
    cards: HashMap<CardId, Card>,
    bookings: HashMap<BookingId, Booking>,
    positions: HashMap<AccountId, Position>,
    today: Option<Date>,
    changed_accounts: BTreeSet<AccountId>,
    changed_legs: BTreeSet<LegId>,
    new_deposits: BTreeSet<DepositId>,
    new_bookings: BTreeSet<BookingId>,
    changed_cards: BTreeSet<CardId>,
    changed_positions: BTreeSet<AccountId>,
    transfers: Vec<Transfer>,
}

impl Books {
    /// Puts in rows as they are stored.
    pub fn load(
        &mut self,
        accounts: impl IntoIterator<Item = Account>,
        legs: impl IntoIterator<Item = Leg>,
        deposits: impl IntoIterator<Item = Deposit>,
    ) {
        self.accounts.extend(accounts.into_iter().map(|account| (account.id, account)));
        self.legs.extend(legs.into_iter().map(|leg| (leg.id, leg)));
        self.deposits.extend(deposits.into_iter().map(|deposit| (deposit.id, deposit)));
    }

    /// Puts in cards as they are stored, and the day in the bank's time zone, by which they expire.
    pub fn load_cards(&mut self, cards: impl IntoIterator<Item = Card>, today: Date) {
        self.cards.extend(cards.into_iter().map(|card| (card.id, card)));
        self.today = Some(today);
    }

    /// Puts in positions of credit accounts and bookings as they are stored.
    pub fn load_credit(
        &mut self,
        positions: impl IntoIterator<Item = Position>,
        bookings: impl IntoIterator<Item = Booking>,
    ) {
        self.positions.extend(positions.into_iter().map(|position| (position.account_id(), position)));
        self.bookings.extend(bookings.into_iter().map(|booking| (booking.id(), booking)));
    }

    pub fn card(&self, id: CardId) -> Option<&Card> {
        self.cards.get(&id)
    }

    /// Whether money may not go out of an account because of the card that leads to it. `Err(Fault)` when that card was not
    /// put in.
    pub(super) fn is_frozen_by_card(&self, account: &Account) -> Result<bool, Reason> {
        account.card.map_or(Ok(false), |id| self.card(id).map(Card::is_frozen).ok_or(Reason::Fault))
    }

    pub fn booking(&self, id: BookingId) -> Option<&Booking> {
        self.bookings.get(&id)
    }

    pub fn position(&self, id: AccountId) -> Option<&Position> {
        self.positions.get(&id)
    }

    /// The day in the bank's time zone. `Err(Fault)` when it was not put in with the cards.
    pub fn today(&self) -> Result<Date, Reason> {
        self.today.ok_or(Reason::Fault)
    }

    pub fn account(&self, id: AccountId) -> Option<&Account> {
        self.accounts.get(&id)
    }

    pub fn leg(&self, id: LegId) -> Option<&Leg> {
        self.legs.get(&id)
    }

    /// The leg, as far as whoever asks for it may know it.
    pub(super) fn leg_of(&self, origin: Origin, id: LegId) -> Option<&Leg> {
        self.leg(id).filter(|leg| leg.origin == origin)
    }

    pub fn deposit(&self, id: DepositId) -> Option<&Deposit> {
        self.deposits.get(&id)
    }

    /// All loaded accounts, those of the bank included.
    pub fn accounts(&self) -> impl Iterator<Item = &Account> {
        self.accounts.values()
    }

    pub fn legs(&self) -> impl Iterator<Item = &Leg> {
        self.legs.values()
    }

    /// The accounts that these transfers move, as they are afterwards. The bank's own accounts come into being with their
    /// first transfer. Refused with `AmountTooLarge` when a sum would leave its range, and with `Fault` when an account was not
    /// loaded or has another currency.
    pub(super) fn moved(&self, transfers: &[Transfer], now: Timestamp) -> Result<Vec<Account>, Reason> {
        let mut moved: BTreeMap<AccountId, Account> = BTreeMap::new();
        for transfer in transfers {
            for (id, debit) in [(transfer.debit_account, true), (transfer.credit_account, false)] {
                let account = match moved.remove(&id) {
                    Some(account) => account,
                    None => self.account(id).cloned().or_else(|| Account::house(id, now)).ok_or(Reason::Fault)?,
                };
                if account.currency != transfer.amount.currency {
                    return Err(Reason::Fault);
                }
                let sums = if debit {
                    account.balances.debited(transfer.kind, transfer.amount.minor)
                } else {
                    account.balances.credited(transfer.kind, transfer.amount.minor)
                };
                let balances = sums.ok_or(Reason::AmountTooLarge)?;
                let credit = match account.credit {
                    Some(line) if transfer.cash_advance && account.kind == AccountKind::CustomerCredit => {
                        let line = line.moved(transfer.kind, transfer.amount.minor, !debit);
                        Some(line.ok_or(Reason::AmountTooLarge)?)
                    }
                    other => other,
                };
                moved.insert(id, Account { balances, credit, ..account });
            }
        }
        Ok(moved.into_values().collect())
    }

    /// Makes a decision part of the books, so that the next decision sees it.
    pub fn apply(&mut self, change: Change) {
        for account in change.accounts {
            self.changed_accounts.insert(account.id);
            self.accounts.insert(account.id, account);
        }
        for leg in change.legs {
            self.changed_legs.insert(leg.id);
            self.legs.insert(leg.id, leg);
        }
        if let Some(deposit) = change.deposit {
            self.new_deposits.insert(deposit.id);
            self.deposits.insert(deposit.id, deposit);
        }
        for card in change.cards {
            self.changed_cards.insert(card.id);
            self.cards.insert(card.id, card);
        }
        for booking in change.bookings {
            self.new_bookings.insert(booking.id());
            self.bookings.insert(booking.id(), booking);
        }
        if let Some(position) = change.position {
            self.changed_positions.insert(position.account_id());
            self.positions.insert(position.account_id(), position);
        }
        self.transfers.extend(change.transfers);
    }

    /// The accounts that changed since they were loaded, in order of their ids. Each is written once, at the version after
    /// its own.
    pub fn changed_accounts(&self) -> impl Iterator<Item = &Account> {
        self.changed_accounts.iter().filter_map(|id| self.accounts.get(id))
    }

    /// The legs that changed, in order of their ids.
    pub fn changed_legs(&self) -> impl Iterator<Item = &Leg> {
        self.changed_legs.iter().filter_map(|id| self.legs.get(id))
    }

    pub fn new_deposits(&self) -> impl Iterator<Item = &Deposit> {
        self.new_deposits.iter().filter_map(|id| self.deposits.get(id))
    }

    /// The cards that changed, in order of their ids.
    pub fn changed_cards(&self) -> impl Iterator<Item = &Card> {
        self.changed_cards.iter().filter_map(|id| self.cards.get(id))
    }

    pub fn new_bookings(&self) -> impl Iterator<Item = &Booking> {
        self.new_bookings.iter().filter_map(|id| self.bookings.get(id))
    }

    /// The positions that changed, in order of their accounts.
    pub fn changed_positions(&self) -> impl Iterator<Item = &Position> {
        self.changed_positions.iter().filter_map(|id| self.positions.get(id))
    }

    /// The transfers that were made, in order.
    pub fn new_transfers(&self) -> &[Transfer] {
        &self.transfers
    }
}
