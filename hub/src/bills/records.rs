//! The person's own records of an account, for setting a bill against them.
//!
//! The record knows accounts and cards as they are masked, and a card over two accounts as one. So the records of a credit account
//! are those at its bank under the masked number of its bill, or under that of the account or of the card over it as they are bound,
//! but for those that were paid with another account of the person; and of each what the credit side bears.

use std::collections::BTreeMap;

use domain::bill::{Record, borne, borne_back};
use domain::purchase::{Purchase, PurchaseState};
use domain::record::PurchaseFilter;
use domain::{BankId, Currency, PaymentId, PersonId, Reason, Timestamp};
use jiff::ToSpan as _;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use server_kit::store::{Row, Store, StoreError};

use super::elsewhere::Elsewhere;
use super::sql::{self, Kept};
use crate::directory::snapshot::merchant_from_json;
use crate::records::row::{PURCHASE_COLUMNS, purchase_columns, purchase_of};
use crate::records::scan::read_all;
use crate::zone::{day_of, start_of};

/// What a record of an account is to its bill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    /// Charged, or given back.
    Posted,
    /// Reserved at the bank, which bills it when it is posted.
    Held,
    /// Of a purchase that was taken back as a whole: a bank may list both sides of it or none.
    Reversed,
    /// Paid in on what is owed.
    Repaid,
}

/// A record of an account.
#[derive(Clone, Debug)]
pub(super) struct OfAccount {
    pub(super) record: Record,
    pub(super) sort: Sort,
}

/// Which records are asked for: those of the account of a bill, from a day until another, both included.
#[derive(Debug)]
pub(super) struct Wanted<'k> {
    pub(super) person_id: PersonId,
    pub(super) kept: &'k Kept,
    pub(super) from: Date,
    pub(super) until: Date,
}

pub(super) async fn read(
    store: &Store,
    wanted: &Wanted<'_>,
    zone: &TimeZone,
) -> Result<Result<Vec<OfAccount>, Reason>, StoreError> {
    let scope = match scope(store, wanted, zone).await? {
        Ok(scope) => scope,
        Err(reason) => return Ok(Err(reason)),
    };
    let mut purchases = match read_all(store, wanted.person_id, &scope).await? {
        Ok(purchases) => purchases,
        Err(reason) => return Ok(Err(reason)),
    };
    let until = scope.until.unwrap_or(Timestamp::from_micros(i64::MAX));
    let elsewhere = Elsewhere::load(store, wanted.person_id, wanted.kept, until).await?;
    purchases.retain(|purchase| !elsewhere.has(purchase));
    let mut backs = read_backs(store, wanted.person_id).await?;
    backs.retain(|back| !elsewhere.has(&back.purchase));
    let repaid = read_repaid(store, wanted.person_id, &elsewhere).await?;
    Ok(put_together(&scope, &purchases, &backs, &repaid, zone))
}

async fn scope(
    store: &Store,
    Wanted { person_id, kept, from, until }: &Wanted<'_>,
    zone: &TimeZone,
) -> Result<Result<PurchaseFilter, Reason>, StoreError> {
    let masks = sql::masks(store, *person_id).await?;
    let account = &kept.bill.account;
    let ids = [Some(account.account_id.uuid()), kept.card_id.map(domain::CardId::uuid)];
    let bound = ids.into_iter().flatten().filter_map(|id| masks.get(&(account.bank_id.clone(), id)).cloned());
    let accounts_masked = std::iter::once(kept.bill.masked.clone()).chain(bound).collect();
    let bounds = start_of(*from, zone).and_then(|from| Ok((from, start_of(until.saturating_add(1.day()), zone)?)));
    Ok(bounds.map(|(from, until)| PurchaseFilter {
        banks: vec![account.bank_id.clone()],
        accounts_masked,
        currency: Some(kept.bill.currency),
        from: Some(from),
        until: Some(until),
        ..PurchaseFilter::default()
    }))
}

/// Money that came back.
#[derive(Debug)]
struct Back {
    purchase: Purchase,
    at: Timestamp,
    minor: i64,
    reversal: bool,
}

/// Of a refund through the hub, which is a payment of its own, the record is that of the payment that it gives back from.
const BACKS: &str = concat!(
    "SELECT ",
    purchase_columns!(),
    ", back_at, back_minor, back_kind FROM (SELECT e.sequence AS back_sequence, e.occurred_at AS back_at, e.kind AS back_kind, \
     COALESCE(e.amount_minor, p.completed_minor, p.amount_minor) AS back_minor, \
     COALESCE(e.record_sequence, o.charge_sequence) AS back_record FROM events e \
     LEFT JOIN payments p ON p.payment_id = e.payment_id AND e.record_sequence IS NULL \
     LEFT JOIN payments o ON o.payment_id = COALESCE(p.original_id, p.payment_id) \
     WHERE e.person_id = $1 AND e.kind IN ('REFUND', 'REVERSAL')) b \
     JOIN purchases ON purchases.person_id = $1 AND purchases.sequence = b.back_record ORDER BY back_sequence"
);

async fn read_backs(store: &Store, person_id: PersonId) -> Result<Vec<Back>, StoreError> {
    let read = |row: &Row| {
        Ok(Back {
            purchase: purchase_of(row, 0, person_id)?,
            at: row.time(PURCHASE_COLUMNS)?,
            minor: row.int(PURCHASE_COLUMNS + 1)?,
            reversal: row.text(PURCHASE_COLUMNS + 2)? == "REVERSAL",
        })
    };
    store.fetch(BACKS, vec![person_id.uuid().into()]).await?.iter().map(read).collect()
}

/// Money that was paid in on what is owed, at a terminal or from another account, and was not taken out again.
#[derive(Debug)]
struct Repaid {
    bank_id: BankId,
    masked: String,
    currency: Currency,
    minor: i64,
    at: Timestamp,
    merchant: domain::text::Line,
    payment_id: PaymentId,
}

async fn read_repaid(store: &Store, person_id: PersonId, elsewhere: &Elsewhere) -> Result<Vec<Repaid>, StoreError> {
    let sql = "SELECT p.bank_id, p.masked, p.currency, p.amount_minor, e.occurred_at, p.merchant, p.payment_id, \
               p.account_id, p.card_id FROM events e \
               JOIN payments p ON p.payment_id = e.payment_id WHERE e.person_id = $1 AND e.kind = 'PAID_IN' \
               AND p.nature = 'REPAYMENT' AND p.state NOT IN ('REVERSING', 'REVERSED') UNION ALL \
               SELECT to_bank_id, to_masked, currency, amount_minor, decided_at, from_named, repayment_id, \
               CASE to_instrument WHEN 'ACCOUNT' THEN to_instrument_id END, \
               CASE to_instrument WHEN 'CARD' THEN to_instrument_id END FROM repayments \
               WHERE person_id = $1 AND state IN ('COMMITTED', 'POSTED') ORDER BY 5, 7";
    let read = |row: &Row| -> Result<Repaid, StoreError> {
        Ok(Repaid {
            bank_id: row.parsed(0, BankId::parse)?,
            masked: row.text(1)?,
            currency: row.parsed(2, Currency::parse)?,
            minor: row.int(3)?,
            at: row.time(4)?,
            merchant: row.parsed(5, merchant_from_json)?.merchant.name,
            payment_id: PaymentId::from_uuid(row.id(6)?),
        })
    };
    let mut repaid = Vec::new();
    for row in store.fetch(sql, vec![person_id.uuid().into()]).await? {
        if !elsewhere.is_with(&row, 7..9)? {
            repaid.push(read(&row)?);
        }
    }
    Ok(repaid)
}

fn put_together(
    scope: &PurchaseFilter,
    purchases: &[Purchase],
    backs: &[Back],
    repaid: &[Repaid],
    zone: &TimeZone,
) -> Result<Vec<OfAccount>, Reason> {
    let is_reversed = |purchase: &Purchase| {
        let reversal = |back: &Back| back.reversal && back.purchase.payment_id == purchase.payment_id;
        purchase.state == PurchaseState::Reversed || backs.iter().any(reversal)
    };
    let sort = |purchase: &Purchase| match purchase.state {
        _ if is_reversed(purchase) => Sort::Reversed,
        PurchaseState::Held => Sort::Held,
        _ => Sort::Posted,
    };
    let record = |purchase: &Purchase, at, amount_minor| {
        let (merchant, payment_id) = (purchase.merchant.name.clone(), purchase.payment_id);
        Ok(Record { on: day_of(at, zone)?, amount_minor, merchant, payment_id })
    };
    let mut all = Vec::new();
    for purchase in purchases.iter().filter(|purchase| borne(purchase) > 0) {
        let record = record(purchase, purchase.occurred_at, borne(purchase))?;
        all.push(OfAccount { record, sort: sort(purchase) });
    }
    let any_time = PurchaseFilter { from: None, until: None, ..scope.clone() };
    let in_time =
        |at: Timestamp| scope.from.is_none_or(|from| at >= from) && scope.until.is_none_or(|until| at < until);
    let mut before: BTreeMap<PaymentId, i64> = BTreeMap::new();
    for Back { purchase, at, minor, .. } in backs.iter().filter(|back| any_time.matches(&back.purchase)) {
        let came = before.entry(purchase.payment_id).or_default();
        // A reversal gives back what is left of it.
        let minor = (*minor).min(purchase.amount.minor.saturating_sub(*came));
        let to_credit = borne_back(purchase, *came, minor);
        *came = came.saturating_add(minor);
        if to_credit > 0 && in_time(*at) {
            all.push(OfAccount { record: record(purchase, *at, -to_credit)?, sort: sort(purchase) });
        }
    }
    let of_scope = |it: &&Repaid| {
        scope.banks.contains(&it.bank_id)
            && scope.accounts_masked.contains(&it.masked)
            && scope.currency == Some(it.currency)
            && in_time(it.at)
    };
    for Repaid { minor, at, merchant, payment_id, .. } in repaid.iter().filter(of_scope) {
        let (on, merchant) = (day_of(*at, zone)?, merchant.clone());
        let record = Record { on, amount_minor: -minor, merchant, payment_id: *payment_id };
        all.push(OfAccount { record, sort: Sort::Repaid });
    }
    Ok(all)
}
