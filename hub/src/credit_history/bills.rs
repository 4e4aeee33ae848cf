//! The history, as it is read from `bills`. Nothing is written there but that what may be kept no longer is removed.

use domain::bill::AccountKey;
use domain::credit_history::{Entry, EntryKey, Standing};
use domain::{AccountId, BankId, Currency, PersonId, Reason};
use jiff::ToSpan as _;
use jiff::civil::Date;
use server_kit::store::{Row, Store, StoreError, Tx, Value};
use uuid::Uuid;

/// The columns that [`billed_of`] reads.
macro_rules! columns {
    () => {
        "SELECT person_id, bank_id, account_id, currency, closed_on, report_version, closing_minor, due_on, standing, \
         account_masked, version, relation_ended_on FROM bills "
    };
}

/// An entry and what else its row says.
#[derive(Clone, Debug)]
pub(super) struct Billed {
    pub(super) entry: Entry,
    pub(super) account_masked: String,
    /// When the relation over its account ended.
    pub(super) relation_ended_on: Option<Date>,
    version: i64,
}

impl Billed {
    /// Whether it is still kept on this day.
    pub(super) fn is_kept(&self, on: Date) -> bool {
        self.entry.is_kept(on, self.relation_ended_on)
    }
}

fn billed_of(row: &Row) -> Result<Billed, StoreError> {
    let date = |text: &str| text.parse::<Date>();
    let account = AccountKey { bank_id: row.parsed(1, BankId::parse)?, account_id: AccountId::from_uuid(row.id(2)?) };
    let entry = Entry {
        key: EntryKey { account, closed_on: row.parsed(4, date)?, currency: row.parsed(3, Currency::parse)? },
        person_id: PersonId::from_uuid(row.id(0)?),
        version: u32::try_from(row.int(5)?).unwrap_or(u32::MAX),
        // Where the bank owes, nothing was billed.
        billed_minor: row.int(6)?.max(0),
        due_on: row.parsed(7, date)?,
        standing: row.parsed(8, Standing::parse)?,
    };
    let relation_ended_on = row.maybe_text(11)?.map(|text| date(&text)).transpose();
    let relation_ended_on =
        relation_ended_on.map_err(|error| StoreError::Unreadable { column: 11, what: error.to_string() })?;
    Ok(Billed { entry, account_masked: row.text(9)?, relation_ended_on, version: row.int(10)? })
}

/// Everything on record of a person.
pub(super) async fn load(tx: &mut Tx, person_id: PersonId) -> Result<Vec<Billed>, StoreError> {
    const SQL: &str = concat!(columns!(), "WHERE person_id = $1");
    let rows = tx.fetch(SQL, vec![person_id.uuid().into()]).await?;
    rows.iter().map(billed_of).collect()
}

/// A place in a person's list: after this bill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    closed_on: String,
    bank_id: String,
    account_id: Uuid,
    currency: String,
}

impl Place {
    /// Before all bills: no day is later than this.
    pub(super) fn first() -> Self {
        Self {
            closed_on: "9999-99-99".to_owned(),
            bank_id: String::new(),
            account_id: Uuid::nil(),
            currency: String::new(),
        }
    }

    pub(super) fn after(entry: &Entry) -> Self {
        Self {
            closed_on: entry.key.closed_on.to_string(),
            bank_id: entry.key.account.bank_id.to_string(),
            account_id: entry.key.account.account_id.uuid(),
            currency: entry.key.currency.code().to_owned(),
        }
    }

    /// As it stands in a page token. It names a bill of the person who asks, and whoever makes one up finds nobody else's.
    pub(super) fn token(&self) -> String {
        format!("{} {} {} {}", self.closed_on, self.bank_id, self.account_id, self.currency)
    }

    pub(super) fn read(token: &str) -> Result<Self, Reason> {
        let mut words = token.split(' ');
        let (Some(day), Some(bank), Some(account), Some(currency), None) =
            (words.next(), words.next(), words.next(), words.next(), words.next())
        else {
            return Err(Reason::PageTokenMalformed);
        };
        let read = || {
            let closed_on: Date = day.parse().ok()?;
            Some(Self {
                closed_on: closed_on.to_string(),
                bank_id: BankId::parse(bank).ok()?.to_string(),
                account_id: AccountId::parse(account).ok()?.uuid(),
                currency: Currency::parse(currency).ok()?.code().to_owned(),
            })
        };
        read().ok_or(Reason::PageTokenMalformed)
    }
}

/// A person's bills after a place, the one that was closed last first.
pub(super) async fn page(
    store: &Store,
    person_id: PersonId,
    after: &Place,
    most: i64,
) -> Result<Vec<Billed>, StoreError> {
    const SQL: &str = concat!(
        columns!(),
        "WHERE person_id = $1 AND (closed_on, bank_id, account_id, currency) < ($2, $3, $4, $5) \
         ORDER BY closed_on DESC, bank_id DESC, account_id DESC, currency DESC LIMIT $6"
    );
    let args = vec![
        person_id.uuid().into(),
        after.closed_on.as_str().into(),
        after.bank_id.as_str().into(),
        after.account_id.into(),
        after.currency.as_str().into(),
        most.into(),
    ];
    store.fetch(SQL, args).await?.iter().map(billed_of).collect()
}

/// Some bills of which the end of what they tell, or of the relation that they are of, is so long ago that they may be kept no longer. They are found by how a standing is
/// written, and the rule decides; what the search misses on a leap day it finds on the next.
pub(super) async fn outlived(tx: &mut Tx, today: Date, most: i64) -> Result<Vec<Billed>, StoreError> {
    const SQL: &str = concat!(
        columns!(),
        "WHERE standing >= 'PAID_LATE on=' AND standing < $1 OR standing >= 'SETTLED on=' AND standing < $2 \
         OR relation_ended_on < $3 AND (standing = 'DUE' OR standing LIKE 'PAID_IN_TIME %') LIMIT $4"
    );
    let last = today.saturating_sub(domain::credit_history::YEARS_KEPT.years());
    let (late, settled) = (format!("PAID_LATE on={last}"), format!("SETTLED on={last}"));
    let args = vec![late.into(), settled.into(), last.to_string().into(), most.into()];
    let found = tx.fetch(SQL, args).await?;
    let mut found = found.iter().map(billed_of).collect::<Result<Vec<_>, _>>()?;
    found.retain(|billed| !billed.is_kept(today));
    Ok(found)
}

pub(super) async fn remove(tx: &mut Tx, billed: &Billed) -> Result<(), StoreError> {
    // One that was reported anew meanwhile is looked at again.
    const LINES: &str = "DELETE FROM bill_lines WHERE bill_id IN (SELECT bill_id FROM bills WHERE person_id = $1 \
                         AND bank_id = $2 AND account_id = $3 AND currency = $4 AND closed_on = $5 AND version = $6)";
    const BILL: &str = "DELETE FROM bills WHERE person_id = $1 AND bank_id = $2 AND account_id = $3 AND currency = $4 \
                        AND closed_on = $5 AND version = $6";
    // The newest of those that are left stands in the total.
    const NEWEST: &str = "UPDATE bills SET in_total = 1 WHERE person_id = $1 AND bank_id = $2 AND account_id = $3 AND currency = $4 \
                          AND closed_on = (SELECT max(n.closed_on) FROM bills n WHERE n.person_id = $1 AND n.bank_id = $2 \
                          AND n.account_id = $3 AND n.currency = $4)";
    let Entry { key, person_id, .. } = &billed.entry;
    let args: Vec<Value> = vec![
        person_id.uuid().into(),
        key.account.bank_id.as_str().into(),
        key.account.account_id.uuid().into(),
        key.currency.code().into(),
        key.closed_on.to_string().into(),
        billed.version.into(),
    ];
    tx.execute(LINES, args.clone()).await?;
    let of_account = args.iter().take(4).cloned().collect();
    tx.execute(BILL, args).await?;
    tx.execute(NEWEST, of_account).await.map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r9_a_page_token_is_a_place_in_the_list_or_none() {
        let place = Place {
            closed_on: "2026-02-05".to_owned(),
            bank_id: "bank-a".to_owned(),
            account_id: AccountId::parse("0192f0c1-7a6b-7c3d-8e4f-5a6b7c8d9e0f").unwrap().uuid(),
            currency: "CNY".to_owned(),
        };
        assert_eq!(Place::read(&place.token()), Ok(place.clone()));
        let token = place.token();
        for bad in
            ["", "x", " ", &token[1..], &format!("{token} "), &token.replace("CNY", "cny"), &Place::first().token()]
        {
            assert_eq!(Place::read(bad), Err(Reason::PageTokenMalformed), "{bad:?}");
        }
    }
}
