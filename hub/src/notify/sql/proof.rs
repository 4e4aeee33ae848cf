//! E-mail addresses that wait to be confirmed.

use domain::notice::{CodesSent, MailAddress, MailConfirmation};
use domain::{PersonId, Timestamp};
use server_kit::keystore::KeyStore;
use server_kit::store::{Keys, Load, Row, Store, StoreError, Table, Tx};

use super::payload;

const MAIL_PROOFS: Table = Table {
    name: "mail_proofs",
    key: &["person_id"],
    columns: &["person_id", "version", "mail_sealed", "code_mac", "tries_left", "expires_at", "codes", "codes_since"],
};

/// How far the proof of a person's address is.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct MailProof {
    version: i64,
    /// The address that waits.
    pub(in super::super) mail: Option<MailAddress>,
    /// The keyed hash of its code, or of the one that confirmed the address before.
    pub(in super::super) code_mac: Option<Vec<u8>>,
    pub(in super::super) confirmation: MailConfirmation,
    pub(in super::super) sent: CodesSent,
}

impl MailProof {
    /// Whether this address waits for a code that may still be tried.
    pub(in super::super) fn awaits(&self, mail: &MailAddress, now: Timestamp) -> bool {
        self.mail.as_ref() == Some(mail) && self.confirmation.check_alive(now).is_ok()
    }
}

fn proof_of(row: &Row, keys: &dyn KeyStore, person: PersonId) -> Result<MailProof, StoreError> {
    Ok(MailProof {
        version: row.int(1)?,
        mail: row.maybe_bytes(2)?.map(|sealed| payload::open_awaited(keys, person, &sealed)).transpose()?,
        code_mac: row.maybe_bytes(3)?,
        confirmation: MailConfirmation { tries_left: row.int(4)?, expires_at: row.time(5)? },
        sent: CodesSent { count: row.int(6)?, since: row.time(7)? },
    })
}

pub(in super::super) async fn read_proof(
    store: &Store,
    keys: &dyn KeyStore,
    person: PersonId,
) -> Result<MailProof, StoreError> {
    let sql = "SELECT person_id, version, mail_sealed, code_mac, tries_left, expires_at, codes, codes_since \
               FROM mail_proofs WHERE person_id = $1";
    let row = store.fetch_one(sql, vec![person.uuid().into()]).await?;
    row.map_or_else(|| Ok(MailProof::default()), |row| proof_of(&row, keys, person))
}

/// The same, locked.
pub(in super::super) async fn load_proof(
    tx: &mut Tx,
    keys: &dyn KeyStore,
    person: PersonId,
) -> Result<MailProof, StoreError> {
    let select = "SELECT person_id, version, mail_sealed, code_mac, tries_left, expires_at, codes, codes_since \
                  FROM mail_proofs WHERE person_id";
    let rows = tx.load(Load { select, tail: "", lock: true }, Keys::Ids(vec![person.uuid()])).await?;
    rows.first().map_or_else(|| Ok(MailProof::default()), |row| proof_of(row, keys, person))
}

/// Puts a proof in the place of the one that it was made of, and gives it as it stands.
pub(in super::super) async fn put_proof(
    tx: &mut Tx,
    keys: &dyn KeyStore,
    person: PersonId,
    mut proof: MailProof,
) -> Result<MailProof, StoreError> {
    proof.version += 1;
    let mail = proof.mail.as_ref().map(|mail| payload::seal_awaited(keys, person, mail)).transpose()?;
    let row = vec![
        person.uuid().into(),
        proof.version.into(),
        mail.into(),
        proof.code_mac.clone().into(),
        proof.confirmation.tries_left.into(),
        proof.confirmation.expires_at.into(),
        proof.sent.count.into(),
        proof.sent.since.into(),
    ];
    tx.put(&MAIL_PROOFS, vec![row]).await?;
    Ok(proof)
}
