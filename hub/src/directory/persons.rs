//! People, their accounts and the way for their phones in: RegisterPerson, BindAccount, IssueEnrolmentCode.

use std::fmt;

use domain::text::Line;
use domain::{AccountId, BankId, PersonId, PhoneNumber, Reason, Timestamp};
use proto::operator as pb;
use server_kit::keystore::{KeyError, KeyStore};
use server_kit::store::{StoreError, Tx};

use super::changes::{Done, Log};
use super::sealed::{enrolment_code_mac, name_is, phone_hash, seal_name, seal_phone, unusable};
use super::sql::{self, Binding, PersonRow, Stored};

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
        let row = self.row(keys).map_err(unusable)?;
        let known = sql::load_persons(tx, self.person_id, &row.phone_hash).await?;
        if let Some(same_id) = known.iter().find(|known| known.person_id == self.person_id) {
            let same_name = name_is(keys, self.person_id, &same_id.name_sealed, &self.name).map_err(unusable)?;
            let same = same_name && same_id.phone_hash == row.phone_hash;
            return Ok(if same { Ok(Done::Person) } else { Err(Reason::NameTaken) });
        }
        if !known.is_empty() {
            return Ok(Err(Reason::PhoneNumberTaken));
        }
        sql::insert_person(tx, &row).await?;
        log.add("PERSON_REGISTERED", self.person_id.uuid(), &format!("phone={}", self.phone.masked()));
        Ok(Ok(Done::Person))
    }

    fn row(&self, keys: &dyn KeyStore) -> Result<PersonRow, KeyError> {
        Ok(PersonRow {
            person_id: self.person_id,
            phone_hash: phone_hash(keys, &self.phone)?.to_vec(),
            phone_sealed: seal_phone(keys, self.person_id, &self.phone)?,
            name_sealed: seal_name(keys, self.person_id, &self.name)?,
        })
    }
}

/// The account that an operator speaks of, before the bank is asked about it.
#[derive(Clone, Debug)]
pub(super) struct AccountAsked {
    pub(super) person_id: PersonId,
    pub(super) bank_id: BankId,
    pub(super) account_id: AccountId,
    make_default: bool,
}

impl AccountAsked {
    pub(super) fn read(request: &pb::BindAccountRequest) -> Result<Self, Reason> {
        Ok(Self {
            person_id: PersonId::parse(&request.person_id)?,
            bank_id: BankId::parse(&request.bank_id)?,
            account_id: AccountId::parse(&request.account_id)?,
            make_default: request.make_default,
        })
    }
}

/// Binds an account that its bank knows to a person.
#[derive(Debug)]
pub(super) struct BindAccount {
    pub(super) asked: AccountAsked,
    /// What the bank shows of it.
    pub(super) account_masked: String,
}

impl BindAccount {
    pub(super) async fn apply(&self, tx: &mut Tx, log: &mut Log<'_>) -> Result<Result<Done, Reason>, StoreError> {
        let AccountAsked { person_id, bank_id, account_id, make_default } = &self.asked;
        if !sql::is_person(tx, *person_id).await? {
            return Ok(Err(Reason::PersonUnknown));
        }
        if sql::load_bank(tx, bank_id).await?.is_none() {
            return Ok(Err(Reason::BankUnknown));
        }
        let known = sql::load_binding(tx, bank_id, *account_id).await?;
        if known.as_ref().is_some_and(|known| known.value.person_id != *person_id) {
            return Ok(Err(Reason::AccountTaken));
        }
        let default = sql::load_default_binding(tx, *person_id).await?;
        let is_new = known.is_none();
        let before = known.unwrap_or_else(|| self.unbound(tx.now()));
        let becomes_default = !before.value.is_default && (*make_default || default.is_none());
        if !is_new && !becomes_default {
            return Ok(Ok(Done::Binding { account_masked: before.value.account_masked }));
        }
        if becomes_default && let Some(default) = default {
            // First the old one lets go: there is never more than one default, not even between two statements.
            let binding = Binding { is_default: false, ..default.value };
            sql::put_binding(tx, &binding, default.version + 1).await?;
        }
        let binding = Binding { is_default: before.value.is_default || becomes_default, ..before.value };
        sql::put_binding(tx, &binding, before.version + 1).await?;
        let content = format!("bank={bank_id} account={} default={}", binding.account_masked, binding.is_default);
        log.add(if is_new { "ACCOUNT_BOUND" } else { "ACCOUNT_MADE_DEFAULT" }, person_id.uuid(), &content);
        Ok(Ok(Done::Binding { account_masked: binding.account_masked }))
    }

    fn unbound(&self, now: Timestamp) -> Stored<Binding> {
        let value = Binding {
            bank_id: self.asked.bank_id.clone(),
            account_id: self.asked.account_id,
            person_id: self.asked.person_id,
            account_masked: self.account_masked.clone(),
            active: true,
            is_default: false,
            bound_at: now,
        };
        Stored { version: 0, value }
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
