//! The check of the logs of inquiries, for `bankhub doctor`.

use domain::PersonId;
use domain::credit_history::{InquiryRecord, check_chain};
use server_kit::store::{Row, Store, StoreError};
use uuid::Uuid;

use super::sha256;

/// Records that are read at once.
const PAGE: i64 = 500;

/// A person's log as far as it was read.
struct Log {
    person_id: PersonId,
    /// Nothing once a record cannot be read.
    records: Option<Vec<InquiryRecord>>,
    /// The hashes that are stored beside them.
    hashes: Vec<Vec<u8>>,
}

impl Log {
    fn holds(&self) -> bool {
        let Some(records) = &self.records else { return false };
        let same = |(record, hash): (&InquiryRecord, &Vec<u8>)| sha256(record.to_string().as_bytes()) == hash[..];
        check_chain(self.person_id, records, sha256).is_ok() && records.iter().zip(&self.hashes).all(same)
    }
}

/// How many people have a log in which a record was changed, left out or put in. Whether the last ones are missing is seen by the
/// ends, which the check of the books compares.
pub(crate) async fn broken_logs(store: &Store) -> Result<i64, StoreError> {
    const SQL: &str = "SELECT person_id, number, record, hash FROM inquiry_log \
                       WHERE (person_id, number) > ($1, $2) ORDER BY person_id, number LIMIT $3";
    let (mut broken, mut log) = (0, None);
    let (mut person, mut number) = (Uuid::nil(), 0);
    loop {
        let rows = store.fetch_at_leisure(SQL, vec![person.into(), number.into(), PAGE.into()]).await?;
        if rows.is_empty() {
            return Ok(broken + i64::from(log.is_some_and(|log: Log| !log.holds())));
        }
        for row in &rows {
            (person, number) = (row.id(0)?, row.int(1)?);
            let person_id = PersonId::from_uuid(person);
            if log.as_ref().is_none_or(|log| log.person_id != person_id) {
                let begun = Log { person_id, records: Some(Vec::new()), hashes: Vec::new() };
                broken += i64::from(log.replace(begun).is_some_and(|before| !before.holds()));
            }
            add(&mut log, row)?;
        }
    }
}

fn add(log: &mut Option<Log>, row: &Row) -> Result<(), StoreError> {
    let Some(log) = log else { return Ok(()) };
    let record = InquiryRecord::parse(&row.text(2)?)
        .ok()
        .filter(|record| row.int(1).is_ok_and(|n| i64::try_from(record.number) == Ok(n)));
    match (record, &mut log.records) {
        (Some(record), Some(records)) => records.push(record),
        _ => log.records = None,
    }
    log.hashes.push(row.bytes(3)?);
    Ok(())
}
