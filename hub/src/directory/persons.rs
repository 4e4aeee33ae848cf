//! People and the way for their phones in: RegisterPerson, IssueEnrolmentCode.

use std::fmt;

use domain::text::Line;
use domain::{PersonId, PhoneNumber, Reason};
use proto::operator as pb;
use server_kit::keystore::{KeyError, KeyStore};
use server_kit::store::{StoreError, Tx};

use super::changes::{Done, Log};
use super::sealed::{enrolment_code_mac, name_is, pinned_phone_hashes, seal_name, seal_phone, unusable};
use super::sql::{self, PersonRow};

/// Wrong tries after which an enrolment code is dead.
const ENROLMENT_ATTEMPTS: i64 = 5;
/// How many digits an enrolment code has.
pub(super) const ENROLMENT_CODE_DIGITS: usize = 8;

/// Adds a person with a phone number.
pub(super) struct RegisterPerson {
    pub(super) person_id: PersonId,
    pub(super) phone: PhoneNumber,
    name: Line,
}

impl fmt::Debug for RegisterPerson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegisterPerson").field("person_id", &self.person_id).finish_non_exhaustive()
    }
}

impl RegisterPerson {
    pub(super) fn read(request: &pb::RegisterPersonRequest) -> Result<Self, Reason> {
        Ok(Self {
            person_id: PersonId::parse(&request.person_id)?,
            phone: PhoneNumber::parse(&request.phone_number)?,
            name: Line::parse(&request.name)?,
        })
    }

    pub(super) async fn apply(
        &self,
        tx: &mut Tx,
        log: &mut Log<'_>,
        keys: &dyn KeyStore,
    ) -> Result<Result<Done, Reason>, StoreError> {
        let hashes = pinned_phone_hashes(tx, keys, &self.phone).await?;
        let known = sql::load_persons(tx, self.person_id, &hashes).await?;
        if let Some(same_id) = known.iter().find(|known| known.person_id == self.person_id) {
            let same_name = name_is(keys, self.person_id, &same_id.name_sealed, &self.name).map_err(unusable)?;
            let same = same_name && hashes.iter().any(|hash| same_id.phone_hash == hash);
            return Ok(if same { Ok(Done::Person) } else { Err(Reason::NameTaken) });
        }
        if !known.is_empty() {
            return Ok(Err(Reason::PhoneNumberTaken));
        }
        let [hash, _] = hashes;
        sql::insert_person(tx, &self.row(keys, hash).map_err(unusable)?).await?;
        log.add("PERSON_REGISTERED", self.person_id.uuid(), &format!("phone={}", self.phone.masked()));
        Ok(Ok(Done::Person))
    }

    fn row(&self, keys: &dyn KeyStore, hash: [u8; 32]) -> Result<PersonRow, KeyError> {
        Ok(PersonRow {
            person_id: self.person_id,
            phone_hash: hash.to_vec(),
            phone_sealed: seal_phone(keys, self.person_id, &self.phone)?,
            name_sealed: seal_name(keys, self.person_id, &self.name)?,
        })
    }
}

/// Puts a new enrolment code in the place of the one before.
pub(super) struct IssueEnrolmentCode {
    person_id: PersonId,
    code_mac: [u8; 32],
    ttl: std::time::Duration,
}

impl fmt::Debug for IssueEnrolmentCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssueEnrolmentCode").field("person_id", &self.person_id).finish_non_exhaustive()
    }
}

impl IssueEnrolmentCode {
    /// The code itself goes to the operator only; what is stored is its keyed hash.
    pub(super) fn new(
        keys: &dyn KeyStore,
        person_id: PersonId,
        code: &str,
        ttl: std::time::Duration,
    ) -> Result<Self, KeyError> {
        let code_mac = enrolment_code_mac(keys, person_id, code)?;
        Ok(Self { person_id, code_mac, ttl })
    }

    pub(super) async fn apply(&self, tx: &mut Tx, log: &mut Log<'_>) -> Result<Result<Done, Reason>, StoreError> {
        if !sql::is_person(tx, self.person_id).await? {
            return Ok(Err(Reason::PersonUnknown));
        }
        let expires_at = tx.now().plus(self.ttl);
        sql::put_enrolment_code(tx, self.person_id, &self.code_mac, expires_at, ENROLMENT_ATTEMPTS).await?;
        log.add("ENROLMENT_CODE_ISSUED", self.person_id.uuid(), "attempts=5");
        Ok(Ok(Done::EnrolmentCode { expires_at }))
    }
}
