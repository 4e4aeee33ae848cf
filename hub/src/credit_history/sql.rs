//! The tables of consents and inquiries, and what is read of people, phones and banks to decide them.

use domain::credit_history::{
    Answer, Asker, Consent, ConsentForm, ConsentState, Digest, InquiryRecord, NOTHING_BEFORE,
};
use domain::text::Line;
use domain::{BankId, ConsentId, DeviceId, InquiryId, PersonId, Timestamp};
use server_kit::keystore::{KeyName, KeyStore};
use server_kit::store::{Keys, Load, Row, Store, StoreError, Table, Tx};

use super::unusable;

/// What changes of a consent stands first.
const CONSENTS: Table = Table {
    name: "consents",
    key: &["consent_id"],
    columns: &[
        "consent_id",
        "version",
        "state",
        "ended_at",
        "person_id",
        "device_id",
        "given_at",
        "text_sealed",
        "signature",
    ],
};
const CHANGING: usize = 4;

const HEADS: Table = Table {
    name: "inquiry_heads",
    key: &["person_id"],
    columns: &["person_id", "version", "last_number", "last_hash"],
};

const LOG: Table = Table {
    name: "inquiry_log",
    key: &["person_id", "number"],
    columns: &["person_id", "number", "inquiry_id", "record", "hash"],
};

const ANSWERS: Table = Table {
    name: "inquiry_answers",
    key: &["inquiry_id", "asker"],
    columns: &["inquiry_id", "asker", "fingerprint", "answered_at", "answer", "report_sealed"],
};

// Consents.

/// A consent as it is stored.
#[derive(Clone, Debug)]
pub(super) struct StoredConsent {
    pub(super) consent: Consent,
    pub(super) device_id: DeviceId,
    pub(super) given_at: Timestamp,
    pub(super) version: i64,
}

fn context(consent_id: ConsentId) -> Vec<u8> {
    [b"consents.text\n".as_slice(), consent_id.uuid().as_bytes()].concat()
}

fn consent_of(keys: &dyn KeyStore, row: &Row) -> Result<StoredConsent, StoreError> {
    let id = ConsentId::from_uuid(row.id(0)?);
    let ended_at = row.maybe_time(3)?;
    let state = row.parsed(2, |word| ConsentState::read(word, ended_at))?;
    let text = keys.open(KeyName::SealedPayload, &context(id), &row.bytes(6)?).map_err(unusable)?;
    let form = std::str::from_utf8(&text).ok().and_then(|text| ConsentForm::parse(text).ok());
    let form = form.ok_or_else(|| StoreError::Refused(format!("the consent {id} cannot be read")))?;
    Ok(StoredConsent {
        consent: Consent::stored(form, state),
        device_id: DeviceId::from_uuid(row.id(4)?),
        given_at: row.time(5)?,
        version: row.int(1)?,
    })
}

/// Locks the consent, so that it is used or revoked and not both.
pub(super) async fn load_consent(
    tx: &mut Tx,
    keys: &dyn KeyStore,
    id: ConsentId,
) -> Result<Option<StoredConsent>, StoreError> {
    let load = Load {
        select: "SELECT consent_id, version, state, ended_at, device_id, given_at, text_sealed FROM consents WHERE consent_id",
        tail: " ORDER BY consent_id",
        lock: true,
    };
    tx.load(load, Keys::Ids(vec![id.uuid()])).await?.first().map(|row| consent_of(keys, row)).transpose()
}

/// A person's consents with lower ids than this, the highest first.
pub(super) async fn read_consents(
    store: &Store,
    keys: &dyn KeyStore,
    person_id: PersonId,
    below: uuid::Uuid,
    most: i64,
) -> Result<Vec<StoredConsent>, StoreError> {
    let sql = "SELECT consent_id, version, state, ended_at, device_id, given_at, text_sealed FROM consents \
               WHERE person_id = $1 AND consent_id < $2 ORDER BY consent_id DESC LIMIT $3";
    let rows = store.fetch(sql, vec![person_id.uuid().into(), below.into(), most.into()]).await?;
    rows.iter().map(|row| consent_of(keys, row)).collect()
}

pub(super) async fn count_consents(tx: &mut Tx, person_id: PersonId, since: Timestamp) -> Result<i64, StoreError> {
    let sql = "SELECT count(*) FROM consents WHERE person_id = $1 AND given_at > $2";
    let rows = tx.fetch(sql, vec![person_id.uuid().into(), since.into()]).await?;
    rows.first().map_or(Ok(0), |row| row.int(0))
}

pub(super) async fn insert_consent(
    tx: &mut Tx,
    keys: &dyn KeyStore,
    stored: &StoredConsent,
    signature: &[u8],
) -> Result<(), StoreError> {
    let form = stored.consent.form();
    let text = form.to_string();
    let sealed = keys.seal(KeyName::SealedPayload, &context(form.id), text.as_bytes()).map_err(unusable)?;
    let mut row = changing(stored, stored.version, tx.now());
    row.extend([
        form.person_id.uuid().into(),
        stored.device_id.uuid().into(),
        stored.given_at.into(),
        sealed.into(),
        signature.to_vec().into(),
    ]);
    tx.insert(&CONSENTS, vec![row]).await
}

/// Stores how a consent stands by now.
pub(super) async fn update_consent(tx: &mut Tx, stored: &StoredConsent) -> Result<(), StoreError> {
    let row = changing(stored, stored.version + 1, tx.now());
    tx.update(&CONSENTS.changing(CHANGING), vec![row]).await
}

fn changing(stored: &StoredConsent, version: i64, now: Timestamp) -> Vec<server_kit::store::Value> {
    // That its time is over is never stored: it is seen by its text.
    let (state, ended_at) = match stored.consent.state(now) {
        ConsentState::Expired => ConsentState::Given.written(),
        state => state.written(),
    };
    vec![stored.consent.form().id.uuid().into(), version.into(), state.into(), ended_at.into()]
}

// Who gives, who asks, who is asked about.

/// What people call a bank, and whether it is suspended.
pub(super) async fn load_bank(tx: &mut Tx, bank_id: &BankId) -> Result<Option<(Line, bool)>, StoreError> {
    let sql = "SELECT display_name, suspended FROM banks WHERE bank_id = $1";
    let rows = tx.fetch(sql, vec![bank_id.as_str().into()]).await?;
    rows.first().map(|row| Ok((row.parsed(0, Line::parse)?, row.flag(1)?))).transpose()
}

/// Somebody who has a number.
#[derive(Debug)]
pub(super) struct HolderRow {
    pub(super) person_id: PersonId,
    pub(super) name_sealed: Vec<u8>,
    pub(super) registered_at: Timestamp,
}

pub(super) async fn load_holder(tx: &mut Tx, [one, other]: &[[u8; 32]; 2]) -> Result<Option<HolderRow>, StoreError> {
    let sql = "SELECT person_id, name_sealed, registered_at FROM persons WHERE phone_hash IN ($1, $2)";
    let rows = tx.fetch(sql, vec![one.to_vec().into(), other.to_vec().into()]).await?;
    let read = |row: &Row| {
        let person_id = PersonId::from_uuid(row.id(0)?);
        Ok(HolderRow { person_id, name_sealed: row.bytes(1)?, registered_at: row.time(2)? })
    };
    rows.first().map(read).transpose()
}

/// Who gave a consent to this asker; nothing when there is none.
pub(super) async fn read_giver(
    store: &Store,
    keys: &dyn KeyStore,
    id: ConsentId,
    asker: &Asker,
) -> Result<Option<PersonId>, StoreError> {
    let sql = "SELECT consent_id, version, state, ended_at, device_id, given_at, text_sealed FROM consents WHERE consent_id = $1";
    let stored = store.fetch_one(sql, vec![id.uuid().into()]).await?.map(|row| consent_of(keys, &row)).transpose()?;
    let forms = stored.map(|stored| stored.consent.form().clone());
    Ok(forms.filter(|form| form.asker == *asker).map(|form| form.person_id))
}

/// Whether there is such a person.
pub(super) async fn is_person(tx: &mut Tx, person_id: PersonId) -> Result<bool, StoreError> {
    let sql = "SELECT person_id FROM persons WHERE person_id = $1";
    Ok(!tx.fetch(sql, vec![person_id.uuid().into()]).await?.is_empty())
}

/// The end of a person's feed.
pub(super) async fn last_sequence(tx: &mut Tx, person_id: PersonId) -> Result<i64, StoreError> {
    let sql = "SELECT last_sequence FROM payers WHERE person_id = $1";
    tx.fetch(sql, vec![person_id.uuid().into()]).await?.first().map_or(Ok(0), |row| row.int(0))
}

// The log of inquiries.

/// The end of a person's log.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub(super) last_number: i64,
    pub(super) last_hash: Digest,
    version: i64,
}

impl Default for Head {
    fn default() -> Self {
        Self { last_number: 0, last_hash: NOTHING_BEFORE, version: 0 }
    }
}

/// The columns of a head after its person.
fn head_of(row: &Row, at: usize) -> Result<Head, StoreError> {
    Ok(Head { version: row.int(at)?, last_number: row.int(at + 1)?, last_hash: digest_of(row, at + 2)? })
}

pub(super) fn digest_of(row: &Row, column: usize) -> Result<Digest, StoreError> {
    row.bytes(column)?.try_into().map_err(|_| StoreError::Refused("a hash has not 32 bytes".to_owned()))
}

/// Locks the end of the log, so that what follows it is one record.
pub(super) async fn load_head(tx: &mut Tx, person_id: PersonId) -> Result<Head, StoreError> {
    let load = Load {
        select: "SELECT person_id, version, last_number, last_hash FROM inquiry_heads WHERE person_id",
        tail: " ORDER BY person_id",
        lock: true,
    };
    let rows = tx.load(load, Keys::Ids(vec![person_id.uuid()])).await?;
    rows.first().map_or_else(|| Ok(Head::default()), |row| head_of(row, 1))
}

pub(super) async fn read_head(store: &Store, person_id: PersonId) -> Result<Head, StoreError> {
    let sql = "SELECT version, last_number, last_hash FROM inquiry_heads WHERE person_id = $1";
    let row = store.fetch_one(sql, vec![person_id.uuid().into()]).await?;
    row.map_or_else(|| Ok(Head::default()), |row| head_of(&row, 0))
}

/// Adds a record after the end of the log.
pub(super) async fn append(
    tx: &mut Tx,
    head: Head,
    inquiry_id: InquiryId,
    record: &InquiryRecord,
    hash: Digest,
) -> Result<(), StoreError> {
    let (person, number) = (record.person_id.uuid(), head.last_number + 1);
    let row =
        vec![person.into(), number.into(), inquiry_id.uuid().into(), record.to_string().into(), hash.to_vec().into()];
    tx.insert(&LOG, vec![row]).await?;
    let row = vec![person.into(), (head.version + 1).into(), number.into(), hash.to_vec().into()];
    tx.put(&HEADS, vec![row]).await
}

/// A record of the log as it is stored.
#[derive(Debug)]
pub(super) struct Logged {
    pub(super) inquiry_id: InquiryId,
    pub(super) record: String,
    pub(super) hash: Vec<u8>,
}

pub(super) async fn read_log(
    store: &Store,
    person_id: PersonId,
    after: i64,
    most: i64,
) -> Result<Vec<Logged>, StoreError> {
    let sql = "SELECT inquiry_id, record, hash FROM inquiry_log WHERE person_id = $1 AND number > $2 \
               ORDER BY number LIMIT $3";
    let rows = store.fetch(sql, vec![person_id.uuid().into(), after.into(), most.into()]).await?;
    let read = |row: &Row| {
        Ok(Logged { inquiry_id: InquiryId::from_uuid(row.id(0)?), record: row.text(1)?, hash: row.bytes(2)? })
    };
    rows.iter().map(read).collect()
}

// Answers.

/// What somebody who asked was told.
#[derive(Clone, Debug)]
pub(super) struct AnswerRow {
    pub(super) fingerprint: [u8; 32],
    pub(super) answered_at: Timestamp,
    pub(super) answer: Answer,
    /// Sealed.
    pub(super) report: Option<Vec<u8>>,
}

pub(super) async fn load_answer(tx: &mut Tx, id: InquiryId, asker: &Asker) -> Result<Option<AnswerRow>, StoreError> {
    let sql = "SELECT fingerprint, answered_at, answer, report_sealed FROM inquiry_answers \
               WHERE inquiry_id = $1 AND asker = $2";
    let rows = tx.fetch(sql, vec![id.uuid().into(), asker.key().into()]).await?;
    let read = |row: &Row| {
        Ok(AnswerRow {
            fingerprint: digest_of(row, 0)?,
            answered_at: row.time(1)?,
            answer: row.parsed(2, Answer::parse)?,
            report: row.maybe_bytes(3)?,
        })
    };
    rows.first().map(read).transpose()
}

pub(super) async fn insert_answer(
    tx: &mut Tx,
    id: InquiryId,
    asker: &Asker,
    row: &AnswerRow,
) -> Result<(), StoreError> {
    let row = vec![
        id.uuid().into(),
        asker.key().into(),
        row.fingerprint.to_vec().into(),
        row.answered_at.into(),
        row.answer.as_str().into(),
        row.report.clone().into(),
    ];
    tx.insert(&ANSWERS, vec![row]).await
}

/// Deletes some answers that were given before this moment, and says how many.
pub(super) async fn delete_answers(tx: &mut Tx, before: Timestamp, most: i64) -> Result<i64, StoreError> {
    let sql = "DELETE FROM inquiry_answers WHERE (inquiry_id, asker) IN \
               (SELECT inquiry_id, asker FROM inquiry_answers WHERE answered_at < $1 LIMIT $2)";
    let deleted = tx.execute(sql, vec![before.into(), most.into()]).await?;
    Ok(i64::try_from(deleted).unwrap_or(i64::MAX))
}
