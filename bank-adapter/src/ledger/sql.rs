//! The rows of accounts, legs, transfers and deposits.

use std::collections::BTreeSet;

use domain::card::Card;
use domain::ledger::{
    Account, AccountKind, AccountStatus, Balances, Books, Charge, CreditLine, Deposit, DepositId, GiveBack, Leg,
    LegOrder, LegState, Nature, Origin, Party, Receipt, Sale, Transfer, read_splits, write_splits,
};
use domain::purchase::{CategoryCode, Merchant};
use domain::text::Line;
use domain::{AccountId, CardId, Currency, LegId, MerchantId, Money, PaymentId, Reason, Timestamp};
use jiff::civil::Date;
use server_kit::store::{Keys, Load, Row, Store, StoreError, Table, Tx, Value};
use uuid::Uuid;

use super::card_steps::CardFiles;
pub(super) use super::named::Named;
use super::recent::Recent;
use crate::card::sql as card;
use crate::freeze;
use crate::network;

const ACCOUNTS: Table = Table {
    name: "accounts",
    key: &["account_id"],
    columns: &[
        "account_id",
        "version",
        "debits_posted_minor",
        "credits_posted_minor",
        "debits_pending_minor",
        "credits_pending_minor",
        "status",
        "frozen",
        "cash_owed_minor",
        "cash_held_minor",
        "card_id",
        // From here on nothing changes after the account was opened: see ACCOUNT_SUMS.
        "kind",
        "currency",
        "payment_limit_minor",
        "credit_limit_minor",
        "cash_limit_minor",
        "holder_name",
        "account_number",
        "opened_at",
    ],
};

/// What changes of an account after it was opened, up to `card_id`.
const ACCOUNT_SUMS: Table = ACCOUNTS.changing(11);

const LEGS: Table = Table {
    name: "legs",
    key: &["leg_id"],
    columns: &[
        "leg_id",
        "version",
        "state",
        "refusal",
        "released_minor",
        "refunded_minor",
        "changed_at",
        // From here on nothing changes after the leg was made: see LEG_STATES.
        "payment_id",
        "kind",
        "nature",
        "account_id",
        "card_id",
        "savings_account_id",
        "account_masked",
        "currency",
        "amount_minor",
        "original_leg_id",
        "merchant_id",
        "merchant_name",
        "merchant_category",
        "splits",
        "decision",
        "created_at",
        "origin",
        "sale",
    ],
};

/// What changes of a leg after it was made, up to `changed_at`.
const LEG_STATES: Table = LEGS.changing(7);

const TRANSFERS: Table = Table {
    name: "transfers",
    key: &["source_id", "seq"],
    columns: &[
        "source_id",
        "seq",
        "kind",
        "resolves_seq",
        "debit_account_id",
        "credit_account_id",
        "currency",
        "amount_minor",
        "made_at",
    ],
};

const DEPOSITS: Table = Table {
    name: "deposits",
    key: &["deposit_id"],
    columns: &["deposit_id", "account_id", "currency", "amount_minor", "made_at"],
};

macro_rules! select_accounts {
    ($tail:literal) => {
        concat!(
            "SELECT account_id, version, kind, currency, debits_posted_minor, credits_posted_minor, \
             debits_pending_minor, credits_pending_minor, status, frozen, payment_limit_minor, holder_name, \
             account_number, opened_at, credit_limit_minor, cash_limit_minor, cash_owed_minor, cash_held_minor, \
             card_id FROM accounts ",
            $tail
        )
    };
}

macro_rules! select_legs {
    ($tail:literal) => {
        concat!(
            "SELECT leg_id, version, payment_id, kind, state, refusal, account_id, account_masked, currency, \
             amount_minor, original_leg_id, merchant_id, merchant_name, merchant_category, splits, refunded_minor, \
             decision, created_at, changed_at, nature, card_id, savings_account_id, released_minor, origin, \
             sale FROM legs ",
            $tail
        )
    };
}

const LOAD_LEGS: Load = Load { select: select_legs!("WHERE leg_id"), tail: " ORDER BY leg_id", lock: true };
const LOAD_ACCOUNTS: Load =
    Load { select: select_accounts!("WHERE account_id"), tail: " ORDER BY account_id", lock: true };
const LOAD_DEPOSITS: Load = Load {
    select: "SELECT deposit_id, account_id, currency, amount_minor FROM deposits WHERE deposit_id",
    tail: " ORDER BY deposit_id",
    lock: false,
};

/// What is named: as it is remembered, and the rest with one query per table. `today` is the day in the bank's time zone.
pub(super) async fn load(tx: &mut Tx, named: Named, recent: &Recent, today: Date) -> Result<Books, StoreError> {
    let Named { legs, mut accounts, deposits, cards } = named;
    let (unknown, mut legs) = split(legs, |id| recent.leg(id));
    let rows = tx.load(LOAD_LEGS, Keys::Ids(unknown.into_iter().map(LegId::uuid).collect())).await?;
    for row in &rows {
        legs.push(leg_of(row)?);
    }
    for leg in &legs {
        accounts.extend(leg.splits.iter().map(|split| split.account_id));
        accounts.extend(leg.amount().map(|amount| leg.origin.settlement(amount.currency)));
        accounts.extend(leg.savings());
    }
    let (unknown, mut cards) = split(cards, |id| recent.card(id));
    cards.extend(card::load_cards(tx, unknown.into_iter().collect()).await?);
    accounts.extend(cards.iter().flat_map(|card| card.sides.accounts()));
    let (unknown, mut accounts) = split(accounts, |id| recent.account(id));
    let rows = tx.load(LOAD_ACCOUNTS, Keys::Ids(unknown.into_iter().map(AccountId::uuid).collect())).await?;
    for row in &rows {
        accounts.push(account_of(row)?);
    }
    let leading = accounts.iter().filter_map(|account| account.card).filter(|id| cards.iter().all(|it| it.id != *id));
    let (unknown, known) = split(leading.collect(), |id| recent.card(id));
    cards.extend(known);
    cards.extend(card::load_cards(tx, unknown.into_iter().collect()).await?);
    let rows = tx.load(LOAD_DEPOSITS, Keys::Ids(deposits.into_iter().map(DepositId::uuid).collect())).await?;
    let deposits = rows.iter().map(deposit_of).collect::<Result<Vec<_>, _>>()?;
    let mut books = Books::default();
    books.load(accounts, legs, deposits);
    books.load_cards(cards, today);
    Ok(books)
}

/// The ids of which nothing is remembered, and what is remembered of the others.
fn split<'r, I: Copy, T: Clone + 'r>(ids: BTreeSet<I>, known: impl Fn(I) -> Option<&'r T>) -> (Vec<I>, Vec<T>) {
    let (mut unknown, mut found) = (Vec::new(), Vec::new());
    for id in ids {
        match known(id) {
            Some(value) => found.push(value.clone()),
            None => unknown.push(id),
        }
    }
    (unknown, found)
}

/// Writes what changed, each table once. What was written is remembered if it is committed.
pub(super) async fn save(tx: &mut Tx, books: &Books, files: &CardFiles, recent: &mut Recent) -> Result<(), StoreError> {
    let now = tx.now();
    let (opened, moved): (Vec<_>, Vec<_>) = books.changed_accounts().partition(|account| account.version == 0);
    tx.insert(&ACCOUNTS, opened.iter().copied().map(account_row).collect()).await?;
    tx.update(&ACCOUNT_SUMS, moved.iter().copied().map(account_sums).collect()).await?;
    let (made, changed): (Vec<_>, Vec<_>) = books.changed_legs().partition(|leg| leg.version == 0);
    tx.insert(&LEGS, made.iter().copied().map(leg_row).collect()).await?;
    tx.update(&LEG_STATES, changed.iter().copied().map(leg_state).collect()).await?;
    tx.insert(&TRANSFERS, books.new_transfers().iter().map(transfer_row).collect()).await?;
    tx.insert(&DEPOSITS, books.new_deposits().map(|deposit| deposit_row(deposit, now)).collect()).await?;
    card::save_cards(tx, books, &files.new).await?;
    card::save_pins(tx, &files.new_pins).await?;
    files.answers.save(tx).await?;
    crate::credit::save_posted(tx, books).await?;
    let accounts = opened.into_iter().chain(moved);
    let legs = made.into_iter().chain(changed);
    let cards = books.changed_cards();
    recent.wrote(
        accounts.map(|account| Account { version: account.version.saturating_add(1), ..account.clone() }).collect(),
        legs.map(|leg| Leg { version: leg.version.saturating_add(1), ..leg.clone() }).collect(),
        cards.map(|card| Card { version: card.version.saturating_add(1), ..card.clone() }).collect(),
    );
    Ok(())
}

pub(super) async fn read_leg(store: &Store, id: LegId) -> Result<Option<Leg>, StoreError> {
    let row = store.fetch_one(select_legs!("WHERE leg_id = $1"), vec![id.uuid().into()]).await?;
    row.as_ref().map(leg_of).transpose()
}

/// The legs that have caused entries of credit accounts after one id, up to and with another. For a check at leisure.
pub(crate) async fn read_legs_of_entries(store: &Store, after: Uuid, last: Uuid) -> Result<Vec<Leg>, StoreError> {
    const SQL: &str = select_legs!(
        "WHERE leg_id IN (SELECT source_id FROM credit_entries WHERE account_id > $1 AND account_id <= $2)"
    );
    store.fetch_at_leisure(SQL, vec![after.into(), last.into()]).await?.iter().map(leg_of).collect()
}

pub(super) async fn read_account(store: &Store, id: AccountId) -> Result<Option<Account>, StoreError> {
    let row = store.fetch_one(select_accounts!("WHERE account_id = $1"), vec![id.uuid().into()]).await?;
    row.as_ref().map(account_of).transpose()
}

/// A place in the order of change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub changed_at: Timestamp,
    pub leg_id: Uuid,
}

impl Place {
    /// Before every leg that changed at `at` or later.
    pub const fn before(at: Timestamp) -> Self {
        Self { changed_at: at, leg_id: Uuid::nil() }
    }

    pub const fn of(leg: &Leg) -> Self {
        Self { changed_at: leg.changed_at, leg_id: leg.id.uuid() }
    }
}

/// The hub's legs after a place that changed before a point in time, in order of change. Those that are asking come when they are held
/// or refused, which is a change.
pub(super) async fn read_changed(
    store: &Store,
    after: Place,
    before: Timestamp,
    limit: i64,
) -> Result<Vec<Leg>, StoreError> {
    const SQL: &str = select_legs!(
        "WHERE (changed_at, leg_id) > ($1, $2) AND changed_at < $3 AND state <> 'ASKING' \
         AND origin = 'HUB' ORDER BY changed_at, leg_id LIMIT $4"
    );
    let args = vec![after.changed_at.into(), after.leg_id.into(), before.into(), limit.into()];
    store.fetch(SQL, args).await?.iter().map(leg_of).collect()
}

/// The hub's legs after a place that have been held since before a point in time, the longest first.
pub(super) async fn read_held(
    store: &Store,
    after: Place,
    before: Timestamp,
    limit: i64,
) -> Result<Vec<Leg>, StoreError> {
    const SQL: &str = select_legs!(
        "WHERE state = 'HELD' AND origin = 'HUB' AND (changed_at, leg_id) > ($1, $2) AND changed_at < $3 \
         ORDER BY changed_at, leg_id LIMIT $4"
    );
    let args = vec![after.changed_at.into(), after.leg_id.into(), before.into(), limit.into()];
    store.fetch(SQL, args).await?.iter().map(leg_of).collect()
}

fn account_of(row: &Row) -> Result<Account, StoreError> {
    let (frozen, frozen_by_holder) = freeze::frozen_by(row, 9)?;
    Ok(Account {
        id: AccountId::from_uuid(row.id(0)?),
        version: row.int(1)?,
        kind: row.parsed(2, AccountKind::parse)?,
        currency: row.parsed(3, Currency::parse)?,
        balances: Balances {
            debits_posted: row.int(4)?,
            credits_posted: row.int(5)?,
            debits_pending: row.int(6)?,
            credits_pending: row.int(7)?,
        },
        status: row.parsed(8, AccountStatus::parse)?,
        frozen,
        frozen_by_holder,
        payment_limit_minor: row.int(10)?,
        credit: credit_of(row)?,
        card: row.maybe_id(18)?.map(CardId::from_uuid),
        holder: maybe(row, 11, Line::parse)?,
        number: row.maybe_text(12)?.map(String::into_boxed_str),
        opened_at: row.time(13)?,
    })
}

fn credit_of(row: &Row) -> Result<Option<CreditLine>, StoreError> {
    let Some(limit_minor) = row.maybe_int(14)? else { return Ok(None) };
    let (cash_limit_minor, cash_owed_minor, cash_held_minor) = (row.int(15)?, row.int(16)?, row.int(17)?);
    Ok(Some(CreditLine { limit_minor, cash_limit_minor, cash_owed_minor, cash_held_minor }))
}

fn account_row(account: &Account) -> Vec<Value> {
    let mut row = account_sums(account);
    row.extend([
        account.kind.as_str().into(),
        account.currency.code().into(),
        account.payment_limit_minor.into(),
        account.credit.map(|line| line.limit_minor).into(),
        account.credit.map(|line| line.cash_limit_minor).into(),
        account.holder.as_ref().map(Line::to_string).into(),
        account.number.as_deref().map(str::to_owned).into(),
        account.opened_at.into(),
    ]);
    row
}

fn account_sums(account: &Account) -> Vec<Value> {
    vec![
        account.id.uuid().into(),
        account.version.saturating_add(1).into(),
        account.balances.debits_posted.into(),
        account.balances.credits_posted.into(),
        account.balances.debits_pending.into(),
        account.balances.credits_pending.into(),
        account.status.as_str().into(),
        freeze::mark(account.frozen, account.frozen_by_holder).into(),
        account.credit.map(|line| line.cash_owed_minor).into(),
        account.credit.map(|line| line.cash_held_minor).into(),
        account.card.map(CardId::uuid).into(),
    ]
}

fn leg_of(row: &Row) -> Result<Leg, StoreError> {
    let refusal = maybe(row, 5, |code| Reason::from_code(code).ok_or(Reason::FieldUnknown))?;
    Ok(Leg {
        id: LegId::from_uuid(row.id(0)?),
        version: row.int(1)?,
        payment_id: PaymentId::from_uuid(row.id(2)?),
        origin: row.parsed(23, Origin::parse)?,
        order: order_of(row)?,
        state: row.parsed(4, |text| LegState::parse(text, refusal))?,
        account_id: row.maybe_id(6)?.map(AccountId::from_uuid),
        account_masked: row.text(7)?,
        splits: row.parsed(14, read_splits)?,
        released_minor: row.int(22)?,
        refunded_minor: row.int(15)?,
        decision: row.text(16)?,
        created_at: row.time(17)?,
        changed_at: row.time(18)?,
    })
}

fn order_of(row: &Row) -> Result<LegOrder, StoreError> {
    let amount = || -> Result<Money, StoreError> { Ok(Money::new(row.parsed(8, Currency::parse)?, row.int(9)?)) };
    let nature = || row.parsed(19, Nature::parse);
    let savings = || -> Result<Option<AccountId>, StoreError> { Ok(row.maybe_id(21)?.map(AccountId::from_uuid)) };
    match row.text(3)?.as_str() {
        "CHARGE" => Ok(LegOrder::Charge(Charge {
            payer: party_of(row)?,
            nature: nature()?,
            amount: amount()?,
            merchant: merchant_of(row)?,
            savings: savings()?,
            sale: sale_of(row)?,
        })),
        "RECEIPT" => Ok(LegOrder::Receipt(Receipt {
            payee: party_of(row)?,
            nature: nature()?,
            amount: amount()?,
            merchant: merchant_of(row)?,
            savings: savings()?,
        })),
        "GIVE_BACK" => {
            Ok(LegOrder::GiveBack(GiveBack { original_leg_id: LegId::from_uuid(row.id(10)?), amount: amount()? }))
        }
        "UNSEEN" => Ok(LegOrder::Unseen),
        other => Err(StoreError::Unreadable { column: 3, what: format!("a leg of kind {other}") }),
    }
}

fn sale_of(row: &Row) -> Result<Option<Box<Sale>>, StoreError> {
    let Some(bytes) = row.maybe_bytes(24)? else { return Ok(None) };
    let sale = network::read_sale(&bytes).map_err(|what| StoreError::Unreadable { column: 24, what })?;
    Ok(Some(Box::new(sale)))
}

fn party_of(row: &Row) -> Result<Party, StoreError> {
    Ok(match (row.maybe_id(20)?, row.maybe_id(6)?) {
        (Some(card), _) => Party::Card(CardId::from_uuid(card)),
        (None, Some(account)) => Party::Account(AccountId::from_uuid(account)),
        (None, None) => Party::UnknownCard,
    })
}

fn merchant_of(row: &Row) -> Result<Merchant, StoreError> {
    Ok(Merchant {
        id: row.parsed(11, MerchantId::parse)?,
        name: row.parsed(12, Line::parse)?,
        category: row.parsed(13, CategoryCode::parse)?,
    })
}

fn leg_row(leg: &Leg) -> Vec<Value> {
    let (kind, merchant) = match &leg.order {
        LegOrder::Charge(charge) => ("CHARGE", Some(&charge.merchant)),
        LegOrder::Receipt(receipt) => ("RECEIPT", Some(&receipt.merchant)),
        LegOrder::GiveBack(_) => ("GIVE_BACK", None),
        LegOrder::Unseen => ("UNSEEN", None),
    };
    let card = match leg.party() {
        Some(Party::Card(card)) => Some(card.uuid()),
        Some(Party::Account(_) | Party::UnknownCard) | None => None,
    };
    let mut row = leg_state(leg);
    row.extend([
        leg.payment_id.uuid().into(),
        kind.into(),
        leg.nature().map(|nature| nature.as_str().to_owned()).into(),
        leg.account_id.map(AccountId::uuid).into(),
        card.into(),
        leg.savings().map(AccountId::uuid).into(),
        leg.account_masked.as_str().into(),
        leg.amount().map(|amount| amount.currency.code().to_owned()).into(),
        leg.amount().map(|amount| amount.minor).into(),
        leg.original_leg_id().map(LegId::uuid).into(),
        merchant.map(|merchant| merchant.id.to_string()).into(),
        merchant.map(|merchant| merchant.name.to_string()).into(),
        merchant.map(|merchant| merchant.category.as_str().to_owned()).into(),
        write_splits(&leg.splits).into(),
        leg.decision.as_str().into(),
        leg.created_at.into(),
        leg.origin.as_str().into(),
        leg.order.network_charge().map(|(_, sale)| network::write_sale(sale)).into(),
    ]);
    row
}

fn leg_state(leg: &Leg) -> Vec<Value> {
    vec![
        leg.id.uuid().into(),
        leg.version.saturating_add(1).into(),
        leg.state.as_str().into(),
        leg.state.refusal().map(|reason| reason.code().to_owned()).into(),
        leg.released_minor.into(),
        leg.refunded_minor.into(),
        leg.changed_at.into(),
    ]
}

fn transfer_row(transfer: &Transfer) -> Vec<Value> {
    vec![
        transfer.source.into(),
        transfer.seq.into(),
        transfer.kind.as_str().into(),
        transfer.kind.resolves().into(),
        transfer.debit_account.uuid().into(),
        transfer.credit_account.uuid().into(),
        transfer.amount.currency.code().into(),
        transfer.amount.minor.into(),
        transfer.made_at.into(),
    ]
}

fn deposit_of(row: &Row) -> Result<Deposit, StoreError> {
    Ok(Deposit {
        id: DepositId::from_uuid(row.id(0)?),
        account_id: AccountId::from_uuid(row.id(1)?),
        amount: Money::new(row.parsed(2, Currency::parse)?, row.int(3)?),
    })
}

fn deposit_row(deposit: &Deposit, now: Timestamp) -> Vec<Value> {
    vec![
        deposit.id.uuid().into(),
        deposit.account_id.uuid().into(),
        deposit.amount.currency.code().into(),
        deposit.amount.minor.into(),
        now.into(),
    ]
}

/// Text that may be NULL and that `read` understands.
fn maybe<T>(row: &Row, column: usize, read: impl FnOnce(&str) -> Result<T, Reason>) -> Result<Option<T>, StoreError> {
    let Some(text) = row.maybe_text(column)? else { return Ok(None) };
    let value = read(&text).map_err(|error| StoreError::Unreadable { column, what: format!("{error:?}") })?;
    Ok(Some(value))
}
